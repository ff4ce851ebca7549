"""cert-manager's Certificates that name our issuers: when they end, and when they are renewed.

Metrics and the status page count them, and `controller/renewals` asks when they are renewed. A few fields of
each are kept, some hundred bytes, and counting goes once over all when it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from math import inf
from typing import Final, Self

from issuer.controller.state.watched.store import Store
from issuer.duration import parse_duration
from issuer.kube.wire import Object
from issuer.requests.conditions import is_true
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.telemetry.issuer_series import Fold, Issuer
from issuer.text import read_time
from issuer.x509.verification.renewal import DEFAULT_RENEWAL, Renewal

KIND: Final = "Certificate"
TOTALS: Final = (
    "vault_issuer_certificates",
    "vault_issuer_certificates_not_ready",
    "vault_issuer_certificates_past_renewal",
    "vault_issuer_certificates_next_expiry_timestamp_seconds",
)
"""The metrics that `CertificateStore.totals` has the values of, in its order."""
FOLDS: Final[tuple[Fold, ...]] = (sum, sum, sum, min)
"""How each of them is put together for several issuers."""

_SPARE: Final = 100
"""Issuers that are remembered although nobody may name them any more."""

NO_ISSUER: Final = IssuerKey("", "", "")

Name = tuple[str, str]
"""Namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Fields of a Certificate. Times are seconds since the epoch; None if cert-manager has set none yet."""

    namespace: str
    name: str
    issuer: IssuerKey
    not_after: float | None
    renewal_time: float | None
    ready: bool
    uid: str = ""
    generation: int = 0
    renewal: Renewal = DEFAULT_RENEWAL

    @classmethod
    def read(cls, obj: Object, issuer: IssuerKey) -> Self:
        """Return the fields of a Certificate of the API server's that names this issuer."""
        meta, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
        return cls(
            sys.intern(meta["namespace"]),
            meta["name"],
            issuer,
            _seconds(status.get("notAfter")),
            _seconds(status.get("renewalTime")),
            is_true(status.get("conditions"), "Ready"),
            str(meta.get("uid", "")),
            int(meta.get("generation", 0)),
            _renewal(
                spec.get("renewBefore"),
                spec.get("renewBeforePercentage"),
                (spec.get("renewal") or {}).get("policy"),
            ),
        )

    def past_renewal(self, now: float) -> bool:
        """Return True if it should have been renewed by now: cert-manager moves the time on when it has."""
        return self.renewal_time is not None and self.renewal_time <= now


class CertificateStore(Store[Name]):
    """Every Certificate whose issuer is of our kinds, as the watch last showed it.

    `on_change` hears of those that are new here, or whose spec has changed: one that the watch shows only now
    may have been read by name before, and changed since.
    """

    def __init__(
        self, kinds: IssuerKinds = BUILT_IN, on_change: Callable[[Name], None] = lambda _name: None
    ) -> None:
        super().__init__()
        self._kinds = kinds
        self._on_change = on_change
        self._found: dict[Name, Certificate] = {}
        self._issuers: dict[IssuerKey, IssuerKey] = {}  # one object for all that name the same

    def __len__(self) -> int:
        return len(self._found)

    def all(self) -> Iterator[Certificate]:
        """Yield each of them; it must not be kept over an `await`."""
        return iter(self._found.values())

    def get(self, namespace: str, name: str, uid: str) -> Certificate | None:
        """Return the very Certificate of that name; None if it isn't known, or another has its name."""
        found = self._found.get((namespace, name))
        return found if found is not None and found.uid == uid else None

    def totals(
        self, issuers: Collection[IssuerKey], now: float
    ) -> list[tuple[Issuer, tuple[float | None, ...]]]:
        """`TOTALS` for each of the issuers that are there, and together for all others that are named.

        Anyone can name issuers that don't exist: those must not become labels.
        """
        counted = {issuer: _Count() for issuer in issuers}
        for one in self._found.values():
            count = counted.get(one.issuer)
            if count is None:
                count = counted.setdefault(NO_ISSUER, _Count())
            count.add(one, now)
        return [(issuer, count.values) for issuer, count in counted.items()]

    def key_of(self, obj: Object) -> Name:
        """Return namespace and name of an object."""
        meta = obj["metadata"]
        return meta["namespace"], meta["name"]

    def known(self) -> tuple[Name, ...]:
        """Return namespace and name of every Certificate."""
        return tuple(self._found)

    def upsert(self, obj: Object) -> None:
        """Keep a Certificate that appeared or changed, if it names an issuer of our kinds."""
        issuer, name = self._kinds.issuer_of(obj), self.key_of(obj)
        if issuer is None:
            return
        old = self._found.get(name)
        new = self._found[name] = Certificate.read(obj, self._issuers.setdefault(issuer, issuer))
        if old is None or old.generation != new.generation:
            self._on_change(name)
        if len(self._issuers) > 2 * len(self._found) + _SPARE:
            self._forget_unnamed()

    def end(self) -> None:
        """End a list, and forget the issuers that nobody names any more."""
        super().end()
        self._forget_unnamed()

    def _forget_unnamed(self) -> None:
        self._issuers = {one.issuer: one.issuer for one in self._found.values()}

    def is_ours(self, obj: Object) -> bool:
        """Return True if a Certificate names an issuer of our kinds."""
        return self._kinds.issuer_of(obj) is not None

    def drop(self, key: Name) -> None:
        """Forget a Certificate that is gone."""
        self._found.pop(key, None)


@dataclass(slots=True)
class _Count:
    """The `TOTALS` of one issuer."""

    there: int = 0
    not_ready: int = 0
    past_renewal: int = 0
    first_end: float = inf

    def add(self, one: Certificate, now: float) -> None:
        self.there += 1
        self.not_ready += not one.ready
        self.past_renewal += one.past_renewal(now)
        if one.not_after is not None and one.not_after < self.first_end:
            self.first_end = one.not_after

    @property
    def values(self) -> tuple[float | None, ...]:
        first_end = None if self.first_end == inf else self.first_end
        return self.there, self.not_ready, self.past_renewal, first_end


def _seconds(time: object) -> float | None:
    """Return a time as seconds since 1970, None for what is none: people may write the status."""
    found = read_time(time)
    return None if found is None else found.timestamp()


@lru_cache(maxsize=1024)
def _renewal(before: str | None, percentage: int | None, policy: str | None) -> Renewal:
    """Return one object for all that say the same; what can't be read counts as not said."""
    if before is None and percentage is None and policy != "Disabled":
        return DEFAULT_RENEWAL
    return Renewal(_duration(before), percentage, policy == "Disabled")


def _duration(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError:
        return None
