"""Each rule of the chart's RBAC is needed: without that one rule something does not work that works with it.

A rule that the table below lacks fails the test that counts them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.builds import STEP_ISSUER, crds_of
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ALL_SECRETS, ControllerProcess
from testbed.controller import RBAC as SHIPPED
from testbed.errors import TestbedError
from testbed.kube import Object, load
from testbed.processes import PATIENCE
from testbed.samples import (
    API_VERSION,
    EVERYBODY,
    certificate,
    everything_policy,
    kubernetes_auth,
    use_binding,
    vault_cluster_issuer,
)
from testbed.stepca import StepCA
from testbed.vaultpki import DOMAIN, PkiLayout, setup_kubernetes_role, setup_token
from tests.builders import csr_pem
from tests.integration.support.authorized import accesses, covers, wait_authorized
from tests.integration.support.canaries import Probed, arguments
from tests.integration.support.common import (
    ADMISSION,
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    only_policies,
    request,
    secret,
    token_auth,
    wait_answer,
)
from tests.integration.support.signing_requests import CERTIFICATES, CLUSTER, CSR, ask_approved
from tests.integration.support.step_issuer import API, GROUP, KIND, admission, their_objects

EVENTS = ("events.k8s.io/v1", "Event")
LEASES = ("coordination.k8s.io/v1", "Lease")
RBAC = "rbac.authorization.k8s.io/v1"
OPTIONAL = REPOSITORY / "config" / "rbac" / "optional"
REVOCATION, SHARDING = OPTIONAL / "revocation.yaml", OPTIONAL / "sharding.yaml"
SECRETS = "vault-issuer-cluster-issuer-secrets"
CANARY = REPOSITORY / "config" / "canary" / "rights" / "rbac.yaml"
ADOPT = REPOSITORY / "config" / "adopt" / "rbac.yaml"
# Seconds for what works at once where the right is there, and where it is not.
WITH, WITHOUT = PATIENCE, 4.0

Rule = tuple[str, str]
"""Name of the role, and the rule's resources and their group."""


def shipped() -> dict[Rule, Object]:
    """Every rule the controller has, without those of people, by role and resources; for each the role."""
    roles = [
        one
        for file in (SHIPPED, ALL_SECRETS, REVOCATION, SHARDING, CANARY, ADOPT)
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
    if rule["resources"] == ["leases"]:
        about += f" {'+'.join(rule['verbs'])}"
    return about


@dataclass(slots=True)
class Bench:
    """A controller, and what a test does with it in a namespace of its own."""

    bed: Testbed
    layout: PkiLayout
    namespace: str
    controller: ControllerProcess
    patience: float
    step_ca: StepCA | None = None
    made: list[str] = field(default_factory=list)

    def holds(self, *where: Any, until: str | Callable[[Object], bool]) -> bool:
        """Whether it becomes so while the patience lasts."""
        try:
            self.bed.kube.wait(*where, until=until, timeout=self.patience)
        except TestbedError:
            return False
        return True

    def issuer(self, name: str, auth: dict[str, Any] | None = None, **own: Any) -> str:
        """A cluster issuer of this test, with a token unless ``auth`` says otherwise; its name."""
        name = f"{self.namespace}-{name}"
        if auth is None:
            token = setup_token(self.bed.vault, self.layout.policy)
            made = cluster_issuer_with_token(self.bed, name, token)
        else:
            made = vault_cluster_issuer(self.bed, name, auth)
        made["spec"].update(own)
        self.bed.kube.apply(made)
        self.made.append(name)
        return name

    def issuer_ready(self, name: str) -> bool:
        return self.holds(API_VERSION, "VaultClusterIssuer", name, until="Ready")

    def issued(self, name: str) -> bool:
        return self.holds(CERT_MANAGER, REQUEST, name, self.namespace, until="Ready")


Works = Callable[[Bench], bool]
Start = Callable[..., Bench]


def starts(bench: Bench) -> bool:
    """It leads, and lists what it watches before it is ready then: ready is one that stands by, too."""
    deadline = time.monotonic() + bench.patience
    while not (leading(bench) and bench.controller.probe("readyz") == 200):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def leading(bench: Bench) -> bool:
    """Whether it says that it leads; False while nothing answers."""
    try:
        return "\nvault_issuer_leader 1.0\n" in bench.controller.metrics()
    except TestbedError:
        return False


def leads(bench: Bench) -> bool:
    """It takes the Lease, renews it, and works."""
    return starts(bench) and bench.issuer_ready(bench.issuer("led"))


def shares(bench: Bench) -> bool:
    """It takes its shards, and works."""
    return leads(bench) and issues(bench)


def tells_issuers(bench: Bench) -> bool:
    return bench.issuer_ready(bench.issuer("token"))


def reads_what_is_named(bench: Bench) -> bool:
    """A token in the Secret that the docs, and the chart's values, name."""
    token = setup_token(bench.bed.vault, bench.layout.policy)
    bench.bed.kube.apply(secret("vault-login", SYSTEM_NAMESPACE, token=token))
    return bench.issuer_ready(bench.issuer("named", token_auth("vault-login")))


def logs_in(bench: Bench) -> bool:
    name = f"{bench.namespace}-login"
    setup_kubernetes_role(bench.bed.vault, bench.layout.policy, audience=f"vault://{name}", role=name)
    return bench.issuer_ready(bench.issuer("login", kubernetes_auth(name)))


def issues(bench: Bench) -> bool:
    name = bench.issuer("issues")
    bench.issuer_ready(name)
    request(bench.bed, "one", bench.namespace, name)
    return bench.issued("one")


def tells_policies(bench: Bench) -> bool:
    name = f"{bench.namespace}-new"
    bench.bed.kube.apply(everything_policy(name))
    try:
        return bench.holds(API_VERSION, "CertificateRequestPolicy", name, until="Ready")
    finally:
        bench.bed.kube.delete(API_VERSION, "CertificateRequestPolicy", name)


def notices_a_binding(bench: Bench) -> bool:
    """A request that nobody's policy applies to is looked at again when a binding comes."""
    name = bench.issuer("bound")
    bench.issuer_ready(name)
    policy = everything_policy(f"{bench.namespace}-bound")
    binding = use_binding(policy["metadata"]["name"], [EVERYBODY])
    with only_policies(bench.bed, policy):
        # cert-manager asks for it, which may not use the policy yet; an administrator may use every one.
        bench.bed.kube.apply(certificate("web", bench.namespace, name, (f"web.{DOMAIN}",)))
        wait_answer(bench.bed, "web-1", bench.namespace, "Pending")
        time.sleep(6)  # what was answered is believed for five seconds
        bench.bed.kube.apply(binding)
        found = bench.issued("web-1")
    for one in binding:
        bench.bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])
    return found


def tells_events(bench: Bench) -> bool:
    """Vault refuses a name for good, and that is a warning."""
    name = bench.issuer("events")
    bench.issuer_ready(name)
    request(bench.bed, "refused", bench.namespace, name, csr=csr_pem("www.example.com"))
    deadline = time.monotonic() + bench.patience
    while time.monotonic() < deadline:
        events = bench.bed.kube.list("events.k8s.io/v1", "Event", bench.namespace)
        if any(one["regarding"]["name"] == "refused" and one["type"] == "Warning" for one in events):
            return True
        time.sleep(0.2)
    return False


def signs_csrs(bench: Bench) -> bool:
    name = bench.issuer("csr")
    bench.issuer_ready(name)
    asked = f"{bench.namespace}-csr"
    ask_approved(bench.bed, bench.bed.kube, asked, f"{CLUSTER}/{name}")
    return bench.holds(CERTIFICATES, CSR, asked, until=lambda one: bool(one["status"].get("certificate")))


def counts_certificates(bench: Bench) -> bool:
    name = bench.issuer("counted")
    bench.issuer_ready(name)
    bench.bed.kube.apply(certificate("web", bench.namespace, name, (f"web.{DOMAIN}",)))
    wanted = f'vault_issuer_certificates{{kind="VaultClusterIssuer",name="{name}",namespace=""}} 1.0'
    deadline = time.monotonic() + bench.patience
    while time.monotonic() < deadline:
        if wanted in bench.controller.metrics():
            return True
        time.sleep(0.2)
    return False


def may_revoke(bench: Bench) -> bool:
    """An issuer that revokes issues to a Certificate, whose Secret can be looked into."""
    name = f"{bench.namespace}-revokes"
    token = setup_token(bench.bed.vault, bench.layout.policy)
    bench.bed.kube.apply(secret(f"{name}-token", SYSTEM_NAMESPACE, token=token))
    bench.issuer("revokes", token_auth(f"{name}-token"), revocation={"policy": "OnReplace"})
    bench.issuer_ready(name)
    bench.bed.kube.apply(certificate("web", bench.namespace, name, (f"web.{DOMAIN}",)))
    return bench.holds(CERT_MANAGER, "Certificate", "web", bench.namespace, until="Ready")


def probes(bench: Bench) -> bool:
    """The canary makes a request, and deletes it."""
    cluster_issuer_with_token(bench.bed, PROBED, setup_token(bench.bed.vault, bench.layout.policy))
    bench.made.append(PROBED)
    bench.issuer_ready(PROBED)
    deadline = time.monotonic() + bench.patience
    while time.monotonic() < deadline:
        if Probed(bench.controller, PROBED).successes():
            return True
        time.sleep(0.2)
    return False


def adopts(bench: Bench) -> bool:
    """It starts where no step-issuer runs, and says of an issuer of theirs how it is: its CA isn't there."""
    name = f"{bench.namespace}-theirs"
    reference = {"name": "none", "key": "password", "namespace": SYSTEM_NAMESPACE}
    provisioner = {"name": "none", "kid": "none", "passwordRef": reference}
    spec = {"url": "https://127.0.0.1:1", "caBundle": "bm9uZQ==", "provisioner": provisioner}
    theirs = ("certmanager.step.sm/v1beta1", "StepClusterIssuer")
    meta = {"name": name}
    bench.bed.kube.apply({"apiVersion": theirs[0], "kind": theirs[1], "metadata": meta, "spec": spec})
    # It goes with its CRD.
    return starts(bench) and bench.holds(*theirs, name, until="Ready=False")


def signs_their_csrs(bench: Bench) -> bool:
    """An adopted issuer of a real step-ca answers a CertificateSigningRequest."""
    assert bench.step_ca is not None
    bench.bed.kube.apply(their_objects(bench.step_ca))
    if not bench.holds(API, KIND, "step-ca", until="Ready"):
        return False
    asked = f"{bench.namespace}-theirs"
    ask_approved(bench.bed, bench.bed.kube, asked, f"stepclusterissuers.{GROUP}/step-ca")
    return bench.holds(CERTIFICATES, CSR, asked, until=lambda one: bool(one["status"].get("certificate")))


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
    ("vault-issuer-canary", "certificaterequests"): probes,
    ("vault-issuer-adopt", "stepissuers+stepclusterissuers"): adopts,
    ("vault-issuer-adopt", "stepissuers/status+stepclusterissuers/status"): adopts,
    ("vault-issuer-adopt", "deployments"): adopts,
    ("vault-issuer-adopt", "signers"): signs_their_csrs,
    ("vault-issuer-revocation", "certificaterequests"): may_revoke,
    ("vault-issuer-revocation", "certificates"): may_revoke,
    ("vault-issuer-revocation-secrets", "secrets"): may_revoke,
}


def refused(bench: Bench) -> bool:
    """Whether the log, a status or an event says that something is forbidden."""
    kube, deadline = bench.bed.kube, time.monotonic() + WITH
    while time.monotonic() < deadline:
        told = [bench.controller.log.read_text()]
        for where in ((API_VERSION, "VaultClusterIssuer"), (CERT_MANAGER, REQUEST), EVENTS):
            told += [text for one in kube.list(*where) if bench.namespace in (text := str(one))]
        if re.search(r" is forbidden: User |Forbidden\b|may not sign", " ".join(told)):
            return True
        time.sleep(0.2)
    return False


OPTIONAL_PARTS: dict[Works, Path] = {
    may_revoke: REVOCATION,
    shares: SHARDING,
    probes: CANARY,
    adopts: ADOPT,
    signs_their_csrs: ADOPT,
}
PROBED = "probed-by-right"
ARGUMENTS: dict[Works, list[str]] = {
    shares: ["--shards=2"],
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
        patience = WITHOUT if without else WITH
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


def test_every_rule_is_in_the_table() -> None:
    assert set(NEEDED) == set(shipped())


@pytest.mark.parametrize("works", list(dict.fromkeys(NEEDED.values())))
def test_with_every_rule_it_works(run: Start, works: Works) -> None:
    bench = run(works)
    assert starts(bench)
    assert works(bench)


@pytest.mark.parametrize("without", NEEDED, ids=" ".join)
def test_without_the_rule_it_does_not_work(run: Start, without: Rule) -> None:
    works = NEEDED[without]
    bench = run(works, without)
    if works not in (starts, leads, shares, adopts):
        bench.patience = WITH  # a start may take longer than what does not work is waited for
        assert starts(bench)
        bench.patience = WITHOUT
    assert not works(bench)
    assert refused(bench), "it did not work, but nothing says that a right is missing"
