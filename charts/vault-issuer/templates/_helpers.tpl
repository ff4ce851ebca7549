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

{{- define "vault-issuer.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vault-issuer.labels" -}}
{{ include "vault-issuer.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object of this release; takes (dict "root" . "name" "..."), and may take namespace, labels and annotations. */}}
{{- define "vault-issuer.metadata" -}}
name: {{ .name }}
{{- if .namespace }}
namespace: {{ .namespace }}
{{- end }}
labels:
  {{- include "vault-issuer.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
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
{{- $groups | uniq | toJson -}}
{{- end -}}

{{- define "vault-issuer.clusterResourceNamespace" -}}
{{- default .Release.Namespace .Values.controller.clusterResourceNamespace -}}
{{- end -}}

{{/* The Secrets that VaultClusterIssuers may use, as a JSON array: clusterIssuers.secrets, and what those in issuers name. */}}
{{- define "vault-issuer.clusterIssuerSecrets" -}}
{{- $found := .Values.clusterIssuers.secrets | default list -}}
{{- range .Values.issuers -}}
{{- if not (hasKey . "namespace") -}}
{{- $vault := .spec.vault -}}
{{- $auth := $vault.auth -}}
{{- range (list $auth.tokenSecretRef (($auth.appRole).secretRef) (($auth.kubernetes).secretRef) $vault.caBundleSecretRef $vault.clientCertSecretRef $vault.clientKeySecretRef ((.spec.trustedCA).secretRef)) -}}
{{- with (.).name }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- with ($auth.clientCertificate).secretName }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $found | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- define "vault-issuer.canaryNamespace" -}}
{{- default .Release.Namespace .Values.canary.namespace -}}
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
{{- printf "%s-canary-%s" (include "vault-issuer.fullname" .root) $own -}}
{{- end -}}

{{- define "vault-issuer.image" -}}
{{- $image := .Values.image -}}
{{- $registry := default $image.registry .Values.global.imageRegistry -}}
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
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ default (include "vault-issuer.serviceAccountName" .root) .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* Not empty where the status page listens elsewhere than on loopback: then it has TLS and a login. */}}
{{- define "vault-issuer.statusExposed" -}}
{{- if and .Values.statusPage.enabled (not (regexMatch "^(127[.][0-9.]+|localhost|\\[::1\\]):" .Values.statusPage.address)) -}}
true
{{- end -}}
{{- end -}}

{{/* What every pod of ours is allowed: nothing (Pod Security "restricted", and a root file system that can't be written). */}}
{{- define "vault-issuer.podSecurityContext" -}}
runAsNonRoot: true
{{- range $field, $id := .Values.podSecurityContext }}
{{- if $id }}
{{ $field }}: {{ int64 $id }}
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "vault-issuer.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The pod spec of a hook; takes (dict "root" . "account" "..." "token" true "args" (list ...)). */}}
{{- define "vault-issuer.hookPod" -}}
restartPolicy: Never
serviceAccountName: {{ .account }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "vault-issuer.podSecurityContext" .root | nindent 2 }}
containers:
  - name: {{ .root.Chart.Name }}
    image: {{ include "vault-issuer.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    securityContext:
      {{- include "vault-issuer.containerSecurityContext" . | nindent 6 }}
    resources:
      requests:
        cpu: 10m
        memory: 64Mi
      limits:
        memory: 256Mi
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Signer names of the issuers of backends from elsewhere, as items of a list. */}}
{{- define "vault-issuer.foreignSigners" -}}
{{- range $backend := .Values.backends }}
{{- range $resource := $backend.resources }}
      - {{ $resource }}.{{ $backend.group }}/*
{{- end }}
{{- end }}
{{- end }}
