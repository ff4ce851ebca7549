"""Findings of a look at a set: a kept certificate, the next step, and a report of the last one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RenewalReason(StrEnum):
    """Reasons to ask for a certificate."""

    FIRST = "First"
    DUE = "Due"
    EXPIRED = "Expired"
    REQUESTED = "Requested"
    """A person asked for it: `vault-issuer agent renew`."""
    SPEC_CHANGED = "SpecChanged"
    FILES_LOST = "FilesLost"
    REVOKED = "Revoked"
    CA_CHANGED = "CAChanged"
    DELIVERED = "Delivered"
    """Something else asked for it and handed it over."""
    NOT_DELIVERED = "NotDelivered"
    """Something else is to hand over the first one; nothing is asked for."""


@dataclass(frozen=True, slots=True)
class KeptCertificate:
    """A certificate in its files: its life, and when it is renewed.

    `window_open` is None without maintenance windows; `waits` is True if only a window is waited for.
    """

    name: str
    serial: str
    not_before: datetime
    not_after: datetime
    renew_at: datetime
    window_open: bool | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class SetLook:
    """A look at a set's files: what is kept, if anything, and what the next step would do.

    `reason` is why a certificate would be asked for; `rewritten` are files that would be written again.
    """

    kept: KeptCertificate | None
    reason: RenewalReason | None = None
    rewritten: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeepReport:
    """One look at a certificate: what is kept now, what was done, and what a person should know.

    `standing` are warnings that were given at an earlier look: the status shows them on.
    """

    kept: KeptCertificate
    renewed: RenewalReason | None = None
    rewritten: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()

    @property
    def has_new_files(self) -> bool:
        """Return True if readers have to be told."""
        return self.renewed is not None or bool(self.rewritten)
