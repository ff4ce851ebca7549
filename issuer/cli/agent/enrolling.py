"""Carries out `vault-issuer enroll`: plan, question and result of each act on a machine."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import typer

from issuer.cli.options import OutputFormat
from issuer.cli.output import agreed, print_data, print_warning
from issuer.cli.pki.options import CHANGES, FAILED
from issuer.cli.streams import finished_without_output
from issuer.enrolment.giving import GivenWish, destroy_secret_ids, give_ticket
from issuer.enrolment.host import HostBounds, HostRecord, HostWish, check_names, wanted_objects
from issuer.enrolment.listing import enrolled_hosts
from issuer.enrolment.planning import HostAction, plan_host, wished_bounds, wished_record
from issuer.enrolment.removing import lock, plan_removal, record_of, remove
from issuer.enrolment.session import EnrolmentSession, opened_session
from issuer.pki.errors import PkiError
from issuer.terminal.console import console
from issuer.terminal.tables import rows


class EnrolmentAct(StrEnum):
    """Acts on a machine."""

    ENROLL = "enroll"
    RENEW = "renew"
    LOCK = "lock"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class HostOptions:
    """A machine as the options describe it; what is None was not given."""

    mount: str | None
    approle: str | None
    cert: str | None
    dns_names: Sequence[str] | None
    ip_addresses: Sequence[str] | None
    cidrs: Sequence[str] | None
    ttl: timedelta | None

    def wish(self, host: str) -> HostWish:
        """Return what is wanted of a machine. Raises PkiError."""
        if re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", host) is None:
            raise PkiError(f'"{host}" can\'t name a machine: use small letters, digits, dots and hyphens')
        mount, approle, cert = (
            None if one is None else one.strip("/") for one in (self.mount, self.approle, self.cert)
        )
        wish = HostWish(
            host,
            mount,
            approle,
            None,
            tuple(self.dns_names or ()),
            tuple(self.ip_addresses or ()),
            None if self.cidrs is None else tuple(one for one in self.cidrs if one),
            self.ttl,
        )
        check_names(wish.record())  # --cert may go by a name that is in Vault
        return replace(wish, cert_mount=cert)


@dataclass(frozen=True, slots=True)
class EnrolmentWays:
    """Ways of going about an act."""

    ticket_life: timedelta
    output: OutputFormat
    dry_run: bool
    yes: bool

    @property
    def shows(self) -> bool:
        """True if people are told, not a program."""
        return self.output is OutputFormat.TABLE

    def told(self, text: str) -> None:
        """Print a line for people."""
        if self.shows:
            typer.echo(text)


async def carry_out(act: EnrolmentAct, wish: HostWish, ways: EnrolmentWays) -> int:
    """Carry out an act, and return the exit code. Raises PkiError."""
    async with opened_session(os.environ) as session:
        machine = _Machine(session, wish, ways)
        if act is EnrolmentAct.ENROLL:
            return await machine.enroll()
        if act is EnrolmentAct.RENEW:
            return await machine.renew()
        return await machine.take_away(removes=act is EnrolmentAct.REMOVE)


async def list_hosts(output: OutputFormat) -> int:
    """Print the machines that are enrolled, and return the exit code. Raises PkiError."""
    async with opened_session(os.environ) as session:
        hosts = await enrolled_hosts(session.calls)
    if output is not OutputFormat.TABLE:
        print_data([one.to_json() for one in hosts], output)
        return 0
    lines = [
        (
            one.record.host,
            one.state,
            "?" if one.secret_ids is None else str(one.secret_ids),
            one.record.mount,
            ", ".join((*one.record.dns_names, *one.record.ip_addresses)),
        )
        for one in hosts
    ]
    rows(console(), ("HOST", "STATE", "SECRET IDS", "MOUNT", "NAMES"), lines, most=None)
    return 0


@dataclass(frozen=True, slots=True)
class _Machine:
    """One machine, and how a command goes about it. Each act returns the exit code, and raises PkiError."""

    session: EnrolmentSession
    wish: HostWish
    ways: EnrolmentWays

    async def enroll(self) -> int:
        """Write what differs, and give a ticket."""
        session, ways = self.session, self.ways
        record = await wished_record(session.calls, self.wish)
        bounds = await wished_bounds(session.calls, self.wish, record)
        given = await self._given(record, bounds)  # before anything is written: without it is no ticket
        ca_pem = await session.signing_ca_pem(record.mount)
        steps = await plan_host(session.calls, wanted_objects(record, bounds, ca_pem), record)
        plan = [step.to_json() for step in steps]
        changes = [step for step in steps if step.action is not HostAction.NOTHING]
        for step in steps:
            for line in step.lines():
                ways.told(line)
        if record.ip_addresses:
            print_warning("a role can't limit IP addresses: this one may be given any")
        if ways.dry_run:
            if not ways.shows:
                print_data({"host": record.host, "plan": plan}, ways.output)
            return CHANGES if changes else 0
        if changes and not ways.yes and not agreed("Write this, and give a ticket?"):
            return FAILED
        for step in changes:
            await session.calls.write(step.wanted.path, step.wanted.fields)
        return await self._give(record, given, plan)

    async def renew(self) -> int:
        """Give a new ticket to a machine that is enrolled."""
        record = await record_of(self.session.calls, self.wish.record())
        if record.locked:
            raise PkiError(f'"{record.host}" is locked; enrol it anew: vault-issuer enroll {record.host}')
        if self.ways.dry_run:
            typer.echo("A new ticket would be given, and every secret ID before it destroyed.")
            return CHANGES
        bounds = await wished_bounds(self.session.calls, self.wish, record)
        return await self._give(record, await self._given(record, bounds), [])

    async def take_away(self, *, removes: bool) -> int:
        """Lock the machine out, and remove what it has if `removes`."""
        session, ways = self.session, self.ways
        record = await record_of(session.calls, self.wish.record())
        plan = await plan_removal(session.calls, record, certificates=removes)
        if not ways.shows:
            print_data(plan.to_json(), ways.output)
        for line in plan.lines():
            ways.told(line)
        if ways.dry_run:
            return CHANGES
        if not ways.yes and not agreed(f"{'Remove' if removes else 'Lock out'} {record.host}?"):
            return FAILED
        with finished_without_output():
            unread = await (remove(session.calls, plan, ways.told) if removes else lock(session.calls, plan))
        if removes:
            seen = (
                "of what was read back nothing" if unread else "read back, no role, secret ID or token of it"
            )
            ways.told(f"{record.host} is removed: {seen} is left.")
        else:
            ways.told(f"{record.host} is locked out. Its certificates stay good; --remove revokes them.")
        for one in unread:
            print_warning(f"could not be read back: {one}")
        return 0

    async def _given(self, record: HostRecord, bounds: HostBounds) -> GivenWish:
        return GivenWish(await self.session.server(record.mount), bounds.ttl, self.ways.ticket_life)

    async def _give(self, record: HostRecord, wish: GivenWish, plan: Sequence[dict[str, Any]]) -> int:
        session = self.session
        await destroy_secret_ids(session.calls, record)  # the machine has lost them, or never had them
        given = await give_ticket(session.client, session.calls, session.token, record, wish)
        ticket = given.ticket
        if not self.ways.shows:
            data = {
                "host": record.host,
                "plan": list(plan),
                "command": given.command,
                "deadline": ticket.deadline,
                "secretIdAccessor": given.accessor,
                "rootFingerprint": ticket.root_fingerprint,
            }
            print_data(data, self.ways.output)
            return 0
        typer.echo(f"\nType this on {record.host} before {ticket.deadline}; it works once:\n")
        typer.echo(given.command)
        typer.echo(f"\nRoot of {record.mount}: SHA-256 {ticket.root_fingerprint}")
        return 0
