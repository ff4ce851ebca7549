"""Revocation by step-ca, which is passive, and what is said of its CRL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.signing.step.conftest import Open
from tests.unit.signing.step.requests import HOUR, answering, asked
from tests.unit.step.fake import (
    REVOKE,
    FakeStepCA,
)


async def test_a_crl_that_cannot_be_read_now_stops_no_signing(step: FakeStepCA, open_signer: Open) -> None:
    step.answer = answering("GET /crl", 500)
    signer = await open_signer(revocation={"policy": "OnDelete"})
    (warning,) = (await signer.check()).warnings
    assert "passively" in warning
    assert "can't be read now" in warning


@pytest.mark.parametrize(
    ("crl", "text"),
    [
        (None, "makes no CRL"),
        (b"nothing", "can't be read"),
        ("good", "don't look into its CRL"),
        ("ended", "That CRL ended at"),
    ],
)
async def test_a_revocation_is_said_to_be_passive(
    step: FakeStepCA, open_signer: Open, crl: Any, text: str
) -> None:
    step.crl = {"good": made_crl(step), "ended": made_crl(step, -HOUR)}.get(crl, crl)
    warnings = (await (await open_signer(revocation={"policy": "OnDelete"})).check()).warnings
    assert any("passively" in one and text in one for one in warnings), warnings
    assert (await (await open_signer()).check()).warnings == ()


def made_crl(step: FakeStepCA, ends: timedelta = HOUR) -> bytes:
    """A CRL that was made two hours ago."""
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(step.ca.intermediate.subject, now - 2 * HOUR, now + ends)
    return builder.sign(step.ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


async def test_a_revocation_is_by_the_serial_number(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    signed = await signer.sign(asked())
    await signer.revoke(signed.leaf_pem)
    await signer.revoke(signed.leaf_pem)  # it is revoked already
    assert step.revoked == [str(int(signed.serial.replace(":", ""), 16))]
    assert step.tokens[-1]["aud"].endswith("/1.0/revoke")
    assert step.made(REVOKE) == 2
