"""Certificates that are signed and not yet written: by request, by issuer, and in the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Set
from typing import Final

import structlog

from issuer.controller.state.pending import PendingDelivery
from issuer.kube.errors import KubeError
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey

log = structlog.get_logger(__name__)

LOGGED_EACH: Final = 10.0
"""Seconds after which all certificates that are held are logged once more."""

_NONE: Final[Set[RequestKey]] = frozenset()
_LATE: Final = 1.0  # seconds that a write may take before the certificate counts as held


class HeldCertificates:
    """The certificates that wait to be written. Their signers stay open until they are settled."""

    def __init__(self) -> None:
        self._held: dict[RequestKey, PendingDelivery] = {}
        self._of_issuer: dict[IssuerKey, set[RequestKey]] = {}
        self._not_written: set[RequestKey] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[PendingDelivery]:
        """Iterate over those that are held now, whatever is settled meanwhile."""
        return iter(list(self._held.values()))

    def get(self, key: RequestKey) -> PendingDelivery | None:
        """Return the certificate that waits to be written to that request."""
        return self._held.get(key)

    def of_issuer(self, issuer: IssuerKey) -> Set[RequestKey]:
        """Return the requests of that issuer whose certificates wait to be written."""
        return self._of_issuer.get(issuer, _NONE)

    def hold(self, pending: PendingDelivery) -> None:
        """Take charge of a certificate."""
        pending.shared.borrow()
        self._held[pending.key] = pending
        self._of_issuer.setdefault(pending.issuer, set()).add(pending.key)

    async def settle(self, pending: PendingDelivery) -> bool:
        """Let go of a certificate that is written or discarded; return False if it wasn't held."""
        if self._held.get(pending.key) is not pending:
            return False
        del self._held[pending.key]
        self._not_written.discard(pending.key)
        keys = self._of_issuer[pending.issuer]
        keys.discard(pending.key)
        if not keys:
            del self._of_issuer[pending.issuer]
        await pending.shared.give_back()
        return True

    def log_not_written(self, pending: PendingDelivery, error: KubeError) -> None:
        """Log the serial at the first write that fails: a process that is killed now leaves it behind."""
        if pending.key not in self._not_written:
            self._not_written.add(pending.key)
            log.warning(
                "certificate held",
                request=str(pending.key),
                issuer=str(pending.issuer),
                serial=pending.serial,
                error=str(error),
            )

    async def keep_logging(self) -> None:
        """Log all certificates that could not be written yet, again and again until cancelled."""
        while True:
            await asyncio.sleep(LOGGED_EACH)
            self.log_all()

    def log_all(self) -> None:
        """Log the serials of certificates that could not be written, or whose write takes long, by issuer."""
        late = time.monotonic() - _LATE
        unwritten: dict[IssuerKey, dict[str, str]] = {}
        for key, pending in self._held.items():
            if key in self._not_written or (pending.audit.to_write or 0.0) < late:
                unwritten.setdefault(pending.issuer, {})[str(key)] = pending.serial
        for issuer, serials in unwritten.items():
            log.warning("certificates held", issuer=str(issuer), serials=serials)
