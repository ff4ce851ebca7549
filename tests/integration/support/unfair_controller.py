"""``vault-issuer`` with a part of its fairness switched off, to show that a test notices.

``WITHOUT=turns``: the requests of an issuer are one flow, whatever their namespace. ``WITHOUT=limits``: an
issuer may have every worker, whether or not it answers, and a check that takes long is not broken off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

from issuer.cli.main import main
from issuer.controller.scheduling import checks, limits
from issuer.controller.scheduling import flows as turns
from issuer.kube.queues.fairqueue import UNLIMITED, QueueKey
from issuer.kube.queues.partitions import PartitionedQueue
from issuer.requests.request import RequestKey

PlaceOf = Callable[[RequestKey], QueueKey[RequestKey]]
PartOf = Callable[[RequestKey], Hashable]


def without_turns(
    place_of: PlaceOf, part_of: PartOf, most: Mapping[Hashable, int], reserved: int = 0
) -> PartitionedQueue[RequestKey]:
    """One flow for all namespaces."""
    return PartitionedQueue(lambda key: replace(place_of(key), flow="all"), part_of, most, reserved)


def without_limits(
    place_of: PlaceOf, part_of: PartOf, most: Mapping[Hashable, int], reserved: int = 0
) -> PartitionedQueue[RequestKey]:
    """No limiter ever throttles, and no worker is kept for others."""
    setattr(checks, "QUICK", math.inf)  # noqa: B010
    setattr(limits.IssuerLimiter, "has_room", lambda _limiter, _key: True)  # noqa: B010
    return PartitionedQueue(
        lambda key: replace(place_of(key), limiter=UNLIMITED), part_of, dict.fromkeys(most, 1_000_000)
    )


if __name__ == "__main__":
    off = {"turns": without_turns, "limits": without_limits}[os.environ["WITHOUT"]]
    for module in (checks, turns):
        setattr(module, "PartitionedQueue", off)  # noqa: B010
    main()
