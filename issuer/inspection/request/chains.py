"""Delivered certificates and their chain: each link, and the differences from the request. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuer.inspection.request.contents import validity_json
from issuer.x509.certificates import Certificate, is_authority
from issuer.x509.chains.chain import Chain, build_chain
from issuer.x509.chains.links import is_root, signed_by
from issuer.x509.describe import serial_hex, subject_text
from issuer.x509.errors import ChainError
from issuer.x509.usages import EVERY_USAGE
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify


@dataclass(frozen=True, slots=True)
class Delivered:
    """Certificates of a status, leaf first, in their order; `chain` is None if `problem` says why."""

    certificates: tuple[Certificate, ...]
    chain: Chain | None
    problem: str = ""

    @property
    def leaf(self) -> Certificate:
        """Certificate that was asked for."""
        return self.certificates[0]


def delivered(own: Sequence[Certificate], ca: Sequence[Certificate], now: datetime) -> Delivered:
    """Join `status.certificate` (not empty) and `status.ca`, and build the chain at `now`."""
    certificates = tuple(dict.fromkeys((*own, *ca)))
    try:
        return Delivered(certificates, build_chain(certificates[0], certificates[1:], now))
    except ChainError as error:
        return Delivered(certificates, None, str(error))


def chain_json(found: Delivered, now: datetime) -> dict[str, Any]:
    """Return each certificate with its end and signer; `holds` if the chain does and none has ended."""
    links = [_link(one, found.certificates, now) for one in found.certificates]
    ended = [link["subject"] or link["serial"] for link in links if link["ended"]]
    return {
        "holds": found.chain is not None and not ended,
        "complete": found.chain is not None and found.chain.complete,
        "problem": found.problem or (f"has expired: {', '.join(ended)}" if ended else ""),
        "certificates": links,
    }


def _link(one: Certificate, pool: Sequence[Certificate], now: datetime) -> dict[str, Any]:
    return {
        "subject": subject_text(one),
        "serial": serial_hex(one),
        "isCA": is_authority(one),
        **validity_json(one, now),
        "ended": one.not_valid_after_utc <= now,
        "signature": _signature(one, pool),
    }


def _signature(one: Certificate, pool: Sequence[Certificate]) -> str:
    """Return whose key made the signature, by verifying: names alone prove nothing."""
    if signed_by(one, one):
        return "itself, verified"
    if is_root(one):
        return "itself, by an algorithm that no longer proves anything"
    signer = next((other for other in pool if other is not one and signed_by(one, other)), None)
    if signer is None:
        return "NOT VERIFIED: no certificate at hand made it"
    return f"{subject_text(signer)}, verified"


def differences(
    found: Delivered,
    asked: RequestedCertificate,
    issued_at: datetime,
    *,
    shorten: bool,
    any_life: bool = False,
) -> list[dict[str, Any]]:
    """Return where a chain that holds differs from the request, as of its issuing; `fatal` must never be.

    `shorten` says whether the issuer may cut a life off at its CA's end, `any_life` whether it leaves the
    life to the CA where the request names none. Usages count as allowed wherever a policy can allow them:
    which one approved isn't known any more.
    """
    if found.chain is None:
        return []
    return [
        {"code": one.code, "message": one.message, "fatal": one.fatal}
        for one in verify(
            found.chain, asked, issued_at, allowed=EVERY_USAGE, shorten=shorten, any_life=any_life
        )
    ]
