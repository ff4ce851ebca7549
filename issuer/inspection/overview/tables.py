"""Tables of `status`, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from issuer.inspection.progress import RequestState
from issuer.manifests.text import shown
from issuer.terminal.console import Console, Text
from issuer.terminal.tables import Cell, bullets, marked, rows, section

Json = Mapping[str, Any]


def show_overview(found: Json, to: Console) -> None:
    """Print an overview; what needs attention comes last, where it is read first."""
    _controllers(found["controllers"], to)
    _issuers(found["issuers"], to)
    _policies(found["policies"], to)
    _requests(found["requests"], found["waiting"], to)
    attention = found["attention"]
    if attention:
        section(to, "Needs attention")
        bullets(to, attention, style="yellow")
    else:
        to.print()
        to.print(Text("All is well.", style="green"))


def _controllers(found: Sequence[Json] | None, to: Console) -> None:
    to.print(Text("Controllers", style="bold"))
    if not found:
        to.print("  not known" if found is None else "  none with a Lease")
        return
    rows(to, ("Lease", "Leader", "Since", "Shards", "Replicas"), map(_controller, found))


def _controller(one: Json) -> tuple[Cell, ...]:
    leader = Text(shown(one["leader"] or "nobody"), style="green" if one["leads"] else "red")
    shards = "" if one["shards"] is None else f"{one['shards']} ({one['shardsFree']} free)"
    replicas = ", ".join(f"{each['identity']}: {each['shards']}" for each in one["replicas"])
    return f"{one['namespace']}/{one['lease']}", leader, one["since"] or "", shards, replicas


def _issuers(found: Sequence[Json], to: Console) -> None:
    section(to, "Issuers")
    if not found:
        to.print("  none")
        return
    rows(to, ("Issuer", "Ready", "Reason", "Path", "CA ends"), map(_issuer, found))


def _issuer(one: Json) -> tuple[Cell, ...]:
    name = "/".join(filter(None, (one["kind"], one["namespace"], one["name"])))
    return name, marked(one["ready"]), one["reason"], one["path"], one["caNotAfter"]


def _policies(found: Sequence[Json], to: Console) -> None:
    section(to, "Policies")
    if not found:
        to.print("  none")
        return
    rows(
        to,
        ("Policy", "Ready", "Why"),
        ((one["name"], marked(one["ready"]), "" if one["ready"] else one["message"]) for one in found),
    )


def _requests(counts: Json, waiting: Sequence[Json], to: Console) -> None:
    section(to, "Requests")
    states = [state.value for state in RequestState]
    rows(
        to,
        ("Kind", *states),
        ((kind, *(str(found[state]) for state in states)) for kind, found in counts.items()),
    )
    if waiting:
        section(to, "Waiting longest")
        rows(to, ("Request", "Since", "Issuer", "Why"), map(_waiting, waiting))


def _waiting(one: Json) -> tuple[Cell, ...]:
    name = f"{one['namespace']}/{one['name']}" if one["namespace"] else f"csr/{one['name']}"
    return name, one["since"], one["issuer"], one["message"] or one["reason"] or "nothing is said yet"
