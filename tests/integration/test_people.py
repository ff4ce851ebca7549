"""Who has Kubernetes' own view, edit or admin in a namespace can work with the VaultIssuers there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from testbed.chart import render
from testbed.cluster import REPOSITORY, Options, Testbed
from testbed.kube import Object
from tests.integration.support.waiting import wait_until

ROLES = REPOSITORY / "config" / "rbac" / "people"
RBAC = "rbac.authorization.k8s.io"
READ, WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete", "deletecollection")
# As cert-manager's own suite asks it of Issuers (test/e2e/suite/conformance/rbac): 8 verbs for 3 roles.
MAY = {
    "view": {*READ},
    "edit": {*READ, *WRITE},
    "admin": {*READ, *WRITE},
}
NAMESPACE = "people"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """An API server with our CRDs and the controller that aggregates ClusterRoles; a user for each role."""
    options = Options(
        cert_manager=False,
        webhook=False,
        vault=False,
        kube_controllers=True,
        data_dir=tmp_path_factory.mktemp("people"),
    )
    with Testbed(options) as running:
        running.install_crds()
        running.create_namespace(NAMESPACE)
        running.kube.apply([binding(role) for role in MAY])
        running.kube.apply(ROLES)
        yield running


def binding(role: str) -> Object:
    """That role of Kubernetes' own, in the namespace, for the user of its name."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": NAMESPACE},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": RBAC, "name": role}],
    }


def may(bed: Testbed, user: str, verb: str, resource: str, namespace: str = NAMESPACE) -> bool:
    """What the API server says to a SubjectAccessReview."""
    what = {"group": "vault-issuer.io", "resource": resource, "verb": verb, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {"name": ""},
        "spec": {"user": user, "resourceAttributes": what},
    }
    return bool(bed.kube.create(review)["status"]["allowed"])


def granted(bed: Testbed, user: str, resource: str, namespace: str = NAMESPACE) -> set[str]:
    """The verbs that a user has."""
    return {verb for verb in (*READ, *WRITE) if may(bed, user, verb, resource, namespace)}


def test_view_edit_and_admin_hold_for_vault_issuers_as_for_cert_managers(bed: Testbed) -> None:
    wait_until(
        lambda: {role: granted(bed, role, "vaultissuers") for role in MAY} == MAY,
        "the API server knows the rights of view, edit and admin",
    )
    for role in MAY:
        assert granted(bed, role, "vaultissuers", "elsewhere") == set()
        assert granted(bed, role, "vaultissuers/status") == set()
        for resource in ("vaultclusterissuers", "certificaterequestpolicies"):
            assert granted(bed, role, resource, "") == set()


def test_who_may_write_issuers_is_the_charts_value(bed: Testbed) -> None:
    def apply(issuers: str) -> None:
        found = [
            one
            for one in render({"people": {"issuers": issuers}})
            if one["metadata"]["name"] in ("vault-issuer-view", "vault-issuer-edit")
        ]
        bed.kube.delete(f"{RBAC}/v1", "ClusterRole", "vault-issuer-edit")
        bed.kube.apply(found)

    def only(writers: set[str]) -> bool:
        return {role for role in MAY if may(bed, role, "create", "vaultissuers")} == writers

    choices: list[tuple[str, set[str]]] = [("admin", {"admin"}), ("none", set()), ("edit", {"edit", "admin"})]
    for issuers, writers in choices:
        apply(issuers)
        wait_until(partial(only, writers), f"{writers} may write VaultIssuers")
        assert granted(bed, "view", "vaultissuers") == {*READ}


def test_the_cluster_scoped_kinds_are_read_by_a_role_of_their_own(bed: Testbed) -> None:
    bed.kube.apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "vault-issuer-cluster-view"},
            "subjects": [{"kind": "User", "apiGroup": RBAC, "name": "reader"}],
        }
    )
    kinds = ("vaultclusterissuers", "certificaterequestpolicies")
    wait_until(
        lambda: all(granted(bed, "reader", kind, "") == {*READ} for kind in kinds), "the reader may read both"
    )
    assert granted(bed, "reader", "vaultissuers", "") == set()
