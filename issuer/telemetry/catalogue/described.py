"""The form of a metric's description, and what several descriptions share: buckets, labels, sections.

Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram", "info"]
Values = tuple[str, ...]

DAY: Final = 86_400.0
# Seconds from a request's creation to its answer: 10 ms to an hour, since an outage counts too.
ANSWER_BUCKETS: Final = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3600.0,
)
CALL_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LIFE_BUCKETS: Final = (
    *(hours * 3600.0 for hours in (1, 2, 6, 12)),
    *(days * DAY for days in (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1825, 3650)),
)

_MANY: Final = 20
# The three stand together for one issuer; its namespace is empty for a VaultClusterIssuer.
ISSUER: Final[dict[str, Values]] = {"kind": (), "namespace": (), "name": ()}


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """The description of a metric: its name in `/metrics`, type, help text, labels, and number of series.

    `labels` maps each label to its values, none where they name issuers or policies. `per`: the object each
    series (or set of series) belongs to; `beside`: the number of series independent of it. `children` is the
    number of combinations of the other labels, unless that is their product. `zero` are label values whose
    series begin at 0. `when` names the option without which the metric doesn't exist.
    """

    name: str
    kind: Kind
    help: str
    section: str
    labels: dict[str, Values] = field(default_factory=dict)
    per: Literal["", "issuer", "policy"] = ""
    beside: int = 0
    children: int | None = None
    zero: tuple[Values, ...] = ()
    buckets: tuple[float, ...] = ()
    when: str = ""

    @property
    def each(self) -> int:
        """The series of one combination of labels: a histogram has its buckets, `+Inf`, sum and count."""
        return len(self.buckets) + 3 if self.kind == "histogram" else 1

    @property
    def combinations(self) -> int:
        """The number of combinations of labels whose values are the code's."""
        if self.children is not None:
            return self.children
        return prod(len(values) for values in self.labels.values() if values)

    @property
    def from_start(self) -> tuple[Values, ...]:
        """Label values of a counter's series that begin at 0, before any event.

        A series that appears with its first event shows Prometheus no increase. Where there are many
        combinations, which hardly ever occur, they are left out.
        """
        if self.zero or self.per or self.kind != "counter" or not self.labels or self.combinations > _MANY:
            return self.zero
        return tuple(product(*self.labels.values()))

    def most(self, issuers: int, policies: int) -> int:
        """Return the most series there can be with that many issuers and policies."""
        grown = {"": 1, "issuer": issuers, "policy": policies}[self.per]
        return self.each * (self.combinations * grown + self.beside)


REQUESTS, VAULT, ISSUERS, CERTIFICATES = "Requests", "Vault", "Issuers", "Certificates"
QUEUE, REPLICAS, CANARY, CONTROLLER = "Queue", "Replicas", "Canary", "The controller"
