{{/* What the objects are called. */}}
{{- define "vault-issuer.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a Service is called; takes (dict "root" . "suffix" "..."). */}}
{{- define "vault-issuer.serviceName" -}}
{{- $name := include "vault-issuer.fullname" .root -}}
{{- if and (regexMatch "^[0-9]" $name) (semverCompare "<1.36.0-0" .root.Capabilities.KubeVersion.Version) -}}
{{- fail (printf "Kubernetes before 1.36 takes no Service whose name begins with a digit, as in %s: set fullnameOverride to a name that begins with a letter" $name) -}}
{{- end -}}
{{- printf "%s-%s" $name .suffix -}}
{{- end -}}

{{/* Where all but the objects of the cluster are. */}}
{{- define "vault-issuer.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "vault-issuer.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
{{- end -}}

{{- define "vault-issuer.labels" -}}
{{ include "vault-issuer.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* metadata of an object of this release; takes (dict "root" . "name" "..."), and may take namespace, labels and annotations. */}}
{{- define "vault-issuer.metadata" -}}
name: {{ .name | toYaml }}
{{- if .namespace }}
namespace: {{ .namespace | toYaml }}
{{- end }}
labels:
  {{- include "vault-issuer.labels" .root | nindent 2 }}
  {{- with merge (dict) (default (dict) .labels) (default (dict) .root.Values.commonLabels) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge (dict) (default (dict) .annotations) (default (dict) .root.Values.commonAnnotations) }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* metadata of a hook's object; takes (dict "root" . "name" "..." "namespace" "..." "hook" "..." "weight" "0"). */}}
{{- define "vault-issuer.hookMetadata" -}}
{{- $hook := dict "helm.sh/hook" .hook "helm.sh/hook-weight" .weight "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
{{- include "vault-issuer.metadata" (merge (dict "annotations" $hook) .) -}}
{{- end -}}

{{- define "vault-issuer.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vault-issuer.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The API groups of our issuers, as a CEL list. */}}
{{- define "vault-issuer.groups" -}}
{{- $groups := list "vault-issuer.io" -}}
{{- range .Values.backends -}}
{{- $groups = append $groups .group -}}
{{- end -}}
{{- if .Values.adopt.stepIssuer -}}
{{- $groups = append $groups "certmanager.step.sm" -}}
{{- end -}}
{{- $groups | uniq | toJson -}}
{{- end -}}

{{- define "vault-issuer.clusterResourceNamespace" -}}
{{- default (include "vault-issuer.namespace" .) .Values.controller.clusterResourceNamespace -}}
{{- end -}}

{{/* The kind of one of issuers or canary.issuers; takes it. */}}
{{- define "vault-issuer.issuerKind" -}}
{{- default (ternary "VaultIssuer" "VaultClusterIssuer" (hasKey . "namespace")) .kind -}}
{{- end -}}

{{/* Group and kind of one of canary.issuers, as issuerRef has them; takes it. */}}
{{- define "vault-issuer.groupAndKind" -}}
{{- $parts := splitn "." 2 (include "vault-issuer.issuerKind" .) -}}
group: {{ default "vault-issuer.io" $parts._1 }}
kind: {{ $parts._0 }}
{{- end -}}

{{/* One of issuers or canary.issuers as KIND/NAME or KIND/NAMESPACE/NAME; takes it. */}}
{{- define "vault-issuer.issuerReference" -}}
{{- printf "%s/%s" (include "vault-issuer.issuerKind" .) (ternary (printf "%s/%s" .namespace .name) .name (hasKey . "namespace")) -}}
{{- end -}}

{{/* What tells names made for a Step kind's issuer from those for one of Vault's with its name; takes it. */}}
{{- define "vault-issuer.kindPrefix" -}}
{{- $kind := include "vault-issuer.issuerKind" . -}}
{{- if hasPrefix "Step" $kind }}{{ printf "%s." (lower $kind) }}{{ end -}}
{{- end -}}

{{/* The Secrets that cluster issuers may use, as a JSON array: clusterIssuers.secrets, and what those in issuers name. */}}
{{- define "vault-issuer.clusterIssuerSecrets" -}}
{{- $found := .Values.clusterIssuers.secrets | default list -}}
{{- range .Values.issuers -}}
{{- if not (hasKey . "namespace") -}}
{{- $vault := default dict .spec.vault -}}
{{- $auth := default dict $vault.auth -}}
{{- $provisioner := default dict .spec.provisioner -}}
{{- range (list $auth.tokenSecretRef (($auth.appRole).roleIdSecretRef) (($auth.appRole).secretRef) (($auth.kubernetes).secretRef) $vault.caBundleSecretRef $vault.clientCertSecretRef $vault.clientKeySecretRef $provisioner.passwordRef $provisioner.keyRef ((.spec.trustedCA).secretRef)) -}}
{{- with (.).name }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- with ($auth.clientCertificate).secretName }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $found | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- define "vault-issuer.canaryNamespace" -}}
{{- default (include "vault-issuer.namespace" .) .Values.canary.namespace -}}
{{- end -}}

{{/* The namespaces that canaries are asked in, as a JSON array. */}}
{{- define "vault-issuer.canaryNamespaces" -}}
{{- $found := list -}}
{{- range .Values.canary.issuers -}}
{{- $found = append $found (default (include "vault-issuer.canaryNamespace" $) .namespace) -}}
{{- end -}}
{{- uniq $found | toJson -}}
{{- end -}}

{{/* What belongs to one issuer's canary; takes (dict "root" . "issuer" (dict "name" "..." ...)). */}}
{{- define "vault-issuer.canaryName" -}}
{{- $own := ternary (printf "%s.%s" .issuer.namespace .issuer.name) .issuer.name (hasKey .issuer "namespace") -}}
{{- printf "%s-canary-%s%s" (include "vault-issuer.fullname" .root) (include "vault-issuer.kindPrefix" .issuer) $own -}}
{{- end -}}

{{- define "vault-issuer.image" -}}
{{- $image := .Values.image -}}
{{- $registry := default $image.registry (.Values.global).imageRegistry -}}
{{- if not $registry -}}
{{- fail "image.registry is empty, and there is no public image: build one with `make image`, push it, and set image.registry to host[:port] of your registry; docker.io/library for an image that your nodes have as vault-issuer" -}}
{{- end -}}
{{- printf "%s/%s" $registry $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* roleRef and subjects of a binding to the controller; takes (dict "root" . "kind" "Role" "role" "..."). */}}
{{- define "vault-issuer.bound" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .role | toYaml }}
subjects:
  - kind: ServiceAccount
    name: {{ default (include "vault-issuer.serviceAccountName" .root) .account | toYaml }}
    namespace: {{ include "vault-issuer.namespace" .root | toYaml }}
{{- end -}}

{{/* Not empty where the status page listens elsewhere than on loopback: then it has TLS and a login. */}}
{{- define "vault-issuer.statusExposed" -}}
{{- if and .Values.statusPage.enabled (not (regexMatch "^(127[.][0-9.]+|localhost|\\[::1\\]):" .Values.statusPage.address)) -}}
true
{{- end -}}
{{- end -}}

{{/* Not empty where OpenShift chooses users and groups. */}}
{{- define "vault-issuer.openshift" -}}
{{- $wanted := toString .Values.openshift -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{- define "vault-issuer.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext -}}
{{- include "vault-issuer.notNull" (list "podSecurityContext" $context) -}}
{{- if include "vault-issuer.openshift" . -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- include "vault-issuer.withoutNulls" $context -}}
{{- end -}}

{{- define "vault-issuer.containerSecurityContext" -}}
{{- include "vault-issuer.notNull" (list "containerSecurityContext" .Values.containerSecurityContext) -}}
{{- include "vault-issuer.withoutNulls" .Values.containerSecurityContext -}}
{{- end -}}

{{/* Fails where a mapping of safe defaults is gone as a whole; takes its name and it. */}}
{{- define "vault-issuer.notNull" -}}
{{- if kindIs "invalid" (last .) -}}
{{- fail (printf "%s is null, which would take every safe default away: set the fields that are not wanted to null, one by one" (first .)) -}}
{{- end -}}
{{- end -}}

{{/* What a ServiceMonitor finds the Service by: Argo CD may write its own name over app.kubernetes.io/instance. */}}
{{- define "vault-issuer.metricsLabel" -}}
vault-issuer.io/service: {{ printf "%s-metrics" (include "vault-issuer.fullname" .) | quote }}
{{- end -}}

{{/* A probe of the metrics port; takes (dict "root" . "name" "livenessProbe" "path" "/healthz"). There is none where it is null. */}}
{{- define "vault-issuer.probe" -}}
{{- $probe := index .root.Values .name -}}
{{- if not (kindIs "invalid" $probe) }}
{{ .name }}:
  httpGet:
    path: {{ .path }}
    port: metrics
    {{- if .root.Values.metrics.tls.secretName }}
    scheme: HTTPS
    {{- end }}
  {{- $set := include "vault-issuer.withoutNulls" $probe }}
  {{- if ne $set "{}" }}
  {{- $set | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Fails where a monitor would scrape nothing; takes (dict "root" . "name" "podMonitor"). */}}
{{- define "vault-issuer.monitorChecked" -}}
{{- $monitor := index .root.Values.metrics .name -}}
{{- $at := printf "metrics.%s" .name -}}
{{- if and $monitor.scrapeTimeout $monitor.interval (gt (include "vault-issuer.milliseconds" $monitor.scrapeTimeout | int64) (include "vault-issuer.milliseconds" $monitor.interval | int64)) -}}
{{- fail (printf "%s.scrapeTimeout (%s) is longer than its interval (%s), and Prometheus' operator leaves such a monitor out: shorten it, or lengthen the interval" $at $monitor.scrapeTimeout $monitor.interval) -}}
{{- end -}}
{{- if and .root.Values.metrics.tls.secretName (not $monitor.authorization) -}}
{{- fail (printf "metrics.tls.secretName has the metrics ask for a token: set %s.authorization.credentials to the Secret that has one, by name and key" $at) -}}
{{- end -}}
{{- end -}}

{{/* A time of Prometheus', such as 30s or 1m30s, in milliseconds. */}}
{{- define "vault-issuer.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|[smhdwy])" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (index $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* A mapping as YAML without what is null, which Helm 3 leaves in a sub-chart's values; and with whole numbers for ids. */}}
{{- define "vault-issuer.withoutNulls" -}}
{{- $kept := dict -}}
{{- range $field, $value := . -}}
{{- if kindIs "float64" $value -}}
{{- $_ := set $kept $field (int64 $value) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $kept $field $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{/* Secrets for the registry, of this chart and of all charts; other charts take names alone in the latter, too. */}}
{{- define "vault-issuer.imagePullSecrets" -}}
{{- $found := .Values.imagePullSecrets | default list -}}
{{- range (.Values.global).imagePullSecrets | default list -}}
{{- $found = append $found (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $found }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every pod of ours has of its node, its network and its names. */}}
{{- define "vault-issuer.placement" -}}
{{- range $field := list "priorityClassName" "runtimeClassName" }}
{{- with index $.Values $field }}
{{ $field }}: {{ toYaml . }}
{{- end }}
{{- end }}
{{- with default (ternary "ClusterFirstWithHostNet" "" (default false .Values.hostNetwork)) .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- range $field := list "dnsConfig" "hostAliases" "nodeSelector" "tolerations" }}
{{- with index $.Values $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Which addresses a Service has. */}}
{{- define "vault-issuer.ipFamilies" -}}
{{- with .Values.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* The metadata of the pod of a hook's Job; takes (dict "root" . "component" "..."). */}}
{{- define "vault-issuer.hookPodMetadata" -}}
labels:
  {{- include "vault-issuer.selectorLabels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with merge (dict) (default (dict) .root.Values.hooks.podLabels) (default (dict) .root.Values.commonLabels) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .root.Values.hooks.podAnnotations) (default (dict) .root.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where a hook's pod may go, as long as it is there; takes what hookMetadata takes, and "component" "...". */}}
{{- define "vault-issuer.hookNetworkPolicy" -}}
{{- if and .root.Values.networkPolicy.enabled .root.Values.networkPolicy.egress }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "vault-issuer.hookMetadata" (merge (dict "weight" "-10") .) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "vault-issuer.selectorLabels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "vault-issuer.egress" .root | nindent 4 }}
{{- end }}
{{- end -}}

{{/* DNS, and the egress rules of the values. */}}
{{- define "vault-issuer.egress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
    {{- if include "vault-issuer.openshift" . }}
    # Where OpenShift's DNS pods listen, which is what a policy is held against.
    - port: 5353
      protocol: UDP
    - port: 5353
      protocol: TCP
    {{- end }}
{{ toYaml .Values.networkPolicy.egress }}
{{- end -}}

{{/* The pod spec of a hook; takes (dict "root" . "account" "..." "token" true "args" (list ...)), and may take env and mounts. */}}
{{- define "vault-issuer.hookPod" -}}
restartPolicy: Never
serviceAccountName: {{ .account | toYaml }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
{{- include "vault-issuer.imagePullSecrets" .root }}
securityContext:
  {{- include "vault-issuer.podSecurityContext" .root | nindent 2 }}
containers:
  - name: {{ .root.Chart.Name | toYaml }}
    image: {{ include "vault-issuer.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    securityContext:
      {{- include "vault-issuer.containerSecurityContext" .root | nindent 6 }}
    resources:
      {{- toYaml .root.Values.hooks.resources | nindent 6 }}
    {{- with .env }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .mounts }}
    volumeMounts:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- include "vault-issuer.placement" .root }}
{{- end -}}

{{/* Signer names of the issuers of backends from elsewhere, as items of a list. */}}
{{- define "vault-issuer.foreignSigners" -}}
{{- range $backend := .Values.backends }}
{{- range $resource := $backend.resources }}
      - {{ $resource }}.{{ $backend.group }}/*
{{- end }}
{{- end }}
{{- end }}

{{/* The pod spec of the Job of pki.yaml, without its volumes. */}}
{{- define "vault-issuer.pkiPod" -}}
{{- $pki := .Values.pki -}}
{{- $args := list "pki" "apply" "--file=/etc/vault-issuer/pki/pki.yaml" "--part=automation" "--yes" (printf "--wait=%d" (int $pki.wait)) -}}
{{- if $pki.login.wrappedTokenSecret -}}
{{- $args = append $args "--wrapped-token=/var/run/secrets/vault-issuer/token" -}}
{{- else -}}
{{- $args = concat $args (list (printf "--kubernetes-role=%s" $pki.login.role) (printf "--kubernetes-mount=%s" $pki.login.mountPath)) -}}
{{- end -}}
{{- $env := list (dict "name" "VAULT_ADDR" "value" (required "pki.server is empty; set it to Vault's https:// address" $pki.server)) -}}
{{- $mounts := list (dict "name" "file" "mountPath" "/etc/vault-issuer/pki" "readOnly" true) (dict "name" "login" "mountPath" "/var/run/secrets/vault-issuer" "readOnly" true) -}}
{{- with $pki.namespace -}}
{{- $env = append $env (dict "name" "VAULT_NAMESPACE" "value" .) -}}
{{- end -}}
{{- if $pki.caSecret -}}
{{- $env = append $env (dict "name" "VAULT_CACERT" "value" "/etc/vault-issuer/ca/ca.crt") -}}
{{- $mounts = append $mounts (dict "name" "ca" "mountPath" "/etc/vault-issuer/ca" "readOnly" true) -}}
{{- end -}}
{{- include "vault-issuer.hookPod" (dict "root" . "account" (printf "%s-pki" (include "vault-issuer.fullname" .)) "token" false "args" $args "env" (concat $env (default (list) $pki.env)) "mounts" $mounts) -}}
{{- end -}}

{{/* Its volumes but for the file. */}}
{{- define "vault-issuer.pkiVolumes" -}}
{{- $pki := .Values.pki -}}
- name: login
{{- if $pki.login.wrappedTokenSecret }}
  secret:
    secretName: {{ $pki.login.wrappedTokenSecret | toYaml }}
    items: [{key: token, path: token}]
{{- else }}
  projected:
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ $pki.login.audience | toYaml }}
          expirationSeconds: 600
{{- end }}
{{- with $pki.caSecret }}
- name: ca
  secret:
    secretName: {{ . | toYaml }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{/* Its name, which is another one for another file, image, login or label of the pod: a Job can't be changed. */}}
{{- define "vault-issuer.pkiName" -}}
{{- $pod := include "vault-issuer.hookPodMetadata" (dict "root" . "component" "pki") -}}
{{- $all := list .Values.pki.file $pod (include "vault-issuer.pkiPod" .) (include "vault-issuer.pkiVolumes" .) | join "\n" -}}
{{- printf "%s-pki-%s" (include "vault-issuer.fullname" .) (sha256sum $all | trunc 10) -}}
{{- end -}}
