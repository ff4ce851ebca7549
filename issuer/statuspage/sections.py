"""The sections that are the same for every viewer, each with an id: the browser replaces changed ones.

The list of requests depends on a viewer's query, and is made in `requests`. Pure.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime
from typing import Final

from issuer.statuspage import drawing
from issuer.statuspage.html import Html, Part, join, moment, span, tag
from issuer.statuspage.model import EndingCertificate, Expiring, Issuer, PageReplica, Uncounted
from issuer.statuspage.snapshot import Snapshot
from issuer.statuspage.tables import command, row, table
from issuer.statuspage.verdict import ca_level, notices
from issuer.text import clip, counted

Sections = dict[str, Html]

MOST_ISSUERS: Final = 100
"""Rows of the issuers' table; those in trouble come first."""

COUNTING: Final = "Counting…"
"""Text instead of "none" before the first list has come."""

_SHORT: Final = 70  # characters of a canary's error: two or three lines of its column


def sections(snapshot: Snapshot) -> Sections:
    """Build all sections at once."""
    steps = build_in_steps(snapshot)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Sections = end.value
            return made


def build_in_steps(snapshot: Snapshot) -> Generator[None, None, Sections]:
    """Build the sections, yielding about every millisecond so that other tasks can run."""
    if snapshot.replica.role == "stands by":
        empty = {name: tag("section", id=name, hidden=True) for name in ("now", "issuers", "expiring")}
        return {**empty, "verdict": verdict(snapshot), "about": about(snapshot.replica)}
    made = {"verdict": verdict(snapshot)}
    yield
    made["now"] = now(snapshot)
    made["issuers"] = yield from _issuers(snapshot)
    made["expiring"] = expiring(snapshot.expiring, snapshot.at)
    yield
    made["about"] = about(snapshot.replica)
    return made


def verdict(snapshot: Snapshot) -> Html:
    """Return the sentence at the top. Its headline alone is read aloud when it changes."""
    first, *others = notices(snapshot)
    more = tag("ul", *(_other(one.level, one.headline, one.detail) for one in others)) if others else None
    return tag(
        "section",
        tag("h1", drawing.dot(first.level), first.headline, id="headline", role="status"),
        tag("p", first.detail),
        more,
        id="verdict",
        class_=first.level,
        aria_labelledby="headline",
    )


def _other(level: str, headline: str, detail: str) -> Html:
    return tag("li", drawing.dot(level), tag("span", tag("b", headline), f": {detail}"))


# Numbers ----------------------------------------------------------------------


def now(snapshot: Snapshot) -> Html:
    """Return the section of numbers at this moment."""
    work = snapshot.work
    last_minute = sum(work.per_second)
    since = work.since_start
    tiles = [
        _tile(
            "Certificates a second",
            f"{last_minute / 60:.1f}",
            drawing.sparkline(work.per_second, f"{last_minute:,} certificates in the last minute"),
            f"{last_minute:,} in the last minute",
        ),
        _tile("Waiting", f"{snapshot.waiting:,}", None, f"of {counted(work.open, 'open request')}"),
        _tile("Queued", f"{work.in_line:,}", None, _line(snapshot)),
        _tile(
            "Issued since the start",
            f"{since.get('issued', 0):,}",
            None,
            f"{since.get('denied', 0):,} denied, {since.get('failed', 0):,} failed",
        ),
        _replica_tile(snapshot.replica),
    ]
    return tag(
        "section",
        tag("h2", "Now", id="now-title", class_="unseen"),
        tag("dl", *tiles, class_="tiles"),
        id="now",
        aria_labelledby="now-title",
    )


def _tile(name: str, value: str, picture: Html | None, text: str) -> Html:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", value, class_="value"),
        None if picture is None else tag("dd", picture, class_="picture"),
        tag("dd", text, class_="told"),
    )


def _line(snapshot: Snapshot) -> str:
    work = snapshot.work
    text = [f"{work.in_work:,} being worked on"]
    if work.oldest >= 1:
        text.append(f"the oldest for {work.oldest:.0f} s")
    if work.held_back:
        text.append(f"{work.held_back:,} held back by their issuer's limits")
    if work.unwritten:
        text.append(f"{work.unwritten:,} signed and to be written")
    return ", ".join(text)


def _replica_tile(replica: PageReplica) -> Html:
    match replica.role:
        case "shares":
            text = f"of {replica.shards} shards; {counted(replica.members, 'replica')}"
            return _tile("Works on", str(replica.owned), None, text)
        case "stands by":
            return _tile("This replica", "stands by", None, "another one leads")
        case "leads":
            return _tile("This replica", "leads", None, "it does all the work")
        case _:
            return _tile("This replica", "works alone", None, "without an election")


def about(replica: PageReplica) -> Html:
    """Return the line that names this process, its version and the leader."""
    leader = f" Leader: {replica.leader}." if replica.leader and replica.role != "leads" else ""
    return tag(
        "p", f"vault-issuer {replica.version} on {replica.identity}.{leader} All times are UTC.", id="about"
    )


# Issuers ----------------------------------------------------------------------


def _issuers(snapshot: Snapshot) -> Generator[None, None, Html]:
    """Build the table of issuers, those in trouble first, yielding before each row."""
    shown = snapshot.issuers[:MOST_ISSUERS]
    left = len(snapshot.issuers) - len(shown)
    rows = []
    for one in shown:
        yield
        rows.append(_issuer(one, snapshot))
    body: Html = (
        table("Issuers", ("Issuer", "State", "CA", "Waiting", "Canary"), rows, class_="issuers")
        if rows
        else tag("p", COUNTING if snapshot.replica.late else "There is no issuer yet.", class_="nothing")
    )
    more = tag("p", f"{counted(left, 'more issuer')}, all without trouble or not shown.", class_="more")
    return tag(
        "section",
        tag("h2", "Issuers", id="issuers-title"),
        body,
        more if left > 0 else None,
        id="issuers",
        aria_labelledby="issuers-title",
    )


def _issuer(one: Issuer, snapshot: Snapshot) -> Html:
    where = f"{one.kind}{f' in {one.namespace}' if one.namespace else ''}"
    waiting = snapshot.waiting_by_issuer.get(one.key, 0)
    return row(
        one.key,
        (
            "Issuer",
            join(tag("b", one.name), tag("small", where), tag("code", one.path), tag("small", one.server)),
        ),
        ("State", _state(one)),
        ("CA", _ca(one, snapshot.at)),
        ("Waiting", f"{waiting:,}"),
        ("Canary", _canary(one, snapshot.at)),
    )


def _state(one: Issuer) -> Html:
    if one.ready is None:
        badge = _badge("quiet", "being checked")
    else:
        badge = _badge("good", "Ready") if one.ready else _badge("bad", f"not Ready: {one.reason}")
    message = tag("p", one.message) if one.message and not one.ready else None
    warnings = [tag("p", drawing.dot("warn"), text, class_="warning") for text in one.warnings]
    explain = command(one.explain, one.key) if one.explain else None
    return join(badge, message, *warnings, explain)


def _badge(level: str, text: str) -> Html:
    return tag("span", drawing.dot(level), text, class_=f"badge {level}")


def _ca(one: Issuer, at: datetime) -> Html:
    if one.ca_ends is None:
        return tag("span", "not known" if one.ready is False else "not read yet", class_="faint")
    left = one.ca_ends - at
    level = ca_level(left)
    ended = left.total_seconds() <= 0
    text = "expired" if ended else f"{span(left)} left"
    picture = None
    if one.ca_begins is not None and one.ca_ends > one.ca_begins:
        picture = drawing.bar(left / (one.ca_ends - one.ca_begins), level, f"{text} of the CA's life")
    return join(
        tag("span", text, class_=f"left {level}"),
        picture,
        tag(
            "small",
            f"until {one.ca_ends:%Y-%m-%d}, {one.ca_subject}"
            if one.ca_subject
            else f"until {one.ca_ends:%Y-%m-%d}",
        ),
        tag("small", "as last known") if one.ready is False else None,
    )


def _canary(one: Issuer, at: datetime) -> Html:
    if not one.canary:
        return tag("span", "none", class_="faint")
    last = one.canary[-1]
    how: Part = f"{last.seconds:.2f} s" if last.well else tag("b", f"broke at {last.stage}", class_="bad")
    strip, told = drawing.canary_strip(one.canary), tag("small", how, ", ", moment(last.at, at))
    return join(strip, told, None if last.well else _error(last.message))


def _error(message: str) -> Html:
    """Return a canary's error; a long one is shortened, and opens in full."""
    short = clip(message, _SHORT)
    if short == message:
        return tag("p", message)
    return tag("details", tag("summary", short), tag("p", message), class_="error")


# What ends --------------------------------------------------------------------


def expiring(found: Expiring | Uncounted, at: datetime) -> Html:
    """Return the section of certificates that end in the next days, as a picture and as a table."""
    title = tag("h2", "Certificates by when they end", id="expiring-title")
    if found == "unwatched":
        body = join(tag("p", "Certificates aren't watched by this process.", class_="nothing"))
    elif found == "counting":
        body = join(tag("p", COUNTING, class_="nothing"))
    elif not found.total:
        body = join(tag("p", "There is no Certificate of our issuers yet.", class_="nothing"))
    else:
        body = _ends(found, at)
    return tag("section", title, body, id="expiring", aria_labelledby="expiring-title")


def _ends(found: Expiring, at: datetime) -> Html:
    text = [counted(found.total, "certificate") + " in all"]
    if found.overdue:
        text.append(f"{found.overdue:,} overdue for renewal")
    if found.ended:
        text.append(f"{found.ended:,} expired")
    rows = [_end(one, at) for one in found.soonest]
    listed = table(
        "The next to expire", ("Certificate", "Issuer", "Expires", "Renewal"), rows, class_="soonest"
    )
    return join(
        tag("p", ", ".join(text), class_="told"),
        tag("div", drawing.timeline(found, at), drawing.days(found), class_="chart"),
        tag("details", tag("summary", f"The next {len(rows)} to end"), listed, id="soonest"),
    )


def _end(one: EndingCertificate, at: datetime) -> Html:
    renewal: Part = moment(one.renews, at) if one.renews is not None else "not planned"
    if one.late:
        renewal = join(_badge("warn", "overdue"), " since ", renewal)
    return row(
        one.name,
        ("Certificate", tag("b", one.name)),
        ("Issuer", one.issuer),
        ("Expires", moment(one.ends, at)),
        ("Renewal", renewal),
    )
