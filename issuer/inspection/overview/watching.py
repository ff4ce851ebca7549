"""The overview again and again, until it is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from issuer.inspection.overview.summary import overview
from issuer.inspection.overview.tables import show_overview
from issuer.inspection.reading import Reader
from issuer.kube.errors import Forbidden, KubeError
from issuer.terminal.console import Console
from issuer.terminal.tables import paragraph, rule

PERIOD: Final = 5.0
"""Seconds between two looks: each lists all requests."""


async def watch(
    reader: Reader,
    namespace: str | None,
    controller_namespace: str | None,
    to: Console,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> None:
    """Show the overview every `PERIOD` seconds, until cancelled.

    On a terminal it takes the place of the last one. A cluster that does not answer is asked again.
    """
    begun = False
    while True:
        reader.gaps.clear()
        try:
            found = await overview(reader, namespace, controller_namespace, now())
        except Forbidden:
            raise
        except KubeError as error:
            paragraph(to, f"the cluster can't be asked: {error.message}. Asking again.", style="yellow")
        else:
            if to.is_terminal:
                to.clear()
            elif begun:
                rule(to)
            show_overview(found, to, now())
            begun = True
        await sleep(PERIOD)
