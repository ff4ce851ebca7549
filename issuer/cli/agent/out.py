"""`vault-issuer agent once --out DIR`: one set without a configuration; options in, a checked file out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.vault import note_unheeded

if TYPE_CHECKING:
    from issuer.agent.config.given import GivenSet
    from issuer.agent.config.model import AgentFile

Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Keep one set there, without a configuration; server by VAULT_ADDR."),
]
PkiPath = Annotated[str, typer.Option("--path", metavar="PATH", help="With --out: <mount>/sign/<role>.")]
DnsNames = Annotated[
    list[str] | None, typer.Option("--dns-name", metavar="NAME", help="With --path; repeatable.")
]
Ttl = Annotated[str, typer.Option("--ttl", metavar="LIFE", help="With --path: the certificate's life.")]
TokenPath = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="With --path: Vault's token.")
]
Mount = Annotated[str, typer.Option("--mount", metavar="MOUNT", help="With --out: CAs alone, of this mount.")]
RootFingerprint = Annotated[
    str,
    typer.Option(
        metavar="SHA256",
        help="With --mount: the root. Without VAULT_CACERT the first contact is trusted by it.",
    ),
]


async def given_file(given: GivenSet) -> AgentFile:
    """Return the configuration of one set; the server's CA is fetched if only a fingerprint is known.

    Raises BadInput and AgentError.
    """
    from issuer.agent.config.given import UNHEEDED_FOR_ONE_SET, address
    from issuer.agent.files.writing import write_file
    from issuer.agent.login.contact import pinned_root
    from issuer.vault.connection import Connection
    from issuer.vault.environment import variable

    note_unheeded(UNHEEDED_FOR_ONE_SET)
    named = variable(os.environ, "CACERT")
    ca_file = Path(os.path.abspath(named)) if named else None  # noqa: PTH100, ASYNC240  # asks no file system
    checked = given.agent_file(os.environ, ca_file)  # before anybody is asked
    if ca_file is None and given.mount and given.root_fingerprint:
        server = Connection(
            address(os.environ),
            server_name=variable(os.environ, "TLS_SERVER_NAME") or None,
            namespace=variable(os.environ, "NAMESPACE") or None,
        )
        root = await pinned_root(server, given.mount, given.root_fingerprint)
        ca_file = given.folder / "first-contact.pem"
        write_file(ca_file, root, 0o644)
        return given.agent_file(os.environ, ca_file)
    return checked
