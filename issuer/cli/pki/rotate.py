"""`vault-issuer pki rotate`: a CA replaced by another in phases; options in, state and exit code out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from issuer.cli.help import Commands
from issuer.cli.options import Context, Format, OutputFormat, Yes
from issuer.cli.output import agreed, print_data, print_error, say_progress
from issuer.cli.pki.carrying import carry_out, end_with
from issuer.cli.pki.options import CHANGES, FAILED, LEFT, Files, PkiGroup, reported
from issuer.cli.signals import each_interrupt_cancels

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from issuer.pki.rotation.gathering import RotationWish
    from issuer.pki.rotation.seen import SeenCluster
    from issuer.pki.rotation.state import RotationState
    from issuer.pki.session import PkiSession

app = Commands(
    name="rotate",
    cls=PkiGroup,
    help="""Replace the CA that signs by a new one, in small phases that can be interrupted anywhere.

    The file asks for it: a new authority with `replaces: OLD`. Phases: prepare (the new CA is made), switch
    (it becomes the default issuer), observe and drain (waits until it is seen to sign, and until the old
    one's last certificate has ended), retire, delete. Where it stands is told from Vault and the file; there
    is no other state.

    Examples:
      vault-issuer pki rotate status -f pki.yaml
      vault-issuer pki rotate next -f pki.yaml
      vault-issuer pki rotate back -f pki.yaml
    """,
)


class AcceptedGate(StrEnum):
    """Gates that a person may accept where they can't be seen."""

    CHAIN = "chain"
    TRUST = "trust"
    SIGNS = "signs"
    ROLES = "roles"
    ISSUERS = "issuers"
    ENDED = "ended"
    FREE = "free"
    BUFFER = "buffer"


Ca = Annotated[
    str | None,
    typer.Option("--ca", metavar="NAME", help="The new CA, where the file asks for several rotations."),
]
Accept = Annotated[
    list[AcceptedGate] | None,
    typer.Option(
        "--accept",
        metavar="GATE",
        help="Go on although this gate can't be seen from here: chain, trust, signs, roles, issuers, ended, "
        "free or buffer. What is seen to be wrong still stops. Repeatable.",
    ),
]
LastSigned = Annotated[
    str | None,
    typer.Option(
        "--last-signed",
        metavar="TIME",
        help="When the old CA signed last, by Vault's audit log, or a time after the switch: for roles with "
        "no_store, which no list shows.",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="FILE",
        help="The root above both CAs, where the mount doesn't hold it, such as an offline one; PEM.",
    ),
]
OtherVault = Annotated[
    list[str] | None,
    typer.Option(
        "--other-vault",
        metavar="KIND/[NAMESPACE/]NAME",
        help="This issuer of the cluster signs by a path alike at another Vault than this. Repeatable.",
    ),
]
RotationKubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="Look at the issuers of this cluster. Without it or --context none is looked at.",
    ),
]
Rotated = TypeVar("Rotated")
_CLUSTER_RIGHTS: Final = "That takes list of the issuers' kinds"


@dataclass(frozen=True, slots=True)
class _Wish:
    """Options that all three commands share."""

    files: list[str]
    ca: str | None = None
    accepted: Sequence[AcceptedGate] = ()
    last_signed: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    elsewhere: Sequence[str] = ()
    root: Path | None = None


@app.command("status")
def status(
    file: Files,
    ca: Ca = None,
    accept: Accept = None,
    last_signed: LastSigned = None,
    root: Root = None,
    kubeconfig: RotationKubeconfig = None,
    context: Context = None,
    other_vault: OtherVault = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Show where each rotation stands, what is seen and what isn't, and what `next` would do.

    Reads Vault, and a cluster if one is named; writes nothing.

    Exit codes: 0 nothing is left to do, 1 it can't be told, 2 `next` has something to do, 3 it waits.

    Examples:

      vault-issuer pki rotate status -f pki.yaml

      vault-issuer pki rotate status -f pki.yaml --context prod -o json
    """
    wish = _Wish(file, ca, accept or (), last_signed, kubeconfig, context, other_vault or (), root)
    with reported():
        states = asyncio.run(_status(wish))
    if output is not OutputFormat.TABLE:
        print_data({"version": 1, "rotations": [one.to_json() for one in states]}, output)
    else:
        _show(states)
    for problem in (problem for one in states for problem in one.plan.problems):
        print_error(problem)
    raise typer.Exit(_code(states))


@app.command("next")
def go_on(
    file: Files,
    ca: Ca = None,
    accept: Accept = None,
    last_signed: LastSigned = None,
    root: Root = None,
    kubeconfig: RotationKubeconfig = None,
    context: Context = None,
    other_vault: OtherVault = None,
    yes: Yes = False,
) -> None:
    """Do the next step of a rotation: show it, ask, carry it out; or say what it waits for.

    One phase at a time. Can be interrupted anywhere and run again: no second CA or key is made.

    Exit codes: 0 done, 1 stopped or refused, 3 it waits, with the reason.

    Examples:

      vault-issuer pki rotate next -f pki.yaml

      vault-issuer pki rotate next -f pki.yaml --context prod --accept signs

      vault-issuer pki rotate next -f pki.yaml --ca lab-2 --yes
    """
    wish = _Wish(file, ca, accept or (), last_signed, kubeconfig, context, other_vault or (), root)
    _carried(wish, yes=yes, back=False)


@app.command("back")
def back(file: Files, ca: Ca = None, yes: Yes = False) -> None:
    """Let the old CA sign by default again, as long as it isn't retired. The new one stays.

    Exit codes: 0 done, or nothing to do, 1 stopped or refused.

    Examples:

      vault-issuer pki rotate back -f pki.yaml
    """
    _carried(_Wish(file, ca), yes=yes, back=True)


def _carried(wish: _Wish, *, yes: bool, back: bool) -> None:
    with reported():
        end_with(_back(wish, yes=yes) if back else _next(wish, yes=yes))


async def _status(wish: _Wish) -> list[RotationState]:
    from issuer.pki.session import opened

    seen = await _rotation_wish(wish)
    async with opened(wish.files, os.environ) as session:
        return await _states(session, wish, seen)


async def _next(wish: _Wish, *, yes: bool) -> int:
    from issuer.pki.session import opened

    seen = await _rotation_wish(wish)
    async with opened(wish.files, os.environ) as session:
        state = _only(await _states(session, wish, seen))
        _show([state])
        plan = state.plan
        if not plan.applied and not plan.problems:
            return LEFT if state.waits_for else 0
        if not yes and not plan.problems:
            if not agreed("Apply?"):
                return FAILED
            _unchanged(state, _only(await _states(session, wish, seen)))
        with each_interrupt_cancels():
            await carry_out(session, plan)
        _show(await _states(session, wish, await _rotation_wish(wish)))
    return 0


def _unchanged(shown: RotationState, now: RotationState) -> None:
    """Raise StalePlan if a rotation went on, or back, while a person was asked."""
    from issuer.pki.errors import StalePlan

    if shown.plan.to_json()["steps"] != now.plan.to_json()["steps"]:
        raise StalePlan(
            f"Nothing was written: since this was shown, the rotation has come to {now.phase.value}. Run the "
            "same again"
        )


async def _back(wish: _Wish, *, yes: bool) -> int:
    from issuer.pki.plan.planning import PkiPlan
    from issuer.pki.plan.show import show_plan
    from issuer.pki.rotation.steps import back_steps
    from issuer.pki.session import opened
    from issuer.terminal.console import console

    seen = await _rotation_wish(wish)
    async with opened(wish.files, os.environ) as session:
        facts = _only(await session.rotation_facts(seen, say_progress))
        steps = tuple(back_steps(facts, session.loaded.places))
        plan = PkiPlan(steps, facts.reading.sha256(), session.loaded.sha256)
        show_plan(plan, console())
        if not steps:
            typer.echo(f"{facts.rotation.old} signs by default; nothing to do")
            return 0
        if not yes and not agreed("Apply?"):
            return FAILED
        with each_interrupt_cancels():
            await carry_out(session, plan)
    return 0


async def _rotation_wish(wish: _Wish) -> RotationWish:
    """Look at the cluster if one is named, and return what a person says and it shows. Raises BadInput."""
    from issuer.manifests.errors import BadInput
    from issuer.pki.rotation.gathering import RotationWish

    last_signed = _time(wish.last_signed)
    looks = wish.kubeconfig is not None or wish.context is not None
    cluster = await _cluster(wish) if looks else None
    known = {one.name for one in cluster.issuers} if cluster is not None else set()
    if unknown := [one for one in wish.elsewhere if one not in known]:
        there = "is not in the cluster" if looks else "is for a cluster: give --kubeconfig or --context"
        raise BadInput(f"--other-vault {unknown[0]} {there}")
    return RotationWish(wish.ca, cluster, last_signed, _roots(wish.root))


def _roots(path: Path | None) -> tuple[x509.Certificate, ...]:
    from issuer.manifests.errors import BadInput
    from issuer.pki.authorities.bundles import BadBundle, roots_in

    try:
        return () if path is None else tuple(roots_in(path.read_bytes()))
    except OSError as error:
        raise BadInput(f"--root: {path} can't be read: {error.strerror}") from error
    except BadBundle as error:
        raise BadInput(f"--root: {error.at(path)}") from error


async def _cluster(wish: _Wish) -> SeenCluster:
    from issuer.inspection.by_mount import seen_issuers
    from issuer.inspection.opening import reading
    from issuer.manifests.cluster import asking_cluster

    async with reading(wish.kubeconfig, wish.context) as reader:
        with asking_cluster(_CLUSTER_RIGHTS):
            return replace(await seen_issuers(reader), elsewhere=frozenset(wish.elsewhere))


async def _states(session: PkiSession, wish: _Wish, seen: RotationWish) -> list[RotationState]:
    from issuer.pki.rotation.gates import GateName

    accepted = [GateName(one.value) for one in wish.accepted]
    return await session.rotations(seen, accepted, say_progress)


def _only(found: Sequence[Rotated]) -> Rotated:
    """Return the only rotation. Raises BadInput if there is none, or more than one."""
    from issuer.manifests.errors import BadInput

    if not found:
        raise BadInput(
            "the file asks for no rotation: add the new CA to authorities, with replaces: and the old one's "
            "name"
        )
    if len(found) > 1:
        raise BadInput("the file asks for several rotations; name the new CA with --ca")
    return found[0]


def _time(text: str | None) -> datetime | None:
    from issuer.manifests.errors import BadInput
    from issuer.text import parse_rfc3339

    if text is None:
        return None
    try:
        found = parse_rfc3339(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadInput(f"--last-signed: {text!r} is no time with a zone, such as 2026-11-28T02:00:00Z")
    return found


def _show(states: Sequence[RotationState]) -> None:
    from issuer.pki.rotation.show import show_rotation
    from issuer.terminal.console import console

    for state in states:
        show_rotation(state, console())
    if not states:
        typer.echo("The file asks for no rotation: no authority has replaces.")


def _code(states: Sequence[RotationState]) -> int:
    if any(one.plan.problems for one in states):
        return FAILED
    if any(one.plan.applied and not one.awaits for one in states):
        return CHANGES
    return LEFT if any(one.waits_for or one.awaits for one in states) else 0
