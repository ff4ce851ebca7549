"""`vault-issuer inventory`: which certificates a Vault issued, until when, and what uses them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli.certificates.spans import expiring_within
from issuer.cli.options import Context, Kubeconfig, OutputFormat
from issuer.cli.output import print_data
from issuer.cli.vault import BAD_INPUT, Mounts, reported

if TYPE_CHECKING:
    from issuer.inventory.selection import InventoryChoice
    from issuer.inventory.taking import CertificateInventory, InventoryWish

ENDS_SOON: Final = 1
_PROGRESS_SECONDS: Final = 0.2
_WIDE_COLUMNS: Final = 500
"""Columns of the wide table on any terminal: one line for each certificate, as kubectl does it."""


class InventoryFormat(StrEnum):
    """Form of the inventory on standard output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    NAME = "name"


def inventory(
    mount: Mounts = None,
    expiring: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Those that end within this time, such as 30d or 12h."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB", help="Those with a name like this, such as '*.example.com'. Repeatable."
        ),
    ] = None,
    serial: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Those whose serial number begins so; the colons may be left out."),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Those of this CA: its name, or MOUNT/NAME; both may be globs."),
    ] = None,
    revoked: Annotated[
        bool | None, typer.Option("--revoked/--not-revoked", help="Those that are revoked, or aren't.")
    ] = None,
    used: Annotated[
        bool | None,
        typer.Option(
            "--used/--unused",
            help="Those that something found uses now; or good ones that nothing found uses.",
        ),
    ] = None,
    stored: Annotated[
        bool | None,
        typer.Option("--stored/--not-stored", help="Those that Vault stores; or that are in use without."),
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster/--no-cluster", help="Ask the kubeconfig's cluster what is in use.")
    ] = True,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Also read the cluster's TLS Secrets, which hold private keys.")
    ] = False,
    reports: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of what machines print by agent report, as MACHINE.json."),
    ] = None,
    fail_expiring: Annotated[
        bool,
        typer.Option("--fail-expiring", help="Exit with 1 if one of them, in use, ends soon or has ended."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Print so many, those that end first. A table has 200."),
    ] = None,
    output: Annotated[
        InventoryFormat,
        typer.Option("--output", "-o", help="table; wide has whole serial numbers; json; yaml; csv; name."),
    ] = InventoryFormat.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show the certificates that Vault or OpenBao issued, by their end, with what uses each.

    Reads all PKI mounts that the token may read, the requests and Certificates of the cluster, and what
    machines reported. It ends with what it can't know: roles that store nothing, certificates that tidying
    removed, what may not be read, other clusters. Changes nothing. Vault's address and token come from
    VAULT_ADDR and VAULT_TOKEN, as for pki.

    Without --expiring those are expiring that end within 30 days, in the last third of their life.

    Exit codes: 0 shown; 1 with --fail-expiring: one ends soon; 2 bad input, or Vault can't be read, with
    --fail-expiring a mount of it.

    Examples:

      vault-issuer inventory

      vault-issuer inventory --expiring 14d --used --fail-expiring

      vault-issuer inventory --name '*.example.com' --unused --secrets

      vault-issuer inventory --mount pki_int --no-cluster -o csv
    """
    with reported(BAD_INPUT):
        from issuer.inventory.taking import AskedCluster, InventoryWish

        asked = AskedCluster(kubeconfig, context, secrets) if cluster else None
        if asked is None and (kubeconfig or context or secrets):
            raise typer.BadParameter("--kubeconfig, --context and --secrets are for a cluster")
        choice = _choice(expiring, name, serial, issuer, revoked=revoked, used=used, stored=stored)
        found = asyncio.run(_take(InventoryWish(tuple(mount or ()), asked, reports, choice)))
    _print(found, output, limit)
    if fail_expiring:
        raise typer.Exit(_verdict(found))


def _verdict(found: CertificateInventory) -> int:
    """Return the exit code of --fail-expiring: what may not be read isn't taken for good."""
    if found.ends_soon:
        return ENDS_SOON
    if not found.is_whole:
        typer.echo("Error: none ends soon of what may be read, and a mount may not be read whole", err=True)
        return BAD_INPUT
    return 0


def _choice(
    expiring: str | None,
    name: list[str] | None,
    serial: str | None,
    issuer: str | None,
    *,
    revoked: bool | None,
    used: bool | None,
    stored: bool | None,
) -> InventoryChoice:
    """Return what the options ask for. Raises BadInput."""
    from issuer.inventory.selection import InventoryChoice, serial_beginning
    from issuer.manifests.errors import BadInput

    within = expiring_within(expiring, "30d or 12h")
    try:
        beginning = "" if serial is None else serial_beginning(serial)
    except ValueError as error:
        raise BadInput(f"--serial: {error}") from error
    return InventoryChoice(within, tuple(name or ()), beginning, issuer or "", revoked, used, stored)


async def _take(wish: InventoryWish) -> CertificateInventory:
    from issuer.inventory.taking import take_inventory
    from issuer.pki.session import reached

    async with reached([], os.environ) as session:
        line = ProgressLine()
        try:
            return await take_inventory(session.calls, wish, datetime.now(UTC), line.show)
        finally:
            line.clear()


class ProgressLine:
    """One line on a terminal's standard error that is written over; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._shown_at = 0.0
        self._width = 0

    def show(self, text: str) -> None:
        """Show what is done, at most five times a second."""
        from issuer.manifests.text import shown

        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._shown_at < _PROGRESS_SECONDS:
            return
        self._shown_at = now
        line = shown(f"... {text}", 78)
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()


def _print(found: CertificateInventory, output: InventoryFormat, limit: int | None) -> None:
    from issuer.inventory.show import names, show_table, write_csv, write_json
    from issuer.terminal.console import console

    if output is InventoryFormat.JSON:
        write_json(found, sys.stdout, limit)
        return
    if output is InventoryFormat.YAML:
        text = io.StringIO()
        write_json(found, text, limit)
        print_data(json.loads(text.getvalue()), OutputFormat.YAML)
        return
    if output in (InventoryFormat.TABLE, InventoryFormat.WIDE):
        wide = output is InventoryFormat.WIDE
        show_table(found, console(width=_WIDE_COLUMNS if wide else None), wide=wide, limit=limit)
        return
    if output is InventoryFormat.CSV:
        write_csv(found, sys.stdout, limit)
    else:
        for line in names(found, limit):
            typer.echo(line)
    for gap in found.gaps:
        typer.echo(f"Note: {gap.where + ': ' if gap.where else ''}{gap.text}", err=True)
