"""Values that charts usually have, each set to something else than its default."""

from __future__ import annotations

from typing import Final

from tests.chart.conftest import EVERY, FULL, Object

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
# What a real API server is given: tests/integration/test_chart.py.
GIVEN: Final[dict[str, Object]] = {
    **EVERY,
    "usual": USUAL,
    "no-rbac": {**FULL, "rbac": {"create": False}, "openshift": True},
}
