"""The Certificate that a request was made for: as the watch shows it, or read by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from issuer.controller.renewals.loops import Owner
from issuer.controller.state.watched.certificates import NO_ISSUER, Certificate, CertificateStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, Invalid, NotFound
from issuer.requests.resources import CERTIFICATES

_FORBIDDEN_FOR: Final = 60.0
"""Seconds after a refusal until a Certificate is read again."""


@dataclass(slots=True, eq=False)
class CertificateOwners:
    """Finds Certificates. One that isn't watched is read, where RBAC lets the controller (verb get)."""

    client: KubeClient
    store: CertificateStore
    clock: Callable[[], float] = time.monotonic
    _forbidden_until: float = field(default=0.0, init=False)

    async def find(self, owner: Owner) -> Certificate | None:
        """Return the very Certificate; None if it is gone or may not be read. Raises KubeError."""
        known = self.store.get(owner.namespace, owner.name, owner.uid)
        if known is not None or self.clock() < self._forbidden_until:
            return known
        try:
            found = await self.client.get(CERTIFICATES, owner.name, owner.namespace)
        except (NotFound, Invalid):
            return None
        except Forbidden:
            self._forbidden_until = self.clock() + _FORBIDDEN_FOR
            return None
        read = Certificate.read(found, NO_ISSUER)
        # The watch may have shown it meanwhile, and it tells of changes to what it has shown alone.
        watched = self.store.get(owner.namespace, owner.name, owner.uid)
        return watched or (read if read.uid == owner.uid else None)
