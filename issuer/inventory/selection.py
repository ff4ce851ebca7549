"""The choice of certificates from an inventory. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from issuer.inventory.certificate import CertificateState, KnownCertificate
from issuer.inventory.uses import Use, is_used

_SERIAL: Final = re.compile("[0-9a-f]{1,40}")


def serial_beginning(text: str) -> str:
    """Return the beginning of a serial number in Vault's form, `aa:bb:c`. Raises ValueError."""
    digits = text.strip().lower().replace(":", "").replace("-", "").removeprefix("0x")
    if not _SERIAL.fullmatch(digits):
        raise ValueError("a serial number has 1 to 40 hexadecimal digits, such as 1f:0a:c3")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


@dataclass(frozen=True, slots=True)
class InventoryChoice:
    """Conditions that all hold for a certificate that is asked for; None and "" are no condition.

    `within` is the time before its end, `names` are globs of which one fits, `serial` is the beginning of a
    serial number, `issuer` a glob for MOUNT/NAME of the CA, or its name alone.
    """

    within: timedelta | None = None
    names: tuple[str, ...] = ()
    serial: str = ""
    issuer: str = ""
    revoked: bool | None = None
    used: bool | None = None
    stored: bool | None = None

    def takes_serial(self, serial: str) -> bool:
        """Return True if a certificate of this serial number may be asked for."""
        return serial.startswith(self.serial)

    def takes(self, row: KnownCertificate, uses: tuple[Use, ...], now: datetime) -> bool:
        """Return True if a certificate is asked for."""
        if self.within is not None and row.state(now, self.within) is not CertificateState.EXPIRING:
            return False
        wanted = (
            (self.revoked, row.revoked_at is not None),
            (self.used, is_used(uses)),
            (self.stored, row.is_stored),
        )
        if any(asked not in (None, there) for asked, there in wanted):
            return False
        if self.used is False and row.state(now) in (CertificateState.EXPIRED, CertificateState.REVOKED):
            return False
        return self.takes_serial(row.serial) and self._takes_names(row) and self._takes_issuer(row)

    def _takes_names(self, row: KnownCertificate) -> bool:
        names = [one.lower() for one in row.names or (row.subject,)]
        return not self.names or any(fnmatchcase(one, glob.lower()) for glob in self.names for one in names)

    def _takes_issuer(self, row: KnownCertificate) -> bool:
        names = (row.issuer, row.issuer.rpartition("/")[2])
        return not self.issuer or any(fnmatchcase(one, self.issuer) for one in names)
