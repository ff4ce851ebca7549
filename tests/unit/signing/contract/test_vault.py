"""The built-in backend keeps the contract, against a Vault of fakes that signs with a CA of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from issuer.servers.allowed import AllowedServers
from issuer.signing.contract import BackendContract, ContractCase, FakeKubernetes, Fault
from issuer.signing.contract.kubernetes import CLUSTER_NAMESPACE
from issuer.signing.settings import BackendSettings
from issuer.signing.vault.backend import VaultBackend
from tests.ca import TestCA, pem
from tests.unit.vault import fake
from tests.unit.vault.fake import Call, FakeVault, fake_vault

REVOKE = "POST /v1/pki/revoke"
SECRET_ID = "b2f0c4de-5ecd-4f1b-the-secret-id"
TOKEN = "s.the-token-that-the-login-gave"


@dataclass
class SigningVault:
    """Makes a fake Vault sign, refuse, or fail; counts what it signed. Its clock is `ahead` of ours."""

    vault: FakeVault
    ca: TestCA = field(default_factory=lambda: TestCA.make(datetime.now(UTC)))
    signed: list[str] = field(default_factory=list)
    ahead: timedelta = timedelta()

    def work(self) -> None:
        """Answer all calls as a Vault that works."""
        root, intermediate = pem(self.ca.root), pem(self.ca.intermediate)
        self.vault.tell(fake.APPROLE_LOGIN, fake.login(TOKEN))
        self.vault.tell(fake.CHAIN, lambda _: self._dated(intermediate + root))
        self.vault.tell(fake.SIGN, self._sign)
        self.vault.tell(REVOKE, (200, {"data": {"revocation_time": 1}}))
        self.vault.tell("GET /v1/pki/issuers?list=true", (200, {"data": {"keys": []}}))

    def _dated(self, text: str) -> web.Response:
        date = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        return web.Response(text=text, headers={"Date": date})

    def _sign(self, call: Call) -> tuple[int, Any]:
        if not call.body.get("csr"):
            return fake.EMPTY_CSR
        if not call.body.get("alt_names"):
            return fake.NAME_NOT_ALLOWED
        life = timedelta(seconds=int(call.body["ttl"]))
        made = self.ca.sign(call.body["csr"], now=datetime.now(UTC) + self.ahead, life=life)
        self.signed.append(made.serial)
        chain = [pem(self.ca.intermediate), pem(self.ca.root)]
        data = {"certificate": made.leaf_pem, "ca_chain": chain, "issuing_ca": chain[0]}
        return 200, {"data": {**data, "serial_number": made.serial}}

    def refuse(self, reply: fake.Reply) -> None:
        """Answer each signing so, but not the probe, which sends nothing to be signed."""
        self.vault.tell(fake.SIGN, lambda call: reply if call.body.get("csr") else fake.EMPTY_CSR)

    def cut(self) -> None:
        """Sign, and send half of the answer."""

        def half(call: Call) -> tuple[int, Any]:
            status, answer = self._sign(call)
            text = json.dumps(answer)
            return status, text[: len(text) // 2] if status == 200 else answer

        self.vault.tell(fake.SIGN, half)

    def seal(self) -> None:
        """Answer each call as a sealed Vault does."""
        for call in (fake.APPROLE_LOGIN, fake.CHAIN, fake.SIGN, REVOKE):
            self.vault.tell(call, fake.SEALED)

    def take_rights(self) -> None:
        """Let nobody sign, whatever is asked."""
        self.vault.tell(fake.SIGN, fake.POLICY_DENIES)


class TestVault(BackendContract):
    """The contract, kept by Vault."""

    @pytest.fixture
    async def vault(self) -> AsyncIterator[FakeVault]:
        async with fake_vault() as running:
            yield running

    @pytest.fixture
    async def case(self, kube: FakeKubernetes, vault: FakeVault) -> ContractCase:
        kube.put_secret("approle", {"secretId": SECRET_ID.encode()})
        signing = SigningVault(vault)
        signing.work()
        role = {"path": "approle", "roleId": "role", "secretRef": {"name": "approle", "key": "secretId"}}
        spec = {"vault": {"server": vault.url, "path": "pki/sign/web", "auth": {"appRole": role}}}
        return ContractCase(
            backend=VaultBackend(),
            spec=spec,
            bad_specs={
                "nothing": {},
                "no login": {"vault": {**spec["vault"], "auth": {}}},
                "no path": {"vault": {**spec["vault"], "path": ""}},
                "a list": {"vault": []},
            },
            signed=lambda: len(signing.signed),
            faults={
                Fault.UNREACHABLE: signing.seal,
                Fault.BUSY: lambda: signing.refuse(fake.QUOTA),
                Fault.REFUSES_ISSUER: signing.take_rights,
                Fault.REFUSES_REQUEST: lambda: signing.refuse(fake.NAME_NOT_ALLOWED),
                Fault.LOSES_ANSWER: signing.cut,
                Fault.REFUSES_REVOCATION: lambda: vault.tell(REVOKE, fake.UNKNOWN_SERIAL),
            },
            revoked=lambda: len(vault.made(REVOKE)),
            settings=BackendSettings(
                CLUSTER_NAMESPACE, timeout=10, allowed_servers=AllowedServers.parse(["127.0.0.0/8"])
            ),
        )
