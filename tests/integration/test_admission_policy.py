"""With the chart's admission policy the controller's account can't touch requests of others' issuers.

What works is seen by all other modules: the session's API server has the policy from its start.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest

from testbed.builds import OLDEST
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import RBAC, SERVICE_ACCOUNT
from testbed.errors import HTTPError
from testbed.kube import Kube, Object, load
from testbed.vaultpki import PkiLayout
from tests.builders import csr_pem
from tests.integration.support.canaries import rights
from tests.integration.support.common import ADMISSION, CERT_MANAGER, REQUEST, request_object
from tests.integration.support.signing_requests import CERTIFICATES, CSR
from tests.integration.support.waiting import wait_until

REVOCATION = REPOSITORY / "config" / "rbac" / "optional" / "revocation.yaml"
TRUST = [REPOSITORY / "config" / "rbac" / "optional" / f"{name}.yaml" for name in ("trust", "trust-bundles")]
OURS = "vault-issuer.io"
GROUP = "rbac.authorization.k8s.io"
# More than the chart grants: else the API server's own check of `sign` refuses others' signers first.
EVERY_SIGNER: list[Object] = [
    {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "every-signer"},
        "rules": [
            {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["sign", "approve"]},
            {
                "apiGroups": ["certificates.k8s.io"],
                "resources": ["certificatesigningrequests/approval"],
                "verbs": ["update"],
            },
        ],
    },
    {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "every-signer"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "every-signer"},
        "subjects": [
            {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": SYSTEM_NAMESPACE},
        ],
    },
]


@pytest.fixture(scope="module")
def controller(bed: Testbed) -> Iterator[Kube]:
    """A client with the controller's token, and every right that the chart can give to it."""
    bed.kube.apply(RBAC)
    bed.kube.apply(REVOCATION)
    for file in TRUST:
        bed.kube.apply(file)
    bed.kube.apply(EVERY_SIGNER)
    client = bed.kube_as(SYSTEM_NAMESPACE, SERVICE_ACCOUNT)
    probe = bed.create_namespace("admission-probe")
    certificate_request(bed, "probe", probe, "example.com")

    def held() -> bool:
        """Whether the API server, which takes a moment to begin with a policy, does so now."""
        found = bed.kube.get(CERT_MANAGER, REQUEST, "probe", probe)
        return refused(lambda: client.replace(with_status(found), "status"))

    wait_until(held, "the API server holds the controller to the policy")
    yield client
    # Other tests look at what is granted by default.
    for one in (*load(REVOCATION), *(one for file in TRUST for one in load(file)), *EVERY_SIGNER):
        if one["kind"] == "ClusterRoleBinding":
            bed.kube.delete(f"{GROUP}/v1", "ClusterRoleBinding", one["metadata"]["name"])


def certificate_request(bed: Testbed, name: str, namespace: str, group: str | None) -> Object:
    """One that nobody answers, of an issuer of that group."""
    made = request_object(name, namespace, "not-there")
    reference = {"name": "not-there", "kind": "ClusterIssuer" if group is None else "VaultClusterIssuer"}
    made["spec"]["issuerRef"] = reference if group is None else reference | {"group": group}
    return bed.kube.create(made)


def refused(write: Callable[[], object]) -> bool:
    """Whether the policy, not RBAC, refuses a write."""
    try:
        write()
    except HTTPError as error:
        if error.status == 409:  # cert-manager writes to some of them
            return refused(write)
        if error.status == 403 and "ValidatingAdmissionPolicy" in str(error.body):
            return True
        raise
    return False


def with_status(obj: Object) -> Object:
    """The object with a condition more."""
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "Pending",
        "message": "x",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {**obj, "status": {**obj.get("status", {}), "conditions": [condition]}}


@pytest.mark.parametrize("group", [OURS, "other-issuer.example.com", "sub.vault-issuer.io", None])
def test_requests_of_other_groups_are_out_of_reach(
    bed: Testbed, namespace: str, controller: Kube, group: str | None
) -> None:
    bed.kube.apply(rights(namespace))
    certificate_request(bed, "one", namespace, group)
    wanted = group != OURS

    def read(**metadata: list[str]) -> Object:
        found = bed.kube.get(CERT_MANAGER, REQUEST, "one", namespace)
        return {**found, "metadata": {**found["metadata"], **metadata}}

    assert refused(lambda: controller.replace(with_status(read()), "status")) is wanted
    assert refused(lambda: controller.replace(read(finalizers=["vault-issuer.io/revocation"]))) is wanted
    assert refused(lambda: controller.replace(read(finalizers=[]))) is wanted
    two = request_object("two", namespace, "not-there")
    two["spec"]["issuerRef"] = read()["spec"]["issuerRef"]
    assert refused(lambda: controller.create(two)) is wanted
    assert refused(lambda: controller.delete(CERT_MANAGER, REQUEST, "one", namespace)) is wanted


def test_what_is_asked_for_is_not_the_controllers_to_change(
    bed: Testbed, namespace: str, controller: Kube
) -> None:
    one = certificate_request(bed, "one", namespace, OURS)
    one["spec"]["duration"] = "87600h"
    with pytest.raises(HTTPError) as caught:
        controller.replace(one)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("signer", "wanted"),
    [
        ("vaultclusterissuers.vault-issuer.io/x", False),
        ("vaultissuers.vault-issuer.io/a.x", False),
        ("example.com/vault-issuer.io", True),
        ("a.b.vault-issuer.io/x", True),
        ("vault-issuer.io/x", True),
        ("kubernetes.io/kube-apiserver-client", True),
    ],
)
def test_signing_requests_of_other_signers_are_out_of_reach(
    bed: Testbed, namespace: str, controller: Kube, signer: str, wanted: bool
) -> None:
    spec = {
        "request": base64.b64encode(csr_pem("a.lab.example.test")).decode(),
        "signerName": signer,
        "usages": ["client auth", "digital signature"],
    }
    name = f"{namespace}-csr"
    one = bed.kube.create({"apiVersion": CERTIFICATES, "kind": CSR, "metadata": {"name": name}, "spec": spec})
    failed = {"type": "Failed", "status": "True", "reason": "X", "message": "x"}
    one["status"] = {"conditions": [failed]}
    assert refused(lambda: controller.replace(one, "status")) is wanted
    one = bed.kube.get(CERTIFICATES, CSR, name)
    one["status"] = {
        "conditions": [*one.get("status", {}).get("conditions", []), {**failed, "type": "Approved"}]
    }
    assert refused(lambda: controller.replace(one, "approval"))
    bed.kube.delete(CERTIFICATES, CSR, name)


def test_the_policy_is_the_charts(bed: Testbed) -> None:
    (name,) = {one["metadata"]["name"] for one in bed.kube.apply(ADMISSION)}
    found = bed.kube.get("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name)
    assert not (found.get("status", {}).get("typeChecking") or {}).get("expressionWarnings")


@pytest.mark.skipif(OLDEST, reason="its API server has no ClusterTrustBundles")
def test_cluster_trust_bundles_are_out_of_reach_but_for_those_of_roots(
    bed: Testbed, controller: Kube, layout: PkiLayout
) -> None:
    """RBAC lets it delete any, and write those that name no signer."""
    where = ("certificates.k8s.io/v1beta1", "ClusterTrustBundle")
    theirs = {
        "apiVersion": where[0],
        "kind": where[1],
        "metadata": {"name": "theirs"},
        "spec": {"trustBundle": layout.root_pem},
    }
    assert refused(lambda: controller.create(theirs))
    bed.kube.create(theirs)
    assert refused(lambda: controller.delete(*where, "theirs"))
    bed.kube.delete(*where, "theirs")


def test_config_maps_are_out_of_reach_but_for_those_of_roots(
    bed: Testbed, namespace: str, controller: Kube
) -> None:
    meta = {"name": "trusted-roots", "namespace": namespace}
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": "theirs"}}
    labelled = {**theirs, "metadata": {**meta, "labels": {"vault-issuer.io/trust": "roots"}}}
    assert refused(lambda: controller.create(theirs))
    bed.kube.create(theirs)
    assert refused(lambda: controller.replace(labelled))
    assert refused(lambda: controller.delete("v1", "ConfigMap", meta["name"], namespace))
    bed.kube.delete("v1", "ConfigMap", meta["name"], namespace)
    controller.create(labelled)
    assert controller.delete("v1", "ConfigMap", meta["name"], namespace)
