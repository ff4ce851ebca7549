"""Each rule of the chart's RBAC is needed: without that one rule something does not work that works with it.

A rule that the table below lacks fails the test that counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.builds import STEP_ISSUER, crds_of
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ALL_SECRETS, ControllerProcess
from testbed.controller import RBAC as SHIPPED
from testbed.kube import Object, load
from testbed.processes import PATIENCE
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout
from tests.integration.support.authorized import accesses, covers, wait_authorized
from tests.integration.support.canaries import arguments
from tests.integration.support.common import ADMISSION
from tests.integration.support.rights import (
    PROBED,
    TRUSTED,
    Bench,
    Start,
    Works,
    adopts,
    bundles,
    counts_certificates,
    distributes,
    issues,
    leads,
    logs_in,
    may_revoke,
    notices_a_binding,
    probes,
    reads_what_is_named,
    refused,
    shares,
    signs_csrs,
    signs_their_csrs,
    starts,
    tells_events,
    tells_issuers,
    tells_policies,
)
from tests.integration.support.step_issuer import GROUP, admission
from tests.sizes import sampled

LEASES = ("coordination.k8s.io/v1", "Lease")
RBAC = "rbac.authorization.k8s.io/v1"
OPTIONAL = REPOSITORY / "config" / "rbac" / "optional"
REVOCATION, SHARDING = OPTIONAL / "revocation.yaml", OPTIONAL / "sharding.yaml"
SECRETS = "vault-issuer-cluster-issuer-secrets"
TRUST, BUNDLES = OPTIONAL / "trust.yaml", OPTIONAL / "trust-bundles.yaml"
CANARY = REPOSITORY / "config" / "canary" / "rights" / "rbac.yaml"
ADOPT = REPOSITORY / "config" / "adopt" / "rbac.yaml"
WITHOUT = 4.0
"""Seconds for what works at once where the right is there, and where it is not."""

Rule = tuple[str, str]
"""Name of the role, and the rule's resources and their group."""


def shipped() -> dict[Rule, Object]:
    """Every rule the controller has, without those of people, by role and resources; for each the role."""
    roles = [
        one
        for file in (SHIPPED, ALL_SECRETS, REVOCATION, SHARDING, TRUST, BUNDLES, CANARY, ADOPT)
        for one in load(file)
        if one["kind"] in ("Role", "ClusterRole") and not one["metadata"]["name"].endswith("-view")
    ]
    found = {}
    for role in roles:
        for rule in role["rules"]:
            key = role["metadata"]["name"], named(rule)
            assert key not in found
            found[key] = role
    return found


def named(rule: Object) -> str:
    """What a rule is about: its resources, and the verbs where they alone tell it apart."""
    about = "+".join(rule["resources"])
    if rule["resources"] in (["leases"], ["configmaps"]):
        about += f" {'+'.join(rule['verbs'])}"
    return about


ISSUERS = ("vaultissuers", "vaultclusterissuers", "stepissuers", "stepclusterissuers")
WORK, LEASE = "vault-issuer", "vault-issuer-leader-election"
SIGN, LOGIN = "vault-issuer-certificate-signing-requests", "vault-issuer-cluster-issuers"
NEEDED: dict[Rule, Works] = {
    (WORK, "certificaterequests"): starts,
    (WORK, "certificaterequests/status"): issues,
    (WORK, "+".join(ISSUERS)): starts,
    (WORK, "+".join(f"{plural}/status" for plural in ISSUERS)): tells_issuers,
    (WORK, "certificaterequestpolicies"): starts,
    (WORK, "certificaterequestpolicies/status"): tells_policies,
    (WORK, "namespaces"): starts,
    (WORK, "subjectaccessreviews"): issues,
    (WORK, "roles+rolebindings+clusterroles+clusterrolebindings"): notices_a_binding,
    (WORK, "events"): tells_events,
    (LEASE, "leases create"): leads,
    (LEASE, "leases get+update"): leads,
    (LOGIN, "secrets"): reads_what_is_named,
    (SECRETS, "secrets"): tells_issuers,
    (LOGIN, "serviceaccounts/token"): logs_in,
    ("vault-issuer-approve", "signers"): issues,
    (SIGN, "certificatesigningrequests"): signs_csrs,
    (SIGN, "certificatesigningrequests/status"): signs_csrs,
    (SIGN, "signers"): signs_csrs,
    ("vault-issuer-certificates", "certificates"): counts_certificates,
    ("vault-issuer-sharding", "leases get+list+create+update+delete"): shares,
    ("vault-issuer-trust", "configmaps list+watch+update+delete"): distributes,
    ("vault-issuer-trust", "configmaps create"): distributes,
    ("vault-issuer-trust-bundles", "clustertrustbundles"): bundles,
    ("vault-issuer-trust-bundles", "signers"): bundles,
    ("vault-issuer-canary", "certificaterequests"): probes,
    ("vault-issuer-adopt", "stepissuers+stepclusterissuers"): adopts,
    ("vault-issuer-adopt", "stepissuers/status+stepclusterissuers/status"): adopts,
    ("vault-issuer-adopt", "deployments"): adopts,
    ("vault-issuer-adopt", "signers"): signs_their_csrs,
    ("vault-issuer-revocation", "certificaterequests"): may_revoke,
    ("vault-issuer-revocation", "certificates"): may_revoke,
    ("vault-issuer-revocation-secrets", "secrets"): may_revoke,
}
ONE_OF_EACH = {works: rule for rule, works in NEEDED.items()}.values()


OPTIONAL_PARTS: dict[Works, Path] = {
    may_revoke: REVOCATION,
    shares: SHARDING,
    distributes: TRUST,
    bundles: BUNDLES,
    probes: CANARY,
    adopts: ADOPT,
    signs_their_csrs: ADOPT,
}
ARGUMENTS: dict[Works, list[str]] = {
    shares: ["--shards=2"],
    distributes: [f"--trust-config-map={TRUSTED}"],
    bundles: ["--cluster-trust-bundles"],
    probes: arguments(PROBED, SYSTEM_NAMESPACE),
    adopts: ["--adopt-step-issuer"],
    signs_their_csrs: ["--adopt-step-issuer"],
}


class Under(ControllerProcess):
    """A controller under the chart's RBAC but for one rule, with the optional parts that it needs."""

    def __init__(self, bed: Testbed, without: Rule | None, works: Works) -> None:
        super().__init__(bed, ARGUMENTS.get(works, []), leader_elect=True)
        self._without = without
        self._optional = OPTIONAL_PARTS.get(works)
        self._by_name = works is reads_what_is_named

    def grant(self) -> None:
        """All but that rule."""
        super().grant()
        kube = self._bed.kube
        if self._optional is not None:
            kube.apply(self._optional)
        if self._by_name:
            kube.delete(RBAC, "RoleBinding", SECRETS, SYSTEM_NAMESPACE)
        kube.delete(*LEASES, "vault-issuer", SYSTEM_NAMESPACE)
        if self._without is not None:
            role = shipped()[self._without]
            rules = [one for one in role["rules"] if named(one) != self._without[1]]
            assert len(rules) == len(role["rules"]) - 1
            kube.apply({**role, "rules": rules})
        self._wait_known()

    def _wait_known(self) -> None:
        """Wait until the API server allows what is granted now and no other rule that is shipped."""
        optional = [one["metadata"]["name"] for one in load(self._optional)] if self._optional else []
        always = [one["metadata"]["name"] for one in load(SHIPPED)]
        if not self._by_name:
            optional.append(SECRETS)
        rules = {
            key: (rule, role["metadata"].get("namespace", ""))
            for key, role in shipped().items()
            for rule in role["rules"]
            if named(rule) == key[1]
        }
        granted = [
            found for key, found in rules.items() if key[0] in (*always, *optional) and key != self._without
        ]
        asked = {access for rule, namespace in rules.values() for access in accesses(rule, namespace)}
        allowed = {one for one in asked if any(covers(*rule, one) for rule in granted)}
        wait_authorized(self._bed, allowed=allowed, refused=asked - allowed)


@pytest.fixture(scope="module")
def their_crds(bed: Testbed) -> Iterator[None]:
    """The CRDs of step-issuer, for as long as these tests run."""
    crds = [one for file in sorted(crds_of(STEP_ISSUER).glob("*.yaml")) for one in load(file)]
    bed.kube.apply([*crds, *admission(GROUP)])
    for one in crds:
        bed.kube.wait(one["apiVersion"], one["kind"], one["metadata"]["name"], until="Established")
    yield
    for one in crds:
        bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])
    bed.kube.apply(ADMISSION)


@pytest.fixture
def run(bed: Testbed, layout: PkiLayout, namespace: str, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts a controller without a rule; at the end all is as it was."""
    benches: list[Bench] = []

    def start(works: Works, without: Rule | None = None) -> Bench:
        if works in (adopts, signs_their_csrs):
            request.getfixturevalue("their_crds")
        step_ca = request.getfixturevalue("step_ca") if works is signs_their_csrs else None
        controller = Under(bed, without, works)
        controller.start(wait=False)
        patience = WITHOUT if without else PATIENCE
        benches.append(Bench(bed, layout, namespace, controller, patience, step_ca))
        return benches[0]

    yield start
    for one in benches:
        one.controller.kill()
        for lease in bed.kube.list(*LEASES, SYSTEM_NAMESPACE):
            bed.kube.delete(*LEASES, lease["metadata"]["name"], SYSTEM_NAMESPACE)
        for name in one.made:
            bed.kube.delete(API_VERSION, "VaultClusterIssuer", name)
    for item in [one for file in OPTIONAL_PARTS.values() for one in load(file)]:
        meta = item["metadata"]
        bed.kube.delete(item["apiVersion"], item["kind"], meta["name"], meta.get("namespace"))
    bed.kube.apply(SHIPPED)
    bed.kube.apply(ALL_SECRETS)


def allowed(bed: Testbed, verb: str, group: str, resource: str, **where: str) -> bool:
    """Ask whether the controller's ServiceAccount may do this, by the API server's own answer."""
    name, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource, **where}
    user = "system:serviceaccount:vault-issuer-system:vault-issuer"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {"name": ""},
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    return bool(bed.kube.create(review)["status"]["allowed"])


def test_controller_has_the_rights_it_needs_and_no_more(bed: Testbed) -> None:
    bed.kube.apply(SHIPPED)
    bed.kube.apply(ALL_SECRETS)  # tests' controllers have it, and it stays
    own, other = {"namespace": "vault-issuer-system"}, {"namespace": "default"}
    login, lease = {"name": "vault-login"}, {"name": "vault-issuer"}
    assert allowed(bed, "watch", "cert-manager.io", "certificaterequests")
    assert allowed(bed, "update", "cert-manager.io", "certificaterequests/status", **other)
    assert allowed(bed, "update", "vault-issuer.io", "vaultclusterissuers/status")
    assert allowed(bed, "create", "events.k8s.io", "events", **other)
    assert allowed(bed, "get", "", "secrets", name="any", **own)
    assert allowed(bed, "create", "", "serviceaccounts/token", **login, **own)
    assert allowed(bed, "update", "coordination.k8s.io", "leases", **lease, **own)
    assert not allowed(bed, "get", "", "secrets", name="any", **other)
    assert not allowed(bed, "list", "", "secrets", **own)
    assert not allowed(bed, "create", "", "serviceaccounts/token", name="vault-issuer", **own)
    assert not allowed(bed, "update", "cert-manager.io", "certificaterequests", **other)
    assert not allowed(bed, "update", "coordination.k8s.io", "leases", name="other", **own)
    signer = {"verb": "approve", "group": "cert-manager.io", "resource": "signers"}
    assert allowed(bed, **signer, name="vaultclusterissuers.vault-issuer.io/*")
    assert not allowed(bed, **signer, name="clusterissuers.cert-manager.io/*")
    csrs, group = "certificatesigningrequests", "certificates.k8s.io"
    assert allowed(bed, "watch", group, csrs)
    assert not allowed(bed, "update", group, csrs)
    assert allowed(bed, "update", group, f"{csrs}/status")
    assert not allowed(bed, "update", group, f"{csrs}/approval")
    assert allowed(bed, "sign", group, "signers", name="vaultissuers.vault-issuer.io/*")
    assert not allowed(bed, "sign", group, "signers", name="kubernetes.io/*")
    assert not allowed(bed, "approve", group, "signers", name="vaultissuers.vault-issuer.io/*")
    assert allowed(bed, "create", "authorization.k8s.io", "subjectaccessreviews")
    assert not allowed(bed, "create", "rbac.authorization.k8s.io", "clusterrolebindings")
    assert not allowed(bed, "update", "vault-issuer.io", "certificaterequestpolicies")


def test_every_rule_is_in_the_table() -> None:
    assert set(NEEDED) == set(shipped())


@pytest.mark.parametrize("works", list(dict.fromkeys(NEEDED.values())))
def test_with_every_rule_it_works(run: Start, works: Works) -> None:
    bench = run(works)
    assert starts(bench)
    assert works(bench)


@pytest.mark.parametrize("without", sampled(NEEDED, *ONE_OF_EACH), ids=" ".join)
def test_without_the_rule_it_does_not_work(run: Start, without: Rule) -> None:
    works = NEEDED[without]
    bench = run(works, without)
    if works not in (starts, leads, shares, adopts):
        bench.patience = PATIENCE  # a start may take longer than what does not work is waited for
        assert starts(bench)
        bench.patience = WITHOUT
    assert not works(bench)
    assert refused(bench), "it did not work, but nothing says that a right is missing"
