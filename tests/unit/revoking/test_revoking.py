"""Revocations whose Vault answers oddly, or goes away: the right certificate or none, and each is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from issuer.inventory.certificate import KnownIssuer, KnownIssuers, known, pem_of, serial_of
from issuer.manifests.errors import BadInput
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.revoking.finding import by_certificate, by_serial
from issuer.revoking.named import NamedSerial
from issuer.revoking.plan import ListSettings, PlannedRevocation, RevocationDecision
from issuer.revoking.revoking import RevocationResult, revoke
from issuer.revoking.show import result_line
from tests.builders import csr_pem
from tests.ca import TestCA
from tests.unit.vault.fake import NO_ROUTE, SEALED, FakeVault, client_of, fake_vault

CA = TestCA.make()
ISSUERS = KnownIssuers([KnownIssuer.of(mount, "int", CA.intermediate) for mount in ("pki", "other")])
LEAVES = [CA.sign(csr_pem(f"{one}.test").decode()).leaf_pem for one in "abc"]
CERTIFICATES = [x509.load_pem_x509_certificate(one.encode()) for one in LEAVES]
SERIALS = [serial_of(one) for one in CERTIFICATES]
REVOKE = "POST /v1/pki/revoke"


@asynccontextmanager
async def calling() -> AsyncIterator[tuple[FakeVault, VaultCalls]]:
    """A fake, and calls to it."""
    async with fake_vault() as vault, client_of(vault) as client:
        yield vault, VaultCalls(client, SecretText("t"))


def stored(pem: str) -> tuple[int, Any]:
    """An answer with a certificate."""
    return 200, {"data": {"certificate": pem, "revocation_time": 0}}


async def results(*answers: tuple[int, Any]) -> list[RevocationResult]:
    """Revoke three certificates; no CRL can be read."""
    rows = [known(one, ISSUERS, "pki") for one in CERTIFICATES]
    items = [
        PlannedRevocation(row, pem, (), RevocationDecision.REVOKE, ListSettings())
        for row, pem in zip(rows, map(pem_of, CERTIFICATES), strict=True)
    ]
    async with calling() as (vault, calls):
        vault.tell(REVOKE, *answers)
        for end in ("crl", "crl/delta"):
            vault.tell(f"GET /v1/pki/issuer/int/{end}", NO_ROUTE)
        return [one async for one in revoke(calls, items)]


async def test_a_vault_that_goes_away_leaves_no_certificate_untold() -> None:
    found = await results((200, {"data": {}}), SEALED)
    assert [one.to_json()["revoked"] for one in found] == [True, None, False]
    assert "NOT KNOWN whether it is revoked: Vault is sealed" in result_line(found[1])
    assert "NOT REVOKED: not tried" in result_line(found[2])


def test_a_certificate_of_a_deleted_ca_is_told() -> None:
    """Vault has it revoked, and on the list of another CA: clients don't look there."""
    row = known(CERTIFICATES[0], KnownIssuers([]), "pki")
    item = PlannedRevocation(row, LEAVES[0], (), RevocationDecision.REVOKE, ListSettings())
    for said in (*item.next_steps(), result_line(RevocationResult(item, listed=None))):
        assert "clients aren't told: its CA, CN=Test Intermediate, is none of pki's any more" in said


async def test_a_garbled_answer_is_not_taken_for_a_refusal() -> None:
    found = await results((200, "<html>"), (404, {"errors": []}), (200, {"data": {}}))
    assert [one.to_json()["revoked"] for one in found] == [None, False, True]


async def test_another_certificate_than_was_asked_for_is_refused() -> None:
    async with calling() as (vault, calls):
        vault.tell(f"GET /v1/pki/cert/{SERIALS[0]}", stored(LEAVES[1]))
        with pytest.raises(BadInput, match="answers with another certificate"):
            await by_serial(calls, NamedSerial(SERIALS[0]), ["pki"], ISSUERS)


async def test_one_number_of_two_certificates_is_ambiguous() -> None:
    begins, same = datetime(2026, 1, 1, tzinfo=UTC), CERTIFICATES[0].serial_number
    builder = x509.CertificateBuilder(
        CA.intermediate.subject, CERTIFICATES[1].subject, CERTIFICATES[1].public_key(), same, begins,
        CERTIFICATES[0].not_valid_after_utc,
    )  # fmt: skip
    twin = pem_of(builder.sign(CA.key, hashes.SHA256()))
    async with calling() as (vault, calls):
        vault.tell(f"GET /v1/pki/cert/{SERIALS[0]}", stored(LEAVES[0]))
        vault.tell(f"GET /v1/other/cert/{SERIALS[0]}", stored(twin))
        with pytest.raises(BadInput, match="another certificate in each mount: name one"):
            await by_serial(calls, NamedSerial(SERIALS[0]), ["pki", "other"], ISSUERS)
        found, _ = await by_serial(calls, NamedSerial(SERIALS[0], "other"), [], ISSUERS)
        assert found.mount == "other"


@pytest.mark.parametrize("mount", ["pki", "other", ""])
async def test_a_ca_in_two_mounts_means_the_one_that_stores_the_certificate(mount: str) -> None:
    """As after a CA was moved: each mount has a CRL of its own, and clients look at one."""
    async with calling() as (vault, calls):
        for one in ("pki", "other"):
            path = f"GET /v1/{one}/cert/{SERIALS[0]}"
            vault.tell(path, stored(LEAVES[0]) if one == mount else NO_ROUTE)
        if mount:
            assert (await by_certificate(calls, CERTIFICATES[0], ISSUERS))[0].mount == mount
            return
        with pytest.raises(BadInput, match="name the mount"):
            await by_certificate(calls, CERTIFICATES[0], ISSUERS)


async def test_a_mount_that_has_the_ca_without_its_key_is_not_meant() -> None:
    """As the mount of an intermediate has the root above it."""
    bare = KnownIssuer.of("a-first", "int", CA.intermediate, has_key=False)
    async with calling() as (vault, calls):
        vault.tell(f"GET /v1/pki/cert/{SERIALS[0]}", NO_ROUTE)
        issuers = KnownIssuers([bare, *[one for one in ISSUERS if one.mount == "pki"]])
        assert (await by_certificate(calls, CERTIFICATES[0], issuers))[0].mount == "pki"
