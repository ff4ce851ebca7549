"""What works by the rights of the chart: each function does one thing, and says whether it worked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import TestbedError
from testbed.kube import Object
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
from tests.integration.support.canaries import Probed
from tests.integration.support.common import (
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
from tests.integration.support.step_issuer import API, GROUP, KIND, their_objects

EVENTS = ("events.k8s.io/v1", "Event")
PROBED = "probed-by-right"
"""An issuer, and its canary."""
TRUSTED = "trusted-roots"
"""The ConfigMap that the shipped rights name."""


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
        """A cluster issuer of this test, with a token unless `auth` says otherwise; its name."""
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


def distributes(bench: Bench) -> bool:
    """The roots of an issuer come into this test's namespace, and leave once its spec says so."""
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [bench.namespace]}
    wanted = {"name": TRUSTED, "namespaceSelector": {"matchExpressions": [expression]}}
    name = bench.issuer("trusted", trust={"configMap": wanted})
    where = ("v1", "ConfigMap", TRUSTED, bench.namespace)
    if not bench.holds(*where, until=lambda one: "ca.crt" in one["data"]):
        return False
    bench.bed.kube.patch(API_VERSION, "VaultClusterIssuer", name, {"spec": {"trust": None}})
    deadline = time.monotonic() + bench.patience
    while bench.bed.kube.find(*where) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def bundles(bench: Bench) -> bool:
    """The roots of an issuer come into a ClusterTrustBundle."""
    name = bench.issuer("bundled", trust={"clusterTrustBundle": {}})
    bundle = f"vaultclusterissuers.vault-issuer.io:{name}:roots"
    where = ("certificates.k8s.io/v1beta1", "ClusterTrustBundle", bundle)
    return bench.holds(*where, until=lambda one: "BEGIN" in one["spec"]["trustBundle"])


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


def refused(bench: Bench) -> bool:
    """Whether the log, a status or an event says that something is forbidden."""
    kube, deadline = bench.bed.kube, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        told = [bench.controller.log.read_text()]
        for where in ((API_VERSION, "VaultClusterIssuer"), (CERT_MANAGER, REQUEST), EVENTS):
            told += [text for one in kube.list(*where) if bench.namespace in (text := str(one))]
        if re.search(r" is forbidden: User |Forbidden\b|may not sign", " ".join(told)):
            return True
        time.sleep(0.2)
    return False
