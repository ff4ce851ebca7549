"""`vault-issuer crl`: CRLs looked at and verified, in a mount, behind a URL or in a file."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli.help import Commands
from issuer.cli.options import Format, OutputFormat
from issuer.cli.output import print_data
from issuer.cli.vault import BAD_INPUT, Mounts, reported

if TYPE_CHECKING:
    from collections.abc import Callable

    from issuer.pki.lists.described import DescribedList, NamedAuthority
    from issuer.pki.lists.sources import FoundList

WRONG: Final = 1

app = Commands(
    name="crl",
    help="""Look at revocation lists (CRLs), in Vault, behind a URL or in a file.

    Examples:
      vault-issuer crl show --mount pki_int
      vault-issuer crl verify http://pki.example.com/int.crl --ca int.pem
    """,
)

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="URL|FILE...", help="CRLs in PEM or DER."),
]
Serials = Annotated[
    list[str] | None,
    typer.Option("--serial", metavar="HEX", help="Say whether this certificate is on it. Repeatable."),
]
CAs = Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="CAs of which one must have signed.")]


@app.command("show")
def show(
    sources: Sources = None,
    mount: Mounts = None,
    serial: Serials = None,
    ca: CAs = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Show CRLs: issuer, signer, number, dates, entries, size, and whether a certificate is on them.

    With --mount those of the CAs of that mount, whole and delta; Vault's address and token come from
    VAULT_ADDR and VAULT_TOKEN, as for pki. A URL is fetched for at most 10 seconds and 16 MiB, by
    https from servers that the system's CAs or VAULT_CACERT vouch for.

    Exit codes: 0 shown; 2 bad input, or a CRL that can't be read.

    Examples:

      vault-issuer crl show --mount pki_int --serial 2c:1f:0a:3b

      vault-issuer crl show http://pki.example.com/int.crl
    """
    found, notes = _described(sources, mount, serial, ca)
    _print(found, notes, output)


@app.command("verify")
def verify(
    sources: Sources = None,
    mount: Mounts = None,
    serial: Serials = None,
    ca: CAs = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Check CRLs: signed by a known CA, not ended, not too large; and that a certificate is not on them.

    The CAs are those of --ca, and with --mount those of the mount.

    Exit codes: 0 they are good; 1 one isn't, or has a --serial on it; 2 bad input, or a CRL that can't be
    read.

    Examples:

      vault-issuer crl verify http://pki.example.com/int.crl --ca int.pem

      vault-issuer crl verify --mount pki_int --serial 2c:1f:0a:3b
    """
    from issuer.pki.lists.described import revoked_ones

    with reported(BAD_INPUT):
        from issuer.manifests.errors import BadInput

        if ca is None and not mount:
            raise BadInput("a CRL is verified against CAs: give them by --ca, or a mount by --mount")
    found, notes = _described(sources, mount, serial, ca)
    _print(found, notes, output)
    wrong = any(list(one.problems()) for one in found)
    good = BAD_INPUT if notes else 0
    raise typer.Exit(WRONG if wrong or revoked_ones(found) else good)


def _described(
    sources: list[str] | None, mounts: list[str] | None, serials: list[str] | None, ca: Path | None
) -> tuple[list[DescribedList], list[str]]:
    """Return the lists that are named, and sentences on those that can't be had; ends the command on bad
    input."""
    with reported(BAD_INPUT):
        from issuer.inventory.certificate import parse_serial
        from issuer.manifests.errors import BadInput
        from issuer.pki.lists.described import DescribedList
        from issuer.pki.lists.sources import authorities_in

        if not sources and not mounts:
            raise BadInput("name a CRL: a URL, a file, or a mount by --mount")
        try:
            asked = tuple(int(parse_serial(one).replace(":", ""), 16) for one in serials or ())
        except ValueError as error:
            raise BadInput(f"--serial: {error}") from error
        known = () if ca is None else authorities_in(ca)
        notes: list[str] = []
        lists, more = asyncio.run(_read(sources or [], mounts or [], notes.append))
        now = datetime.now(UTC)
        cas = (*known, *more)
        described = (
            DescribedList(one.source, one.crl, one.size, cas, now, asked, one.disabled) for one in lists
        )
        return list(described), notes


async def _read(
    sources: list[str], mounts: list[str], told: Callable[[str], None]
) -> tuple[list[FoundList], list[NamedAuthority]]:
    from issuer.pki.lists.sources import mount_lists, named_lists
    from issuer.pki.session import reached

    lists: list[FoundList] = []
    authorities: list[NamedAuthority] = []
    if mounts:
        async with reached([], os.environ) as session:
            for mount in mounts:
                async for authority, found in mount_lists(session.calls, mount.strip("/"), told):
                    authorities.append(authority)
                    lists += found
    if sources:
        tls = any(one.startswith("https://") for one in sources)
        lists += await named_lists(sources, _trusted() if tls else None)
    return lists, authorities


def _trusted() -> bytes | None:
    """Return the CAs beside the system's, by VAULT_CACERT and its like. Raises BadInput."""
    from issuer.manifests.errors import BadInput
    from issuer.vault.environment import BadVariable, trusted_from

    try:
        return trusted_from(os.environ)
    except BadVariable as error:
        raise BadInput(str(error)) from error


def _print(found: list[DescribedList], notes: list[str], output: OutputFormat) -> None:
    from issuer.manifests.text import shown

    for note in notes:
        typer.echo(f"Note: {shown(note, 1000)}", err=True)
    if output is not OutputFormat.TABLE:
        print_data({"lists": [one.to_json() for one in found]}, output)
        return
    from issuer.pki.lists.show import show_list
    from issuer.terminal.console import console

    to = console()
    for one in found:
        show_list(one, to)
