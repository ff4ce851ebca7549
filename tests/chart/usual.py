"""Values that charts usually have, each set to something else than its default."""

from __future__ import annotations

from typing import Final

from tests.chart.conftest import EVERY, FULL, ISSUER, POLICY, Object

MONITOR: Final[Object] = {
    "enabled": True,
    "namespace": "monitoring",
    "interval": "20s",
    "scrapeTimeout": "7s",
    "labels": {"release": "prometheus"},
    "annotations": {"example.com/a": "monitor"},
    "tlsConfig": {"insecureSkipVerify": False, "serverName": "metrics.example.com"},
    "authorization": {"credentials": {"name": "scrape", "key": "token"}},
    "relabelings": [{"targetLabel": "cluster", "replacement": "lab"}],
    "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}],
}
SIDECAR: Final[Object] = {"name": "sidecar", "image": "registry.example.com/sidecar:1"}
CONFIG_MAP: Final[Object] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "{{ .Release.Name }}-extra", "namespace": "{{ .Release.Namespace }}"},
}
USUAL: Final[Object] = {
    "enabled": True,
    "global": {"imageRegistry": "mirror.example.com", "imagePullSecrets": [{"name": "of-all-charts"}]},
    "imagePullSecrets": [{"name": "of-this-chart"}],
    "commonLabels": FULL["commonLabels"],
    "commonAnnotations": FULL["commonAnnotations"],
    "openshift": False,
    "replicaCount": 3,
    "strategy": {"type": "Recreate"},
    "revisionHistoryLimit": 1,
    "deploymentLabels": {"example.com/l": "deployment"},
    "deploymentAnnotations": {"example.com/a": "deployment"},
    "serviceAccount": {
        "labels": {"example.com/l": "account"},
        "annotations": {"example.com/a": "account"},
    },
    "podSecurityContext": {"runAsUser": 1000, "supplementalGroups": [7], "runAsGroup": None},
    "containerSecurityContext": {"appArmorProfile": {"type": "RuntimeDefault"}},
    "startupProbe": {"failureThreshold": 90},
    "livenessProbe": {"initialDelaySeconds": 3},
    "readinessProbe": {"timeoutSeconds": 9},
    "extraContainers": [SIDECAR],
    "extraInitContainers": [SIDECAR | {"name": "before"}],
    "extraObjects": [
        CONFIG_MAP,
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: as-text, namespace: shop}}",
    ],
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "dnsPolicy": "ClusterFirstWithHostNet",
    "dnsConfig": {"options": [{"name": "ndots", "value": "2"}], "searches": ["example.com"]},
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["vault.example.com"]}],
    "hostNetwork": True,
    "runtimeClassName": "gvisor",
    "ipFamilyPolicy": "PreferDualStack",
    "ipFamilies": ["IPv4"],
    "metrics": {
        "tls": {"secretName": "metrics-tls"},
        "service": {"labels": {"example.com/l": "service"}, "annotations": {"example.com/a": "service"}},
        "podMonitor": MONITOR,
        "serviceMonitor": MONITOR,
    },
    "statusPage": {
        **FULL["statusPage"],
        "service": {"labels": {"example.com/l": "status"}, "annotations": {"example.com/a": "status"}},
    },
    "networkPolicy": {"egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}]},
    "revocation": {"enabled": True, "allNamespaces": True},
    "pki": FULL["pki"],
    "hooks": {
        "podLabels": {"example.com/l": "hook"},
        "podAnnotations": {"example.com/a": "hook"},
        "resources": {"requests": {"cpu": "20m"}},
    },
}
# Each name is a number of its own, which YAML may not take for one.
DIGITS: Final[Object] = {
    **FULL,
    "nameOverride": "9003",
    "fullnameOverride": "9004",
    "commonLabels": {"team": "9005"},
    "commonAnnotations": {"example.com/owner": "9006"},
    "controller": {"clusterResourceNamespace": "9007"},
    "revocation": {"enabled": True, "namespaces": ["9008"]},
    "clusterIssuers": {"secrets": ["9009"], "serviceAccounts": ["9010"]},
    "namespaceAccess": [{"namespace": "9011", "secrets": ["9012"], "serviceAccounts": ["9013"]}],
    "issuers": [{"name": "9014", "spec": ISSUER}, {"name": "9014", "namespace": "9015", "spec": ISSUER}],
    "policies": [
        {
            "name": "9016",
            "spec": POLICY,
            "users": [{"kind": "ServiceAccount", "name": "9017", "namespace": "9018"}],
        }
    ],
    "starterPolicy": {
        "enabled": True,
        "name": "9019",
        "dnsNames": ["9020"],
        "issuer": {"kind": "VaultIssuer", "name": "9021"},
        "certManager": {"serviceAccount": "9022", "namespace": "9023"},
    },
    "canary": {
        "enabled": True,
        "issuers": [
            {"name": "9024", "dnsName": "9025"},
            {"name": "9026", "namespace": "9027", "dnsName": "a"},
        ],
        "namespace": "9028",
    },
    "serviceAccount": {"name": "9029", "labels": {"a": "9030"}, "annotations": {"a": "9031"}},
    "imagePullSecrets": [{"name": "9032"}],
    "priorityClassName": "9033",
    "runtimeClassName": "9034",
    "metrics": {
        "tls": {"secretName": "9035"},
        "podMonitor": {
            "enabled": True,
            "namespace": "9036",
            "authorization": {"credentials": {"name": "9037", "key": "token"}},
        },
    },
    "statusPage": {**FULL["statusPage"], "tls": {"secretName": "9038"}},
    "pki": {
        **FULL["pki"],
        "namespace": "9039",
        "caSecret": "9040",
        "login": {"role": "9041", "mountPath": "9042", "audience": "9043"},
    },
    "image": {"registry": "registry.example.com", "tag": "9044"},
}
# What a real API server is given: tests/integration/test_chart.py.
GIVEN: Final[dict[str, Object]] = {
    **EVERY,
    "usual": USUAL,
    "no-rbac": {**FULL, "rbac": {"create": False}, "openshift": True},
    "digits": DIGITS,
}
