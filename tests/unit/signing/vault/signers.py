"""Signers on a fake Vault, and requests for them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from issuer.signing.signer import SigningRequest
from issuer.signing.vault.signer import VaultSigner
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AppRole, AuthMethod
from tests.builders import csr_pem
from tests.unit.vault.fake import FakeVault


def made(
    vault: FakeVault,
    stack: AsyncExitStack,
    path: str = "pki/sign/web",
    method: AuthMethod | None = None,
    authority: str | None = None,
) -> VaultSigner:
    signer = VaultSigner(Connection(vault.url), method or AppRole("role", "secret"), path, authority)
    stack.push_async_callback(signer.close)
    return signer


def asked(*, duration: timedelta | None = timedelta(hours=1), is_ca: bool = False) -> SigningRequest:
    csr = csr_pem("a.lab.example.test", "b.lab.example.test", common_name="a.lab.example.test").decode()
    return SigningRequest(csr, duration, frozenset({"server auth"}), is_ca)
