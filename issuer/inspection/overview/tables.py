"""Tables of `status`, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from issuer.inspection.overview.requests import SHOWN
from issuer.inspection.progress import RequestState, has_more_to_say, request_name, time_of
from issuer.manifests.text import shown
from issuer.terminal.ages import age, until
from issuer.terminal.console import Console, Text
from issuer.terminal.tables import Cell, heading, indented, marked, paragraph, rows, section, unwrapped
from issuer.text import counted

Json = Mapping[str, Any]

_NOT_KNOWN: Final = Text("not known", style="yellow")


def show_overview(found: Json, to: Console, now: datetime) -> None:
    """Print an overview at a moment; what needs attention comes last, where it is read first."""
    heading(to, "Controllers")
    _controllers(found["controllers"], to, now)
    _issuers(found, to, now)
    _policies(found["policies"], to)
    _certificates(found["certificates"], to, now)
    _requests(found["requests"], to)
    _waiting(found["waitingByReason"], to, now)
    _ended([*found["lastDenied"], *found["lastFailed"]], to, now)
    _canaries(found["canaries"], to, now)
    attention = found["attention"]
    if attention:
        section(to, "Needs attention")
        for line in attention:
            unwrapped(to, f"- {line}", style="yellow")
    else:
        to.print()
        to.print(Text(_all_well(found), style="green"))


def _all_well(found: Json) -> str:
    """Return the last line where nothing needs attention: a denial may be as it should be, or not."""
    if found["lastDenied"] or found["lastFailed"]:
        return "All is well, unless what is above should not have been denied, or failed."
    return "All is well."


def _nothing(found: Sequence[Json] | None, to: Console, nothing: str) -> bool:
    """Print that there is nothing to list, or that it is not known, and return True if that is so."""
    if found:
        return False
    indented(to, _NOT_KNOWN if found is None else nothing)
    return True


def _controllers(found: Sequence[Json] | None, to: Console, now: datetime) -> None:
    if not _nothing(found, to, "none with a Lease"):
        lines = [_controller(one, now) for one in found or ()]
        rows(to, ("Lease", "Leader", "For", "Shards", "Replicas"), lines)


def _controller(one: Json, now: datetime) -> tuple[Cell, ...]:
    leader = Text(shown(one["leader"] or "nobody"), style="green" if one["leads"] else "red")
    shards = "" if one["shards"] is None else f"{one['shards']} ({one['shardsFree']} free)"
    replicas = ", ".join(f"{each['identity']}: {each['shards']}" for each in one["replicas"])
    since = age(time_of(one["since"]), now)
    return f"{one['namespace']}/{one['lease']}", leader, since, shards, replicas


def _issuers(found: Json, to: Console, now: datetime) -> None:
    section(to, "Issuers")
    if not _nothing(found["issuers"], to, "none"):
        lines = [_issuer(one, now) for one in found["issuers"]]
        rows(to, ("Issuer", "Ready", "Reason", "Path", "CA expires"), lines)
    if found["issuers"] is not None:
        for kind in found["issuersNotKnown"]:
            indented(to, Text(f"{kind}: not known", style="yellow"))


def _issuer(one: Json, now: datetime) -> tuple[Cell, ...]:
    name = "/".join(filter(None, (one["kind"], one["namespace"], one["name"])))
    end = time_of(one["caNotAfter"])
    ends: Cell = "" if end is None else Text(until(end, now), style="" if end > now else "red")
    return name, marked(one["ready"]), one["reason"], one["path"], ends


def _policies(found: Sequence[Json] | None, to: Console) -> None:
    section(to, "Policies")
    if not _nothing(found, to, "none"):
        lines = [(one["name"], marked(one["ready"]), _why(one)) for one in found or ()]
        rows(to, ("Policy", "Ready", "Why"), lines)


def _why(one: Json) -> str:
    return "" if one["ready"] and not has_more_to_say(one) else str(one["message"])


def _certificates(found: Json | None, to: Console, now: datetime) -> None:
    """Print how many Certificates there are, and those past their renewal, with what cert-manager says."""
    section(to, "Certificates")
    if found is None:
        indented(to, _NOT_KNOWN)
        return
    fields = ("total", "ready", "pastRenewal", "expired")
    rows(to, ("All", "Ready", "Past renewal", "Expired"), [[str(found[field]) for field in fields]])
    if found["overdue"]:
        section(to, "Not renewed in time, by their end")
    for one in found["overdue"]:
        end, renewal = time_of(one["notAfter"]), time_of(one["renewalTime"])
        ends = "" if end is None else f" {'expires ' if end > now else ''}{until(end, now)},"
        due = "" if renewal is None else f" renewal was due {age(renewal, now)} ago,"
        paragraph(to, f"{request_name(one)}:{ends}{due} for {one['issuer']}", style="red")
        indented(to, one["message"] or "cert-manager says nothing of a renewal")


def _requests(counts: Json, to: Console) -> None:
    section(to, "Requests")
    states = [state.value for state in RequestState]
    rows(to, ("Kind", *states), ((kind, *_counts(found, states)) for kind, found in counts.items()))


def _counts(found: Json | None, states: Sequence[str]) -> Sequence[Cell]:
    if found is None:
        return [_NOT_KNOWN, *[""] * (len(states) - 1)]
    return [str(found[state]) for state in states]


def _waiting(groups: Sequence[Json], to: Console, now: datetime) -> None:
    """Print for each reason how many wait and who has waited longest, with what that one says."""
    if not groups:
        return
    section(to, "Waiting, by reason")
    for group in groups[:SHOWN]:
        oldest, count = group["oldest"], group["count"]
        since = age(time_of(oldest["since"]), now)
        which = f"{'the oldest, ' if count > 1 else ''}{request_name(oldest)}, for {since}"
        paragraph(
            to,
            f"{group['reason']}: {counted(count, 'request')} for {group['issuer']}: {which}",
            style="yellow",
        )
        indented(to, oldest["message"] or "nothing is said yet")
    if len(groups) > SHOWN:
        paragraph(to, f"and {len(groups) - SHOWN} more reasons (-o json has all)", style="dim")


def _ended(found: Sequence[Json], to: Console, now: datetime) -> None:
    if not found:
        return
    section(to, "Last denied and failed")
    for one in found:
        since = age(time_of(one["since"]), now)
        paragraph(
            to, f"{request_name(one)}: {one['state'].lower()} {since} ago, for {one['issuer']}", style="red"
        )
        indented(to, one["message"] or "nothing is said")


def _canaries(found: Sequence[Json] | None, to: Console, now: datetime) -> None:
    if not found:
        return
    section(to, "Canaries that failed in the last hour")
    for one in found:
        name = "/".join(filter(None, (one["kind"], one["namespace"], one["name"])))
        paragraph(
            to,
            Text(shown(f"{name}: "))
            + marked(one["ok"], "passes again", "fails")
            + Text(f", {age(time_of(one['time']), now)} ago"),
        )
        indented(to, one["message"])
