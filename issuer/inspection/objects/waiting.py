"""Requests of one issuer that wait, by reason, and the oldest of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from typing import Any, Final

from issuer.inspection.objects.account import AccountItem, AccountList, Mark
from issuer.inspection.overview.requests import request_json, requests_of
from issuer.inspection.progress import RequestState, progress_of, request_name, time_of
from issuer.inspection.reading import Reader, Withheld
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import KINDS
from issuer.terminal.ages import age
from issuer.text import counted

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class WaitingRequests:
    """Requests that wait: as an item of an account, as its lists, and as JSON."""

    item: AccountItem
    lists: Sequence[AccountList]
    data: dict[str, Any] | None


async def waiting_for(reader: Reader, key: IssuerKey, now: datetime) -> WaitingRequests:
    """Return the requests that wait for an issuer. Raises KubeError."""
    reasons: Counter[str] = Counter()
    oldest: list[dict[str, Any]] = []
    try:
        for kind in KINDS:
            async for request in requests_of(reader, kind, key.namespace or None):
                if request.issuer_if_any != key:
                    continue
                progress = progress_of(request)
                if progress.state is RequestState.WAITING:
                    one = request_json(request, progress)
                    reasons[str(one["reason"])] += 1
                    oldest = nsmallest(_SHOWN, [*oldest, one], key=lambda each: each["since"])
    except Withheld:
        return WaitingRequests(AccountItem("Waiting", Mark.NOT_KNOWN, "requests may not be read"), (), None)
    data = {"count": reasons.total(), "byReason": dict(reasons), "oldest": oldest}
    if not oldest:
        return WaitingRequests(AccountItem("Waiting", Mark.GOOD, "no request waits"), (), data)
    by_reason = ", ".join(f"{count} for {reason}" for reason, count in reasons.most_common(_SHOWN))
    requests = counted(reasons.total(), "request waits", "requests wait")
    lines = [(request_name(one), age(time_of(one["since"]), now), one["reason"]) for one in oldest]
    return WaitingRequests(
        AccountItem("Waiting", Mark.LOOK, f"{requests}: {by_reason}"),
        [AccountList("Oldest that wait", ("Request", "For", "Reason"), lines)],
        data,
    )
