"""Requests for signers of the tests, and answers that a CA gives to one call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from issuer.signing.contract.case import csr_pem
from issuer.signing.signer import SigningRequest
from tests.unit.step.fake import (
    Answer,
    refusal,
)

HOUR = timedelta(hours=1)


def asked(*dns: str, life: timedelta | None = HOUR) -> SigningRequest:
    return SigningRequest(csr_pem(*(dns or ("web.team-a.example.test",))), life, frozenset(), is_ca=False)


def answering(what: str, status: int, message: str = "no") -> Any:
    """Answer one call so, and let the others be."""

    def answer(call: str) -> Answer | None:
        return (status, refusal(status, message)) if call == what else None

    return answer
