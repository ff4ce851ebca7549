"""The list of requests that a viewer asks for, with its tabs and pages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from issuer.statuspage.html import Html, join, moment, tag
from issuer.statuspage.model import PAGE, Query, State
from issuer.statuspage.sections import COUNTING
from issuer.statuspage.snapshot import Listed, Row, Snapshot
from issuer.statuspage.tables import command, row, table
from issuer.text import counted

TABS: Final[dict[State, str]] = {
    "waiting": "Waiting",
    "line": "Queued",
    "issued": "Recently issued",
    "denied": "Recently denied",
    "failed": "Recently failed",
}
_NOTHING: Final[dict[State, str]] = {
    "waiting": "Nothing waits.",
    "line": "Nothing is queued.",
    "issued": "Nothing was issued since this process began.",
    "denied": "Nothing was denied since this process began.",
    "failed": "Nothing failed since this process began.",
}
_NONE_YET: Final = "No message yet: it waits for another approver, or for its next attempt"


def requests(snapshot: Snapshot, query: Query) -> Html:
    """Return the section with the requests that the query finds."""
    if snapshot.replica.role == "stands by":
        return tag("div", tag("p", "The replica that leads has them.", class_="nothing"), id="requests")
    listed = snapshot.listed[query]
    why = _why(snapshot) if query.state == "waiting" and not query.text and query.page == 1 else None
    shown_above = {one.reason for one in snapshot.why} if why is not None else set()
    usual = _usual_requester(listed.rows)
    rows = [_request(one, snapshot.at, shown_above, usual) for one in listed.rows]
    heads = ("Request", "Issuer", "Since", "Message")
    body = (
        join(_asked_by(usual, listed.rows), table(TABS[query.state], heads, rows, class_="requests"))
        if rows
        else tag("p", _nothing(query, listed, snapshot), class_="nothing")
    )
    return tag(
        "div",
        _tabs(snapshot, query),
        why,
        body,
        _pager(query, listed),
        id="requests",
    )


def _usual_requester(rows: Sequence[Row]) -> str:
    """Return the requester of most of these requests; mostly all were made by cert-manager."""
    ((requester, _),) = Counter(one.requester for one in rows).most_common(1) or [("", 0)]
    return requester


def _asked_by(usual: str, rows: Sequence[Row]) -> Html | None:
    if not usual:
        return None
    others = any(one.requester != usual for one in rows)
    return tag(
        "p",
        f"Asked by {usual}{', unless a request names another' if others else ''}.",
        class_="told asked-by",
    )


def _nothing(query: Query, listed: Listed, snapshot: Snapshot) -> str:
    if query.text and listed.of:
        return f"None of {listed.of:,} matches “{query.text}”."
    if snapshot.replica.late and query.state in ("waiting", "line"):
        return COUNTING
    return _NOTHING[query.state] if not listed.total else "There is no such page."


def _tabs(snapshot: Snapshot, query: Query) -> Html:
    counts = {"waiting": snapshot.waiting, "line": snapshot.in_line}
    return tag(
        "nav",
        tag("ul", *(_tab(state, counts.get(state), query) for state in TABS)),
        class_="tabs",
        aria_label="Requests",
    )


def _tab(state: State, number: int | None, query: Query) -> Html:
    return tag(
        "li",
        tag(
            "a",
            TABS[state],
            None if number is None else tag("span", f" {number:,}", class_="number"),
            href=link(Query(state, query.text)),
            data_live=True,
            aria_current="true" if state == query.state else None,
        ),
    )


def link(query: Query) -> str:
    """Return the page's address for that list of requests."""
    values: dict[str, str | int] = {"state": query.state}
    if query.text:
        values["q"] = query.text
    if query.page > 1:
        values["page"] = query.page
    return f"?{urlencode(values)}"


def _why(snapshot: Snapshot) -> Html | None:
    """Return the reasons that hold up several requests each."""
    if not any(one.count > 1 for one in snapshot.why):
        return None
    reasons = [
        tag("li", tag("b", f"{one.count:,}"), tag("span", one.reason or _NONE_YET, tag("small", one.issuer)))
        for one in snapshot.why
    ]
    more = tag("p", f"and {counted(snapshot.other_reasons, 'other reason')}", class_="more")
    return tag(
        "div",
        tag("h3", "Why they wait"),
        tag("ol", *reasons),
        more if snapshot.other_reasons else None,
        class_="why",
    )


def _request(one: Row, at: datetime, shown_above: Set[str], usual: str) -> Html:
    shown = _brief(one.message) if one.message in shown_above else one.message
    shown = shown or (_NONE_YET if one.state == "waiting" else one.state)
    asked_by = None if one.requester == usual else tag("small", f"asked by {one.requester or 'nobody named'}")
    return row(
        f"{one.request} {one.at}",
        ("Request", join(tag("b", one.request), asked_by)),
        ("Issuer", one.issuer),
        ("Since", join(moment(one.at, at), _tries(one, at))),
        ("Message", join(shown, command(one.explain, one.request))),
    )


def _tries(one: Row, at: datetime) -> Html | None:
    """Return the number of a Certificate's requests that ended so, if there was more than this one."""
    if one.tries == 1:
        return None
    return tag("small", f"{one.tries:,} times, first ", moment(one.first, at))


def _brief(reason: str) -> str:
    """Shorten a reason that stands above in full to what tells it from the others."""
    head = reason.partition(": ")[0]
    return reason if head == reason else f"{head}…"


def _pager(query: Query, listed: Listed) -> Html | None:
    if listed.total <= PAGE and query.page == 1:
        return None
    first = (query.page - 1) * PAGE
    last = first + len(listed.rows)
    before = Query(query.state, query.text, query.page - 1) if query.page > 1 else None
    after = Query(query.state, query.text, query.page + 1) if last < listed.total and listed.rows else None
    place = f"{first + 1:,} to {last:,} of {listed.total:,}" if listed.rows else f"{listed.total:,} in all"
    return tag(
        "nav",
        _step("Previous", before),
        tag("span", place),
        _step("Next", after),
        class_="pager",
        aria_label="Pages",
    )


def _step(name: str, query: Query | None) -> Html | None:
    return None if query is None else tag("a", name, href=link(query), data_live=True)
