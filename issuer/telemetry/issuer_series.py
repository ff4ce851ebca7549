"""The issuers that have series of their own. Anybody who may write issuers could make thousands of them.

Cluster issuers always have their own: administrators make those. Of namespaced ones the first of each
namespace have, up to a number in all; what the others say is put together under `OTHER`, for each kind. A
place that gets free goes to the next issuer that asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from issuer.telemetry.catalogue.label_values import OTHER

Issuer = tuple[str, str, str]
"""Kind, namespace and name of an issuer, as labels."""
Row = tuple[tuple[str, ...], Sequence[float | None]]
"""The values of the labels, and one value for each metric of a table; None where it has no series."""
Fold = Callable[[Iterable[float]], float]
"""`sum` or `min`: how the values of several issuers become one."""

MOST: Final = 1_000
"""Namespaced issuers with series of their own."""
MOST_OF_NAMESPACE: Final = 50
"""Those of one namespace."""


class IssuerSeries:
    """Gives issuers their labels, and keeps what the last check of each found, for gauges.

    No issuer's name can be `OTHER`, which has a capital.
    """

    def __init__(self) -> None:
        self._own: set[Issuer] = set()
        self._of_namespace: Counter[str] = Counter()
        self._health: dict[Issuer, tuple[float, float | None]] = {}

    def labels(self, issuer: Issuer) -> Issuer:
        """Return the issuer's labels: its own where there is room, else those that many share."""
        kind, namespace, _ = issuer
        if not namespace or issuer in self._own:
            return issuer
        if len(self._own) >= MOST or self._of_namespace[namespace] >= MOST_OF_NAMESPACE:
            return kind, OTHER, OTHER
        self._own.add(issuer)
        self._of_namespace[namespace] += 1
        return issuer

    def checked(self, issuer: Issuer, *, ready: bool, ca_ends: float | None) -> None:
        """Keep what a check found; `ca_ends` is in seconds since the epoch, None to keep the one before."""
        before = self._health.get(issuer)
        known = before[1] if before is not None else None
        self._health[issuer] = float(ready), known if ca_ends is None else ca_ends

    def health(self) -> list[Row]:
        """Return for each set of labels whether all are ready, and when the first CA ends."""
        return self.folded(self._health.items(), (min, min))

    def folded(
        self, rows: Iterable[tuple[Issuer, Sequence[float | None]]], folds: Sequence[Fold]
    ) -> list[Row]:
        """Return rows by labels: those that share them become one, each value by its fold."""
        alike: dict[Issuer, list[Sequence[float | None]]] = {}
        for issuer, values in rows:
            alike.setdefault(self.labels(issuer), []).append(values)
        return [(labels, _folded(found, folds)) for labels, found in alike.items()]

    def forget(self, issuer: Issuer) -> bool:
        """Forget an issuer that is gone; return True if it had series of its own."""
        self._health.pop(issuer, None)
        namespace = issuer[1]
        if not namespace:
            return True
        if issuer not in self._own:
            return False
        self._own.discard(issuer)
        self._of_namespace[namespace] -= 1
        if not self._of_namespace[namespace]:
            del self._of_namespace[namespace]
        return True


def _folded(rows: Sequence[Sequence[float | None]], folds: Sequence[Fold]) -> tuple[float | None, ...]:
    found: list[float | None] = []
    for column, fold in zip(zip(*rows, strict=True), folds, strict=True):
        known = [value for value in column if value is not None]
        found.append(fold(known) if known else None)
    return tuple(found)
