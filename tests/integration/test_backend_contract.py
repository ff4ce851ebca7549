"""The contract suite over real servers: OpenBao and step-ca keep what every backend promises.

The faults are the servers' own, as an administrator or a machine makes them; only an answer that is lost is
lost by what stands before them. In unit tests the same suite runs over fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from issuer.servers.allowed import AllowedServers
from issuer.signing.contract import ContractCase, FakeKubernetes, Fault, SigningContract
from issuer.signing.contract.case import USAGES, csr_pem
from issuer.signing.contract.kubernetes import CLUSTER_NAMESPACE
from issuer.signing.settings import BackendSettings
from issuer.signing.step.backend import StepBackend
from issuer.signing.vault.backend import VaultBackend
from testbed.labca import setup_pki
from testbed.openbao import OpenBao, running_openbao
from testbed.stepca import PROVISIONER, REFUSED_NAME, StepCA
from testbed.vaultpki import DOMAIN, PkiLayout, setup_approle, setup_policy
from tests.integration.support.forwarding_server import HANG_UP, Answer, ForwardingServer

DNS_NAME = f"web.{DOMAIN}"
SETTINGS = BackendSettings(
    CLUSTER_NAMESPACE, timeout=10, allowed_servers=AllowedServers.parse(["127.0.0.0/8"])
)


class LosingServer(ForwardingServer):
    """Hands all on to the CA, and while `loses` is set, hangs up instead of sending what was signed."""

    forwarded = ("X-Vault-Token", "X-Vault-Request", "Content-Type")
    loses = False

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return the CA's answer, or hang up once it has signed."""
        status, answer = self.relay(method, path, headers, body)
        signed = status in (200, 201) and b'"csr"' in body
        return HANG_UP if self.loses and signed else (status, answer)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contract")


@pytest.fixture
def mended() -> Iterator[ExitStack]:
    """What undoes a test's faults when it has ended."""
    with ExitStack() as stack:
        yield stack


def fault(begin: Callable[[], object], end: Callable[[], object], mended: ExitStack) -> Callable[[], None]:
    """Return a fault that is ended behind the test."""

    def begun() -> None:
        mended.callback(end)
        begin()

    return begun


@pytest.fixture(scope="module")
def bao(folder: Path) -> Iterator[OpenBao]:
    with running_openbao(folder / "openbao") as server:
        yield server


@pytest.fixture(scope="module")
def pki(bao: OpenBao) -> PkiLayout:
    return setup_pki(bao)


@pytest.fixture(scope="module")
def before_bao(bao: OpenBao, folder: Path) -> Iterator[LosingServer]:
    with LosingServer(folder / "before-openbao", "before-openbao", bao.addr, bao.ca_file) as server:
        yield server


class TestOpenBao(SigningContract):
    """The contract, kept by the Vault backend on a real OpenBao."""

    @pytest.fixture
    def case(
        self, kube: FakeKubernetes, bao: OpenBao, pki: PkiLayout, before_bao: LosingServer, mended: ExitStack
    ) -> ContractCase:
        login = setup_approle(bao, pki.policy)
        kube.put_secret("approle", {"secretId": login.secret_id.encode()})
        role = {
            "path": "approle",
            "roleId": login.role_id,
            "secretRef": {"name": "approle", "key": "secretId"},
        }
        vault = {
            "server": before_bao.addr,
            "caBundle": before_bao.ca_bundle,
            "path": pki.sign_path,
            "auth": {"appRole": role},
        }

        def granted(path: str) -> Callable[[], object]:
            rules = f'path "{path}" {{ capabilities = ["update"] }}'
            return lambda: bao.call("PUT", f"sys/policies/acl/{pki.policy}", {"policy": rules})

        def as_before() -> None:
            setup_policy(bao, pki.mount, pki.role, pki.policy)

        def limited() -> None:
            quota = {"path": pki.sign_path, "rate": 1, "interval": "1h"}
            bao.call("POST", "sys/quotas/rate-limit/contract", quota)
            bao.call("POST", pki.sign_path, {"csr": csr_pem(DNS_NAME), "common_name": DNS_NAME})

        return ContractCase(
            backend=VaultBackend(),
            spec={"vault": vault},
            bad_specs={"no login": {"vault": {**vault, "auth": {}}}, "a list": {"vault": []}},
            signed=lambda: sum(_signed(one) for one in bao.audited(pki.sign_path)),
            faults={
                Fault.UNREACHABLE: fault(bao.seal, bao.unseal, mended),
                Fault.BUSY: fault(
                    limited, lambda: bao.call("DELETE", "sys/quotas/rate-limit/contract"), mended
                ),
                Fault.REFUSES_ISSUER: fault(granted("nothing"), as_before, mended),
                Fault.REFUSES_REQUEST: lambda: None,
                Fault.LOSES_ANSWER: fault(
                    lambda: setattr(before_bao, "loses", True),
                    lambda: setattr(before_bao, "loses", False),
                    mended,
                ),
                Fault.REFUSES_REVOCATION: fault(granted(pki.sign_path), as_before, mended),
            },
            dns_name=DNS_NAME,
            refused_csr=csr_pem(REFUSED_NAME),
            revoked=lambda: sum(not one.get("error") for one in bao.audited(f"{pki.mount}/revoke")),
            settings=SETTINGS,
        )


def _signed(entry: dict[str, Any]) -> bool:
    return bool((entry["response"].get("data") or {}).get("certificate"))


@pytest.fixture(scope="module")
def ca(folder: Path) -> Iterator[StepCA]:
    made = StepCA(folder / "step-ca")
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def before_ca(ca: StepCA, folder: Path) -> Iterator[LosingServer]:
    with LosingServer(folder / "before-step-ca", "before-step-ca", ca.url, ca.root_file) as server:
        yield server


class TestStepCA(SigningContract):
    """The contract, kept by the step-ca backend on a real step-ca."""

    @pytest.fixture
    def case(
        self, kube: FakeKubernetes, ca: StepCA, before_ca: LosingServer, mended: ExitStack
    ) -> ContractCase:
        kube.put_secret("step", {"password": ca.password.encode()})
        reference = {"name": "step", "key": "password"}
        provisioner = {"name": PROVISIONER, "kid": ca.kid, "passwordRef": reference}
        spec = {"url": before_ca.addr, "caBundle": before_ca.ca_bundle, "provisioner": provisioner}

        def configured(change: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
            """Return what changes ca.json and restarts the CA, and restores it behind the test."""

            def change_it() -> None:
                text = ca.config.read_text()
                ca.configure(change)
                ca.restart()
                mended.callback(ca.restart)
                mended.callback(ca.config.write_text, text)

            return change_it

        return ContractCase(
            backend=StepBackend(),
            spec=spec,
            bad_specs={
                "no password": {**spec, "provisioner": {"name": PROVISIONER, "kid": ca.kid}},
                "a list": {**spec, "provisioner": []},
            },
            signed=lambda: len(ca.signed()),
            faults={
                Fault.UNREACHABLE: fault(ca.stop, ca.start, mended),
                Fault.REFUSES_ISSUER: configured(_without_the_provisioner),
                Fault.REFUSES_REQUEST: lambda: None,
                Fault.LOSES_ANSWER: fault(
                    lambda: setattr(before_ca, "loses", True),
                    lambda: setattr(before_ca, "loses", False),
                    mended,
                ),
                Fault.REFUSES_REVOCATION: configured(lambda config: config.pop("db")),
            },
            dns_name=DNS_NAME,
            usages=(*USAGES, "client auth"),  # which its default template adds
            refused_csr=csr_pem(REFUSED_NAME),
            revoked=ca.revocations,
            settings=SETTINGS,
        )


def _without_the_provisioner(config: dict[str, Any]) -> None:
    config["authority"]["provisioners"] = [{"type": "ACME", "name": "acme"}]
