"""What is to be done with each certificate that a user named, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from issuer.inspection.commands import renew
from issuer.inventory.certificate import CertificateState, KnownCertificate
from issuer.inventory.uses import Use, UseKind
from issuer.terminal.ages import span_text
from issuer.text import rfc3339


class RevocationDecision(StrEnum):
    """A decision about a certificate that a user named."""

    REVOKE = "revoke"
    ALREADY_REVOKED = "already-revoked"
    EXPIRED = "expired"
    IS_CA = "is-ca"

    @property
    def is_refused(self) -> bool:
        """Return True if the user asked for what isn't done."""
        return self is RevocationDecision.IS_CA


@dataclass(frozen=True, slots=True)
class ListSettings:
    """The settings by which a mount makes its CRLs; lives in seconds."""

    is_off: bool = False
    rebuilds_alone: bool = False
    expiry: int = 72 * 3600
    grace: int = 12 * 3600
    delta: int | None = None

    def when(self) -> str:
        """Return when a revocation is on the CRL, as the end of a sentence."""
        if self.is_off:
            return "never: the CRL of this mount is disabled, so that only OCSP tells it"
        if not self.rebuilds_alone:
            return "at once"
        within = max(0, self.expiry - self.grace)
        whole = f"within {span_text(timedelta(seconds=within))} (auto_rebuild)"
        return whole if self.delta is None else f"{whole}, on the delta CRL within {_span(self.delta)}"


def _span(seconds: int) -> str:
    return span_text(timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True)
class PlannedRevocation:
    """One certificate: its row, its PEM, what uses it, and what is done. `lists` are its mount's settings."""

    row: KnownCertificate
    pem: str
    uses: tuple[Use, ...]
    decision: RevocationDecision
    lists: ListSettings

    @property
    def has_list(self) -> bool:
        """Return True if the mount has the CA that signed it, so that a CRL of that CA can have it.

        Vault writes what another CA signed on the list of its default issuer, where no client looks.
        """
        return self.row.issuer.startswith(f"{self.row.mount}/")

    @property
    def without_list(self) -> str:
        """Return what keeps clients from being told, and what to do: for one without a list."""
        mount = self.row.mount
        return (
            f"no CRL has it, so clients aren't told: its CA, {self.row.issuer}, is none of {mount}'s any "
            f"more. Import that CA's certificate there (vault write {mount}/issuers/import/cert; its key may "
            f"be there still), then vault read {mount}/crl/rotate; or take that CA out of what clients trust"
        )

    def next_steps(self, *, on_list: bool = True) -> Iterator[str]:
        """Yield what to do, or what happens by itself, once it is revoked; `on_list` is for the CRL."""
        if self.decision is not RevocationDecision.REVOKE:
            return
        for use in self.uses:
            if use.kind is UseKind.CERTIFICATE and use.is_current:
                namespace, _, name = use.where.partition("/")
                yield f"cert-manager goes on using it; have it issued again: {renew(name, namespace)}"
            elif use.kind is UseKind.MACHINE:
                yield f"the agent of {use.where} has it issued again when it next asks for revocations"
            elif use.is_current and use.kind is not UseKind.SECRET:
                yield f"{use} has it: nothing replaces it by itself"
        if on_list:
            yield f"it is on the CRL {self.lists.when()}" if self.has_list else self.without_list

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "mount": self.row.mount,
            "serial": self.row.serial,
            "names": list(self.row.names),
            "subject": self.row.subject,
            "issuer": self.row.issuer,
            "notAfter": rfc3339(self.row.ends),
            "stored": self.row.is_stored,
            "usedBy": [one.to_json() for one in self.uses],
            "decision": self.decision.value,
            "next": list(self.next_steps()),
        }


def decide(row: KnownCertificate, now: datetime, *, cas: bool) -> RevocationDecision:
    """Return what is done with a certificate; CAs are revoked only if `cas`."""
    state = row.state(now)
    if state is CertificateState.REVOKED:
        return RevocationDecision.ALREADY_REVOKED
    if state is CertificateState.EXPIRED:
        return RevocationDecision.EXPIRED
    return RevocationDecision.IS_CA if row.is_ca and not cas else RevocationDecision.REVOKE
