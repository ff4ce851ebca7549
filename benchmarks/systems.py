"""The systems that are compared: what each is given, and how it is started and stopped.

Every system signs on the same path of the same Vault, or by the same step-ca. Requests are cert-manager's
ServiceAccount's. Those with a policy have the same one, CEL rules included, and the requester may use it by
RBAC.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol

from benchmarks.given import SIGN_PATH, VAULT_POLICY, bare_loop_rights, bench_policy, our_issuer
from benchmarks.ours import OurController
from benchmarks.peers import (
    CERTIFICATE_CONTROLLERS,
    ApproverPolicy,
    CertManager,
    running_cert_manager,
    start_cert_manager,
)
from benchmarks.procfs import started
from benchmarks.stepca import OurStep, StepIssuerPeer
from testbed.certs import write_private
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.processes import Process
from testbed.samples import CERT_MANAGER_ACCOUNT, GROUP, use_binding
from testbed.vaultpki import setup_token


class System(Protocol):
    """One system on one testbed.

    Attributes:
        name: short, for tables and files.
        title: what it is, in words.
        issuer: the `issuerRef` of requests for it.
        uses_approver_policy: whether the testbed must have approver-policy's CRDs and webhook.
    """

    name: str
    title: str
    issuer: dict[str, str]
    uses_approver_policy: bool

    def prepare(self, bed: Testbed) -> None:
        """Make its objects; once for each testbed, before anything is started."""

    def start(self, bed: Testbed, *, certificates: bool = False) -> None:
        """Start its processes, with cert-manager's Certificate controllers beside or in them if asked."""

    def stop(self, bed: Testbed) -> None:
        """Stop them; nothing of it works on afterwards."""

    def processes(self) -> dict[str, int]:
        """Process ids of its controllers by name."""


def start_of(system: System) -> float:
    """When the first of a running system's processes was started, on the clock of `procfs.now`."""
    return min(started(pid) for pid in system.processes().values())


class Ours(OurController):
    """vault-issuer as it ships: Policy mode, `use` by RBAC, CEL, verification, Lease; AppRole login."""

    name = "vault-issuer"
    title = "vault-issuer (policy with CEL, RBAC `use`, verification; AppRole)"
    uses_approver_policy = False

    def __init__(self, args: Sequence[str] = ()) -> None:
        super().__init__(args)
        self.issuer = {"group": GROUP, "kind": "VaultClusterIssuer", "name": "bench"}

    def prepare(self, bed: Testbed) -> None:
        """CRDs, policy, binding, AppRole, issuer."""
        bed.install_crds()
        bed.kube.apply([bench_policy(), *use_binding("bench", [CERT_MANAGER_ACCOUNT])])
        bed.kube.apply(our_issuer(bed, "bench"))


class BareLoop:
    """The ceiling: see `benchmarks.bareloop`."""

    name = "bare-loop"
    title = "bare asyncio loop: no policy, key check only (static token); the ceiling"
    uses_approver_policy = False

    def __init__(self) -> None:
        self.issuer = {"group": GROUP, "kind": "VaultClusterIssuer", "name": "bare"}

    def prepare(self, bed: Testbed) -> None:
        """Its rights. The CRDs are there because cert-manager's webhook looks the signer's kind up."""
        bed.install_crds()
        bed.kube.apply(bare_loop_rights(self.name))
        token = bed.service_account_token(SYSTEM_NAMESPACE, self.name)
        for name, text in (("kube", token), ("vault", setup_token(bed.vault, VAULT_POLICY, ttl="12h"))):
            write_private(bed.directory / f"bare-loop.{name}.token", text.encode())

    def start(self, bed: Testbed, *, certificates: bool = False) -> None:
        """The loop, and cert-manager's controllers beside it if Certificates are wanted."""
        self._beside = bed if certificates else None
        if certificates:
            start_cert_manager(bed, CERTIFICATE_CONTROLLERS)
        self._process = Process("bare loop", bed.directory / "bare-loop.log")
        bed.adopt(self._process)
        flags = {
            "server": bed.server,
            "ca": bed.ca_file,
            "token-file": bed.directory / "bare-loop.kube.token",
            "vault": bed.vault.addr,
            "vault-ca": bed.vault.ca_file,
            "vault-token-file": bed.directory / "bare-loop.vault.token",
            "sign-path": SIGN_PATH,
        }
        program = [sys.executable, "-m", "benchmarks.bareloop"]
        self._process.start(
            [*program, *(f"--{name}={value}" for name, value in flags.items())],
            {"PYTHONPATH": str(REPOSITORY)},
        )

    def stop(self, bed: Testbed) -> None:
        """Stop it."""
        self._process.stop()
        if self._beside is not None:
            bed.cert_manager.process.stop()

    def processes(self) -> dict[str, int]:
        """The loop's, and cert-manager's if it was started beside."""
        return {"bare-loop": self._process.pid, **running_cert_manager(self._beside)}


def all_systems() -> dict[str, System]:
    """New ones of all, by name: ours first, the ceiling, then those on step-ca."""
    made: list[System] = [
        Ours(),
        CertManager("approle"),
        CertManager("token"),
        ApproverPolicy(1),
        ApproverPolicy(10),
        BareLoop(),
        OurStep(),
        StepIssuerPeer(),
    ]
    return {one.name: one for one in made}
