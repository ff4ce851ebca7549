"""Objects of an installation of step-ca, step-issuer and approver-policy.

As in "Step-CA (Again)": an issuer, a policy with its binding for cert-manager, a test certificate with an
organization, and a canary that lives for two hours.
"""

from __future__ import annotations

from typing import Any, Final

from testbed import approverpolicy, certmanager, stepissuer
from testbed.kube import Object
from testbed.samples import certificate, secret
from testbed.stepca import PROVISIONER, StepCA

CA_NAMESPACE: Final = "step-ca"
NAMESPACE: Final = "cert-test"
ISSUER: Final = "step-ca"
SECRET: Final = "step-ca-step-certificates-provisioner-password"
POLICY: Final = "approve-step-ca-requests"
REFERENCE: Final = {"name": ISSUER, "kind": stepissuer.CLUSTER_KIND, "group": stepissuer.GROUP}
DOMAIN: Final = "goldentooth.local"
_RBAC: Final = "rbac.authorization.k8s.io"


def foundations(ca: StepCA) -> list[Object]:
    """Return the namespaces and the provisioner's password, as step-ca's chart leaves them."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}}
        for one in (CA_NAMESPACE, NAMESPACE)
    ]
    return [*namespaces, secret(SECRET, CA_NAMESPACE, password=ca.password)]


def issuers(ca: StepCA) -> list[Object]:
    """Return the issuer, the policy about it, and what lets cert-manager use it."""
    reference = {"name": SECRET, "namespace": CA_NAMESPACE, "key": "password"}
    provisioner = {"name": PROVISIONER, "kid": ca.kid, "passwordRef": reference}
    issuer = {
        "apiVersion": stepissuer.API_VERSION,
        "kind": stepissuer.CLUSTER_KIND,
        "metadata": {"name": ISSUER},
        "spec": {"url": ca.url, "caBundle": ca.ca_bundle, "provisioner": provisioner},
    }
    return [issuer, _policy(), *_use()]


def _policy() -> Object:
    allowed = {
        "commonName": {"value": "*"},
        "dnsNames": {
            "values": [f"*.{DOMAIN}", "*.goldentooth.net", "*.svc.cluster.local", "*.*.svc.cluster.local"]
        },
        "ipAddresses": {"values": ["10.*"]},
        "subject": {"organizations": {"values": ["Goldentooth"]}},
        "usages": ["server auth", "client auth", "digital signature", "key encipherment"],
    }
    return {
        "apiVersion": approverpolicy.API_VERSION,
        "kind": approverpolicy.POLICY_KIND,
        "metadata": {"name": POLICY},
        "spec": {
            "allowed": allowed,
            "constraints": {"maxDuration": "24h", "minDuration": "5m"},
            "selector": {"issuerRef": REFERENCE},
        },
    }


def _use() -> list[Object]:
    rule = {
        "apiGroups": ["policy.cert-manager.io"],
        "resources": ["certificaterequestpolicies"],
        "verbs": ["use"],
        "resourceNames": [POLICY],
    }
    subject = {
        "kind": "ServiceAccount",
        "name": certmanager.CONTROLLER_ACCOUNT,
        "namespace": certmanager.NAMESPACE,
    }
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"{POLICY}:use"},
            "rules": [rule],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"cert-manager:{POLICY}"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"{POLICY}:use"},
            "subjects": [subject],
        },
    ]


def certificates(more: int = 0) -> list[Object]:
    """Return the test certificate, the canary, and so many more like the canary."""
    subject = {"subject": {"organizations": ["Goldentooth"]}, "commonName": f"test.{DOMAIN}"}
    canaries = ["canary", *(f"web-{number}" for number in range(more))]
    return [
        _certificate("test", **subject),
        *(
            _certificate(one, duration="2h", renewBefore="1h", commonName=f"{one}.{DOMAIN}")
            for one in canaries
        ),
    ]


def _certificate(name: str, **spec: Any) -> Object:
    made = certificate(f"{name}-certificate", NAMESPACE, ISSUER, [f"{name}.{DOMAIN}"], **spec)
    made["spec"].update(issuerRef=REFERENCE, secretName=f"{name}-tls-secret", revisionHistoryLimit=10_000)
    return made
