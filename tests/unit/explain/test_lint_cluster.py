"""`policy lint --cluster`: live policies beside live issuers, RBAC and namespaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from issuer.explain.lint.cluster import lint_cluster
from issuer.explain.lint.linting import LintReport
from issuer.manifests.errors import BadInput
from issuer.manifests.rbac import binding
from issuer.manifests.requester import CERT_MANAGER
from tests.unit.explain.conftest import Build, Folder
from tests.unit.inspection.scene import no_step_issuers
from tests.unit.kube.fake_api import FakeApi, listing, refuse

OURS = "/apis/vault-issuer.io/v1alpha1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMIN: dict[str, Any] = {
    "metadata": {"name": "cluster-admin", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
    "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
}
ADMINS: dict[str, Any] = {
    "metadata": {"name": "admins"},
    "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "Group", "name": "system:masters"}],
}
GOOD: dict[str, Any] = {
    "allowed": {"dnsNames": {"values": ["*.lab.example"]}, "usages": ["server auth"]},
    "constraints": {"maxDuration": "24h"},
}


def named(name: str, **labels: str) -> dict[str, Any]:
    """An object as an item of a list, without its type."""
    return {"metadata": {"name": name, "labels": labels}}


@pytest.fixture
def lint(api: FakeApi, folder: Folder) -> Callable[..., Any]:
    """Lints these policies of a cluster with one issuer, `demo`, one namespace and these bindings."""

    async def go(*policies: dict[str, Any], bound: tuple[str, ...] = ()) -> LintReport:
        pairs = [binding(name, "team-a", CERT_MANAGER) for name in bound]
        api.on("GET", f"{OURS}/certificaterequestpolicies", listing("1", *policies))
        api.on("GET", f"{RBAC}/roles", listing("1"))
        api.on("GET", f"{RBAC}/clusterroles", listing("1", ADMIN, *(role for role, _ in pairs)))
        api.on("GET", f"{RBAC}/rolebindings", listing("1", *(one for _, one in pairs)))
        api.on("GET", f"{RBAC}/clusterrolebindings", listing("1", ADMINS))
        no_step_issuers(api)
        api.on("GET", f"{OURS}/vaultissuers", listing("1"))
        api.on("GET", f"{OURS}/vaultclusterissuers", listing("1", named("demo")))
        api.on("GET", "/api/v1/namespaces", listing("1", named("team-a", pki="on")))
        return await lint_cluster(kubeconfig(api, folder))

    return go


def kubeconfig(api: FakeApi, folder: Folder) -> str:
    """The path of a kubeconfig for the scripted server."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return folder.write("kubeconfig", yaml.safe_dump(config))


def selecting(name: str = "demo", **namespace: Any) -> dict[str, Any]:
    """A spec that selects so."""
    reference = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": name}
    return {**GOOD, "selector": {"issuerRef": reference, **({"namespace": namespace} if namespace else {})}}


async def test_a_good_policy_of_a_cluster_has_no_findings(lint: Callable[..., Any], policy: Build) -> None:
    report = await lint(
        policy("web", **selecting()),
        policy("labels", **selecting("d*", matchLabels={"pki": "on"})),
        bound=("web", "labels"),
    )
    assert (report.policies, report.findings) == (2, ())


async def test_what_selects_nothing_or_is_bound_to_nobody_is_a_warning(
    lint: Callable[..., Any], policy: Build
) -> None:
    report = await lint(
        policy("typo", **selecting("dmeo")),
        policy("gone", **selecting(matchNames=["team-b"])),
        policy("off", **selecting(matchLabels={"pki": "off"})),
        policy("unbound", **selecting()),
        bound=("typo", "gone", "off"),
    )
    found = {one.policy: (one.field, one.message) for one in report.findings}
    assert found["typo"] == ("spec.selector.issuerRef", "selects no issuer that exists")
    for name in ("gone", "off"):
        assert found[name] == ("spec.selector.namespace", "selects no namespace that exists")
    assert found["unbound"][1].startswith("nobody but administrators of the cluster may use it")
    assert len(report.findings) == report.warnings == 4


async def test_a_missing_right_is_named_with_all_that_linting_takes(api: FakeApi, folder: Folder) -> None:
    api.on("GET", f"{OURS}/certificaterequestpolicies", refuse(403, "no"))
    with pytest.raises(BadInput, match="rolebindings, clusterrolebindings and namespaces"):
        await lint_cluster(kubeconfig(api, folder))


def test_files_and_a_cluster_exclude_each_other(folder: Folder) -> None:
    for arguments in ((), ("--cluster", "p.yaml"), ("p.yaml", "--context", "x")):
        assert folder.run("lint", *arguments).code == 3
