"""`vault-issuer pki unseal`: shares in, unsealed servers out."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.pki.options import FAILED, LEFT, reported
from issuer.cli.pki.typed import typed_secret

if TYPE_CHECKING:
    from issuer.pki.secret import SecretText
    from issuer.pki.unsealing import UnsealOutcome


def unseal(
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="A server; repeatable, for each node of a cluster. Default: VAULT_ADDR."
        ),
    ] = None,
    shares: Annotated[
        list[str] | None,
        typer.Option(
            "--shares",
            metavar="FILE",
            help="Shares, a line each, in a file of mode 0600; - for standard input. Repeatable. Default: "
            "asked.",
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget shares that a server was given before.")
    ] = False,
    join: Annotated[
        bool, typer.Option("--join", help="Have raft nodes that are not initialised join the cluster first.")
    ] = False,
) -> None:
    """Unseal the nodes of a Vault with key shares, by TLS that is verified.

    With --join a raft node that is not initialised joins the cluster of the first --address that is unsealed,
    and is then unsealed, too. Its storage must be empty.

    Shares come from a prompt, files or standard input, never from arguments. They are sent to the servers
    and kept nowhere.

    Exit codes: 0 all are unsealed, 1 one isn't and can't be by this, 3 more shares are needed.

    Examples:

      vault-issuer pki unseal

      vault-issuer pki unseal --address https://vault-0:8200 --address https://vault-1:8200 --shares mine.txt
    """
    from issuer.manifests.errors import BadInput
    from issuer.pki.unsealing import UnsealOutcome, shares_of
    from issuer.vault.environment import variable

    with reported():
        servers = address or [variable(os.environ, "ADDR")]
        if not all(servers):
            raise BadInput(
                "VAULT_ADDR is not set, and no --address is given: name each node, as by --address https://vault-0:8200"
            )
        given = shares_of(shares) if shares else _asked()
        outcomes = asyncio.run(_unseal(servers, given, reset, join))
    good = (UnsealOutcome.UNSEALED, UnsealOutcome.ALREADY)
    if all(one in good for one in outcomes):
        raise typer.Exit
    only_more = all(one in (*good, UnsealOutcome.MORE) for one in outcomes)
    raise typer.Exit(LEFT if only_more else FAILED)


async def _unseal(
    addresses: list[str], shares: list[SecretText], reset: bool, join: bool
) -> list[UnsealOutcome]:
    from issuer.manifests.text import shown
    from issuer.pki.unsealing import unseal_all

    outcomes = []
    async for result in unseal_all(addresses, shares, os.environ, reset=reset, join=join):
        outcomes.append(result.outcome)
        more = f": {result.message}" if result.message else ""
        typer.echo(f"{shown(result.address)} {result.outcome.value}{shown(more, 2000)}")
    return outcomes


def _asked() -> list[SecretText]:
    from issuer.manifests.errors import BadInput

    if not sys.stdin.isatty():
        raise BadInput(
            "No terminal to ask for shares on; give --shares FILE, or --shares - for standard input"
        )
    found: list[SecretText] = []
    while True:
        question = f"Share {len(found) + 1} (empty: no more)"
        share = typed_secret(question)
        if not share.reveal():
            return found
        found.append(share)
