"""`vault-issuer enroll`: machines in Vault, for the agent on them; options in, plan and exit code out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from issuer.cli.options import Format, OutputFormat, Yes
from issuer.cli.output import agreed, print_data
from issuer.cli.pki.options import CHANGES, FAILED, reported
from issuer.cli.streams import finished_without_output

if TYPE_CHECKING:
    from issuer.enrolment.giving import GivenWish
    from issuer.enrolment.host import HostBounds, HostRecord, HostWish
    from issuer.enrolment.session import EnrolmentSession

LIST: Final = "list"


def _duration(text: str) -> timedelta:
    from issuer.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Acts:
    """Acts on a machine; without any it is enrolled."""

    renew: bool
    lock: bool
    remove: bool


@dataclass(frozen=True, slots=True)
class _Ways:
    """Ways of going about an act."""

    dry_run: bool
    yes: bool
    output: OutputFormat


def enroll(
    host: Annotated[str, typer.Argument(metavar="HOST", help="The machine's name, or the word list.")],
    renew: Annotated[bool, typer.Option("--renew", help="Give an enrolled machine a new ticket.")] = False,
    lock: Annotated[bool, typer.Option("--lock", help="Lock a machine out; keep its roles.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Lock it out, revoke its certificates, remove its objects.")
    ] = False,
    mount: Annotated[
        str | None, typer.Option(metavar="MOUNT", help="PKI mount that signs; by default pki_int.")
    ] = None,
    dns_name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="DNS name; repeatable; by default HOST.")
    ] = None,
    ip_address: Annotated[
        list[str] | None,
        typer.Option(metavar="IP", help="IP address; repeatable. A role can't limit which."),
    ] = None,
    cidr: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network it may log in from; repeatable. '' is any."),
    ] = None,
    ttl: Annotated[
        str | None, typer.Option(metavar="LIFE", help="Life of its certificates; by default 72h.")
    ] = None,
    ticket_ttl: Annotated[str, typer.Option(metavar="LIFE", help="Life of the ticket.")] = "15m",
    approle: Annotated[
        str | None, typer.Option(metavar="MOUNT", help="Auth method of AppRoles; by default approle.")
    ] = None,
    cert: Annotated[
        str | None,
        typer.Option(metavar="MOUNT", help="Auth method of certificates, for its way back by its own one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan alone.")] = False,
    yes: Yes = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Enrol a machine: a role with its exact names, a policy, an AppRole, and a ticket that works once.

    The ticket is a line to type on the machine. Of a machine that is enrolled, what is not given stays as it
    is. The server and an administrator's token are named by
    VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE and VAULT_TOKEN (or BAO_...).

    Exit codes: 0 done, 1 refused, failed or bad input, 2 with --dry-run: there is something to do.

    Examples:

      vault-issuer enroll nas.example.com

      vault-issuer enroll list

      vault-issuer enroll --remove nas.example.com
    """
    acts, ways = _Acts(renew, lock, remove), _Ways(dry_run, yes, output)
    if sum((renew, lock, remove)) > 1:
        raise typer.BadParameter("give one of --renew, --lock and --remove")
    life, ticket_life = None if ttl is None else _duration(ttl), _duration(ticket_ttl)
    with reported():
        if host == LIST:
            code = asyncio.run(_list(output))
        else:
            wish = _wish(host, (mount, approle, cert), (dns_name, ip_address, cidr), life)
            code = asyncio.run(_enroll(wish, acts, ways, ticket_life))
    raise typer.Exit(code)


def _wish(
    host: str,
    mounts: tuple[str | None, str | None, str | None],
    names: tuple[list[str] | None, list[str] | None, list[str] | None],
    life: timedelta | None,
) -> HostWish:
    import re

    from issuer.enrolment.host import HostWish, check_names
    from issuer.pki.errors import PkiError

    if re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", host) is None:
        raise PkiError(f'"{host}" can\'t name a machine: use small letters, digits, dots and hyphens')
    mount, approle, cert = (None if one is None else one.strip("/") for one in mounts)
    dns, addresses = (tuple(one or ()) for one in names[:2])
    cidrs = None if names[2] is None else tuple(one for one in names[2] if one)
    wish = HostWish(host, mount, approle, None, dns, addresses, cidrs, life)
    check_names(wish.record())  # --cert may go by a name that is in Vault
    return replace(wish, cert_mount=cert)


async def _enroll(wish: HostWish, acts: _Acts, ways: _Ways, ticket_life: timedelta) -> int:
    from issuer.enrolment.giving import GivenWish
    from issuer.enrolment.planning import wished_bounds, wished_record
    from issuer.enrolment.removing import record_of
    from issuer.enrolment.session import opened_session

    async with opened_session(os.environ) as session:
        if acts.lock or acts.remove:
            return await _take_away(session, await record_of(session.calls, wish.record()), acts, ways)
        if acts.renew:
            record = await record_of(session.calls, wish.record())
            if record.locked:
                from issuer.pki.errors import PkiError

                raise PkiError(f'"{record.host}" is locked; enrol it anew: vault-issuer enroll {record.host}')
            if ways.dry_run:
                typer.echo("A new ticket would be given, and every secret ID before it destroyed.")
                return CHANGES
            bounds = await wished_bounds(session.calls, wish, record)
            given = GivenWish(await session.server(record.mount), bounds.ttl, ticket_life)
            return await _give(session, record, ways, given, [])
        record = await wished_record(session.calls, wish)
        bounds = await wished_bounds(session.calls, wish, record)
        # Before anything is written: without it there is no ticket.
        given = GivenWish(await session.server(record.mount), bounds.ttl, ticket_life)
        return await _plan_and_give(session, record, ways, bounds, given)


async def _plan_and_give(
    session: EnrolmentSession,
    record: HostRecord,
    ways: _Ways,
    bounds: HostBounds,
    given: GivenWish,
) -> int:
    from issuer.enrolment.host import wanted_objects
    from issuer.enrolment.planning import HostAction, plan_host

    ca_pem = await session.signing_ca_pem(record.mount)
    wanted = wanted_objects(record, bounds, ca_pem)
    steps = await plan_host(session.calls, wanted, record)
    plan = [step.to_json() for step in steps]
    changes = [step for step in steps if step.action is not HostAction.NOTHING]
    if ways.output is OutputFormat.TABLE:
        for step in steps:
            for line in step.lines():
                typer.echo(line)
    if record.ip_addresses:
        typer.echo("Warning: a role can't limit IP addresses: this one may be given any", err=True)
    if ways.dry_run:
        if ways.output is not OutputFormat.TABLE:
            print_data({"host": record.host, "plan": plan}, ways.output)
        return CHANGES if changes else 0
    if changes and not ways.yes and not agreed("Write this, and give a ticket?"):
        return FAILED
    for step in changes:
        await session.calls.write(step.wanted.path, step.wanted.fields)
    return await _give(session, record, ways, given, plan)


async def _give(
    session: EnrolmentSession,
    record: HostRecord,
    ways: _Ways,
    wish: GivenWish,
    plan: Sequence[dict[str, Any]],
) -> int:
    from issuer.enrolment.giving import destroy_secret_ids, give_ticket

    await destroy_secret_ids(session.calls, record)  # the machine has lost them, or never had them
    given = await give_ticket(session.client, session.calls, session.token, record, wish)
    ticket = given.ticket
    if ways.output is not OutputFormat.TABLE:
        data = {
            "host": record.host,
            "plan": list(plan),
            "command": given.command,
            "deadline": ticket.deadline,
            "secretIdAccessor": given.accessor,
            "rootFingerprint": ticket.root_fingerprint,
        }
        print_data(data, ways.output)
        return 0
    typer.echo(f"\nType this on {record.host} before {ticket.deadline}; it works once:\n")
    typer.echo(given.command)
    typer.echo(f"\nRoot of {record.mount}: SHA-256 {ticket.root_fingerprint}")
    return 0


async def _take_away(session: EnrolmentSession, record: HostRecord, acts: _Acts, ways: _Ways) -> int:
    from issuer.enrolment.removing import lock, plan_removal, remove

    plan = await plan_removal(session.calls, record, certificates=acts.remove)
    if ways.output is not OutputFormat.TABLE:
        print_data(plan.to_json(), ways.output)
    else:
        for line in plan.lines():
            typer.echo(line)
    if ways.dry_run:
        return CHANGES
    if not ways.yes and not agreed(f"{'Remove' if acts.remove else 'Lock out'} {record.host}?"):
        return FAILED
    told: Callable[[str], None] = typer.echo if ways.output is OutputFormat.TABLE else lambda _: None
    with finished_without_output():
        unread = await (remove(session.calls, plan, told) if acts.remove else lock(session.calls, plan))
    if acts.remove:
        seen = "of what was read back nothing" if unread else "read back, no role, secret ID or token of it"
        told(f"{record.host} is removed: {seen} is left.")
    else:
        told(f"{record.host} is locked out. Its certificates stay good; --remove revokes them.")
    for one in unread:
        typer.echo(f"Warning: could not be read back: {one}", err=True)
    return 0


async def _list(output: OutputFormat) -> int:
    from issuer.enrolment.listing import enrolled_hosts
    from issuer.enrolment.session import opened_session

    async with opened_session(os.environ) as session:
        hosts = await enrolled_hosts(session.calls)
    if output is not OutputFormat.TABLE:
        print_data([one.to_json() for one in hosts], output)
        return 0
    typer.echo(f"{'HOST':<32} {'STATE':<10} {'SECRET IDS':<10} {'MOUNT':<16} NAMES")
    for one in hosts:
        count = "?" if one.secret_ids is None else str(one.secret_ids)
        names = ", ".join((*one.record.dns_names, *one.record.ip_addresses))
        typer.echo(f"{one.record.host:<32} {one.state:<10} {count:<10} {one.record.mount:<16} {names}")
    return 0
