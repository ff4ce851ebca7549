"""Values that switch every part of the chart on, off, or elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.chart import render

Object = dict[str, Any]

ISSUER: Object = {
    "vault": {
        "server": "https://vault.example.com:8200",
        "path": "pki_int/sign/lab",
        "auth": {
            "kubernetes": {
                "role": "vault-issuer",
                "mountPath": "/v1/auth/kubernetes",
                "serviceAccountRef": {"name": "vault-login"},
            }
        },
    }
}
POLICY: Object = {
    "selector": {"issuerRef": {"group": "vault-issuer.io"}},
    "allowed": {"dnsNames": {"values": ["*.lab.example.com"]}},
}
USERS = [
    {"kind": "ServiceAccount", "name": "cert-manager", "namespace": "cert-manager"},
    {"kind": "Group", "name": "system:authenticated"},
]
FULL: Object = {
    "commonLabels": {"team": "pki"},
    "commonAnnotations": {"example.com/owner": "pki"},
    "image": {
        "registry": "registry.example.com:5000",
        "digest": "sha256:" + "0" * 64,
    },
    "imagePullSecrets": [{"name": "pull"}],
    "replicaCount": 3,
    "controller": {
        "shutdownGrace": 40.5,
        "extraArgs": ["--workers=8"],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com"}],
        "extraVolumes": [{"name": "v", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
    },
    "revocation": {"enabled": True, "allNamespaces": True},
    "trustDistribution": {"configMaps": ["trusted-roots"], "clusterTrustBundles": True},
    "clusterIssuers": {"secrets": ["vault-ca"], "serviceAccounts": ["vault-login", "other-login"]},
    "namespacedIssuers": {
        "allowedServers": ["vault.example.com:8200", "*.example.com", "10.0.0.0/8", "[fd00::/8]:8200"]
    },
    "backends": [
        {"name": "example", "group": "example.test", "resources": ["exampleissuers", "exampleclusterissuers"]}
    ],
    "namespaceAccess": [
        {"namespace": "team-a", "secrets": ["vault-ca"], "serviceAccounts": ["vault-login"]},
        {"namespace": "team-b", "serviceAccounts": ["vault-login"]},
    ],
    "issuers": [{"name": "vault", "spec": ISSUER}, {"name": "vault", "namespace": "team-a", "spec": ISSUER}],
    "policies": [{"name": "web", "spec": POLICY, "users": USERS}],
    "starterPolicy": {"enabled": True, "dnsNames": ["*.lab.example.com"]},
    "canary": {
        "enabled": True,
        "issuers": [
            {"name": "vault", "dnsName": "canary.lab.example.com", "endpoint": "canary.pki.svc:8443"},
            {"name": "vault", "namespace": "team-c", "dnsName": "canary.c.example.com"},
        ],
        "namespace": "canaries",
    },
    "admissionPolicy": {"enabled": True},
    "people": {"issuers": "admin"},
    "serviceAccount": {"annotations": {"example.com/role": "signer"}},
    "podLabels": {"tier": "infra"},
    "podAnnotations": {"example.com/scrape": "true"},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "networkPolicy": {
        "metricsFrom": [{"namespaceSelector": {}}],
        "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    },
    "metrics": {
        "service": {"annotations": {"a": "b"}},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "serviceMonitor": {"enabled": True},
    },
    "monitoring": {
        "rules": {"enabled": True, "labels": {"release": "prometheus"}, "alertLabels": {"team": "pki"}},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "PKI"}},
    },
    "statusPage": {
        "enabled": True,
        "address": ":9403",
        "tls": {"secretName": "status-tls"},
        "from": [{"namespaceSelector": {}}],
    },
    "tracing": {"endpoint": "http://collector.observability:4318"},
    "pki": {
        "enabled": True,
        "file": "mounts: {pki_int: {description: '${WHAT}'}}\n",
        "server": "https://vault.example.com:8200",
        "namespace": "team",
        "env": [{"name": "WHAT", "value": "CA"}],
    },
}
BARE: Object = {
    "replicaCount": 1,
    "crds": {"upgrade": False},
    "approval": {"enabled": False},
    "certificateSigningRequests": {"enabled": False},
    "certificates": {"enabled": False},
    "people": {"enabled": False},
    "clusterIssuers": {"enabled": False},
    "serviceAccount": {"create": False, "name": "there-already"},
    "podDisruptionBudget": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "metrics": {"port": 8080, "service": {"enabled": False}},
}
ELSEWHERE: Object = {
    "fullnameOverride": "signer",
    "controller": {"clusterResourceNamespace": "pki"},
    "revocation": {"enabled": True, "namespaces": ["team-a", "team-b"]},
    "clusterIssuers": {"secrets": [], "serviceAccounts": []},
    "statusPage": {"enabled": True},
    "pki": {
        "enabled": True,
        "file": "mounts: {pki_int: {}}\n",
        "server": "https://vault.example.com",
        "caSecret": "",
        "login": {"wrappedTokenSecret": "pki-token"},
    },
}
EVERY = {"default": {}, "full": FULL, "bare": BARE, "elsewhere": ELSEWHERE}


@pytest.fixture(params=EVERY)
def rendered(request: pytest.FixtureRequest) -> list[Object]:
    """The chart's objects under each of these values in turn."""
    return render(EVERY[request.param])


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """Those of these kinds."""
    return [one for one in objects if one["kind"] in kinds]


def pod_specs(objects: list[Object]) -> dict[str, Object]:
    """Every pod's spec by kind and name: of Deployments, Jobs and Pods."""
    found = {}
    for one in of_kind(objects, "Deployment", "Job", "Pod"):
        spec = one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
        found[f"{one['kind']}/{one['metadata']['name']}"] = spec
    return found


def the_deployment(objects: list[Object]) -> Object:
    """The only Deployment there is."""
    (found,) = of_kind(objects, "Deployment")
    return found


def rules(objects: list[Object]) -> list[tuple[str, Object]]:
    """Every RBAC rule, with the kind of role it stands in."""
    return [
        (one["kind"], rule) for one in of_kind(objects, "Role", "ClusterRole") for rule in one["rules"] or []
    ]
