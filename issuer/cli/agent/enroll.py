"""`vault-issuer enroll`: machines in Vault, for the agent on them; options in, plan and exit code out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Final

import typer

from issuer.cli.options import Format, OutputFormat, Yes
from issuer.cli.pki.options import reported

LIST: Final = "list"


def _duration(text: str) -> timedelta:
    from issuer.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


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
    from issuer.cli.agent.enrolling import EnrolmentAct, EnrolmentWays, HostOptions, carry_out, list_hosts

    asked = ((EnrolmentAct.RENEW, renew), (EnrolmentAct.LOCK, lock), (EnrolmentAct.REMOVE, remove))
    acts = [act for act, is_asked in asked if is_asked] or [EnrolmentAct.ENROLL]
    if len(acts) > 1:
        raise typer.BadParameter("give one of --renew, --lock and --remove")
    life = None if ttl is None else _duration(ttl)
    options = HostOptions(mount, approle, cert, dns_name, ip_address, cidr, life)
    ways = EnrolmentWays(_duration(ticket_ttl), output, dry_run, yes)
    with reported():
        if host == LIST:
            code = asyncio.run(list_hosts(output))
        else:
            code = asyncio.run(carry_out(acts[0], options.wish(host), ways))
    raise typer.Exit(code)
