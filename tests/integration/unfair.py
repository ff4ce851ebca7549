"""``vault-issuer`` with a part of its fairness switched off, to show that a test notices.

``WITHOUT=turns``: the requests of an issuer are one flow, whatever their namespace. ``WITHOUT=limits``: an
issuer may have every worker, whether or not it answers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from issuer.cli.main import main
from issuer.controller import wiring
from issuer.controller.limits import OPEN
from issuer.controller.request import RequestKey
from issuer.kube.line import FairLine, Place

PlaceOf = Callable[[RequestKey], Place[RequestKey]]


def without_turns(place_of: PlaceOf, most: int) -> FairLine[RequestKey]:
    """One flow for all namespaces."""
    return FairLine(lambda key: replace(place_of(key), flow="all"), most)


def without_limits(place_of: PlaceOf, _most: int) -> FairLine[RequestKey]:
    """No gate is ever closed, and no worker is kept for others."""
    return FairLine(lambda key: replace(place_of(key), gate=OPEN), 1_000_000)


if __name__ == "__main__":
    off = {"turns": without_turns, "limits": without_limits}[os.environ["WITHOUT"]]
    setattr(wiring, "FairLine", off)  # noqa: B010
    main()
