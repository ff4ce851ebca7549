"""`explain` of a policy: what it matches, who may use it, what it approved, and the linter's notes."""

from __future__ import annotations

from typing import Any

from issuer.explain.lint.cluster import RBAC
from issuer.inspection.objects.account import Mark, ObjectAccount
from issuer.inspection.objects.policies import policy_account
from issuer.inspection.objects.tables import show_account
from issuer.kube.identity import User
from issuer.manifests.rbac import binding
from issuer.policy.decision import approval_message
from tests.builders import NOW, certificate_request, condition
from tests.unit.inspection.scene import Scene, issuer, plain, policy, ready
from tests.unit.kube.fake_api import listing, refuse

REQUESTS = "/apis/cert-manager.io/v1/certificaterequests"
SIGNING_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
ISSUERS = "/apis/vault-issuer.io/v1alpha1/vaultissuers"
CLUSTER_ISSUERS = "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers"
NAMESPACES = "/api/v1/namespaces"


def told(scene: Scene, *requests: dict[str, Any], bound: bool = True, issuers: bool = True) -> Scene:
    """A cluster with an issuer, two namespaces, and a binding of `web` to cert-manager in team-a."""
    role, bond = binding("web", "team-a", User("system:serviceaccount:cert-manager:cert-manager"))
    objects = {"ClusterRole": [role], "RoleBinding": [bond]} if bound else {}
    for kind, resource in RBAC.items():
        scene.api.on("GET", resource.path(), listing("1", *map(dict, objects.get(kind, []))))
    scene.api.on("GET", CLUSTER_ISSUERS, listing("1", *([issuer()] if issuers else [])))
    scene.api.on("GET", ISSUERS, listing("1"))
    spaces: list[dict[str, Any]] = [{"metadata": {"name": name}} for name in ("team-a", "team-b")]
    scene.api.on("GET", NAMESPACES, listing("1", *spaces))
    scene.api.on("GET", REQUESTS, listing("1", *requests))
    scene.api.on("GET", SIGNING_REQUESTS, listing("1"))
    return scene


def web(**spec: Any) -> dict[str, Any]:
    found = policy()
    found["spec"] |= spec
    return found | {"status": {"conditions": [ready("True", "Ready", "it is used")]}}


def found_of(found: ObjectAccount, name: str) -> tuple[Mark, str]:
    return next((one.mark, one.text) for one in found.items if one.name == name)


def approved_by(name: str, policy_name: str) -> dict[str, Any]:
    approved = condition("Approved", "True", "vault-issuer.io", approval_message(policy_name))
    return certificate_request(name, conditions=[approved, ready("True", "Issued")])


async def test_a_policy_says_what_it_matches_who_may_use_it_and_what_it_approved(scene: Scene) -> None:
    requests = [approved_by("one", "web"), approved_by("two", "web-2"), approved_by("three", "web")]
    obj = web(
        selector={
            "issuerRef": {"group": "vault-issuer.io", "name": "demo"},
            "namespace": {"matchNames": ["team-*"]},
        }
    )
    found = await policy_account(told(scene, *requests).reader, obj, NOW)
    assert found.good
    mark, issuers = found_of(found, "Issuers")
    assert (mark, 'VaultClusterIssuer "demo"' in issuers) == (Mark.GOOD, True)
    assert found_of(found, "Namespaces")[1] == 'those with "team-*": "team-a", "team-b"'
    assert found_of(found, "Use") == (
        Mark.GOOD,
        'ServiceAccount "cert-manager/cert-manager" in namespace team-a',
    )
    assert found_of(found, "Approved")[1].startswith("2 requests")
    assert [row[0] for row in found.lists[0].rows] == ["team-a/one", "team-a/three"]
    assert found_of(found, "Lint, advice")[0] is Mark.LOOK
    assert "spec.constraints.maxDuration" in plain(lambda to: show_account(found, to))
    assert found.to_json()["approved"]["count"] == 2


async def test_what_matches_nothing_and_nobody_may_use_is_marked(scene: Scene) -> None:
    obj = web() | {"status": {"conditions": [ready("False", "NoIssuer", "it selects no issuer")]}}
    found = await policy_account(told(scene, bound=False, issuers=False).reader, obj, NOW)
    assert not found.good
    assert {name for name, mark in ((one.name, one.mark) for one in found.items) if mark is Mark.BAD} == {
        "Ready",
        "Issuers",
        "Use",
    }
    assert any(
        one.command == "kubectl edit certificaterequestpolicies.vault-issuer.io web" for one in found.cures
    )


async def test_a_policy_that_does_not_compile_has_its_problems_listed(scene: Scene) -> None:
    obj = web(constraints={"maxDuration": "soon"})
    found = await policy_account(told(scene).reader, obj, NOW)
    mark, text = found_of(found, "Lint, error")
    assert (mark, "maxDuration" in text) == (Mark.BAD, True)


async def test_what_may_not_be_read_is_not_known(scene: Scene) -> None:
    for path in (*(one.path() for one in RBAC.values()), CLUSTER_ISSUERS, ISSUERS, NAMESPACES, REQUESTS):
        scene.api.on("GET", path, refuse(403, "Forbidden"))
    found = await policy_account(scene.reader, web(), NOW)
    unknown = {one.name for one in found.items if one.mark is Mark.NOT_KNOWN}
    assert unknown == {"Issuers", "Namespaces", "Use", "Approved"}
    assert found.good
