"""`vault-issuer pki init`: options in; a Vault with its foundation, one admin login and no root token out."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli.options import Yes
from issuer.cli.output import agreed
from issuer.cli.pki.options import FAILED, LEFT, Files, reported
from issuer.cli.pki.typed import typed_secret
from issuer.cli.signals import cancelled_by_signals, each_interrupt_cancels
from issuer.cli.streams import finished_without_output

if TYPE_CHECKING:
    from issuer.pki.file.reading import LoadedFile
    from issuer.pki.initialising.first_start import FirstStart, StartReport
    from issuer.pki.initialising.sealing import ShareWish
    from issuer.pki.initialising.targets import ReservedFile
    from issuer.pki.secret import SecretText
    from issuer.vault.transport import VaultClient

_AGAIN: Final = (
    "Nothing in the server is in use: stop it, empty its storage, start it, and run the same with another "
    "folder for the shares. Or make a root token from the shares (bao operator generate-root, which OpenBao "
    "takes with disable_unauthed_generate_root_endpoints = false in its listener alone), and run it with "
    "--continue in place of the options for shares."
)


def init(
    file: Files,
    admin_to: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="New file, of mode 0600, for the admin login; never in a git work tree."
        ),
    ],
    shares_to: Annotated[
        Path | None,
        typer.Option(
            "--shares-to-files",
            metavar="DIR",
            help="Folder, of mode 0700, for a file for each share; never in a git work tree.",
        ),
    ] = None,
    pgp_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A holder's PGP public key, to which Vault encrypts a share; repeatable, one for each.",
        ),
    ] = None,
    shares: Annotated[
        int | None, typer.Option(metavar="N", help="Shares. Default: one for each --pgp-key, or 5.")
    ] = None,
    threshold: Annotated[
        int | None, typer.Option(metavar="N", help="Shares that unseal. Default: more than half.")
    ] = None,
    one_share: Annotated[
        bool, typer.Option("--one-share", help="Agree to one share, with which one person unseals.")
    ] = False,
    admin_pgp_key: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Encrypt the admin login to this PGP public key, by gpg."),
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option(
            "--continue",
            help="The server is initialised and unsealed: do the rest, with a root token that is asked for, "
            "or read from standard input. bao operator generate-root makes one from shares.",
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Initialise a new Vault, apply the file's foundation, leave one admin login, and revoke the root token.

    The root token is in this process' memory alone. The shares go to files before anything else is done:
    encrypted to --pgp-key, or as they are. With --pgp-key the command waits until the holders have unsealed.

    If no admin login can be proven, the root token is not revoked: it is written to FILE.root-token, beside
    the FILE of --admin-to, and --continue goes on with it.

    The admin login is an orphan token for 24 hours. The policy that it has, vault-issuer-admin, may write
    policies, so whoever has the login may do everything.

    Exit codes: 0 done, 1 stopped or refused, 3 done but for what is left to a person.

    Examples:

      vault-issuer pki init -f pki.yaml --pgp-key ann.asc --pgp-key bob.asc --pgp-key cy.asc
      --shares-to-files /media/stick/shares --admin-to ~/admin-token

      vault-issuer pki init -f pki.yaml --shares-to-files ~/shares --admin-to ~/admin-token

      vault-issuer pki init -f pki.yaml --continue --admin-to ~/admin-token
    """
    options = _Options(shares_to, pgp_key or [], shares, threshold, one_share, go_on, admin_to, admin_pgp_key)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the root token
    with reported():
        code = asyncio.run(cancelled_by_signals(_run(file, options, yes=yes)))
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Options:
    """Options for the shares and for the admin login, as they were given."""

    folder: Path | None
    keys: list[str]
    shares: int | None
    threshold: int | None
    one_share: bool
    go_on: bool
    admin: Path
    admin_key: str | None

    def wish(self) -> ShareWish | None:
        """Return what is wanted, or None for --continue. Raises BadInput."""
        from issuer.manifests.errors import BadInput
        from issuer.pki.initialising.pgp import read_keys
        from issuer.pki.initialising.sealing import ShareWish

        if self.go_on:
            if self.folder or self.keys or self.shares or self.threshold:
                raise BadInput("--continue makes no shares; leave the options for shares out")
            return None
        if self.folder is None:
            raise BadInput(
                "--shares-to-files is missing: the only copies of the shares would go nowhere. With "
                "--pgp-key the files are encrypted"
            )
        keys = read_keys(self.keys)
        shares = self.shares or len(keys) or 5
        found = ShareWish(shares, self.threshold or shares // 2 + 1, keys)
        found.check(one_share=self.one_share)
        return found


async def _run(files: list[str], options: _Options, *, yes: bool) -> int:
    from issuer.manifests.errors import BadInput
    from issuer.pki.authorities.files import AuthorityFiles, check_bundles
    from issuer.pki.file.reading import load
    from issuer.pki.initialising.sealing import INIT_SECONDS, seal_status
    from issuer.pki.initialising.targets import check_targets
    from issuer.pki.server.connecting import connected, connection_from
    from issuer.pki.server.state import check_state

    wish = options.wish()
    loaded = load(files, os.environ)
    check_bundles(loaded.file, loaded.places, AuthorityFiles(loaded.folder))
    connection = replace(connection_from(os.environ), timeout=INIT_SECONDS)
    if not connection.server.startswith("https://"):
        raise BadInput(f"{connection.server} is no https:// address, and shares go by TLS alone")
    if connection.namespace is not None:
        raise BadInput("VAULT_NAMESPACE is set, and a server is initialised as a whole; unset it")
    check_targets(options.folder, options.admin)
    async with connected(connection) as client:
        if wish is None:
            await check_state(client)
        elif (await seal_status(client, written=False))["initialized"]:
            raise BadInput(
                "Vault is initialised already; nothing was changed. If a run was interrupted, empty the "
                "server's storage and begin again, or see --continue"
            )
        if not yes and not _agreed(wish, options, connection.server):
            return FAILED
        with finished_without_output():
            return await _reserved(client, loaded, options, wish)


async def _reserved(
    client: VaultClient, loaded: LoadedFile, options: _Options, wish: ShareWish | None
) -> int:
    from issuer.pki.initialising.first_start import FirstStart, ReservedTokenFile, StartStage
    from issuer.pki.initialising.pgp import encrypted, read_keys
    from issuer.pki.initialising.targets import ReservedFile, share_files
    from issuer.pki.secret import SecretText

    path, key = options.admin, read_keys([options.admin_key])[0] if options.admin_key else None
    if key is not None:
        encrypted(SecretText("a trial"), key)
    with ExitStack() as kept:

        def reserved(name: Path) -> ReservedFile:
            made = ReservedFile.make(name)
            kept.callback(made.discard)
            return made

        login = ReservedTokenFile(reserved(path), key)
        root_file, shares = None, []
        if wish is not None and options.folder is not None:
            root_file = ReservedTokenFile(reserved(path.with_name(f"{path.name}.root-token")), key)
            shares = share_files(options.folder, wish.names)
        for one in shares:
            kept.callback(one.discard)
        root = _root_token() if wish is None else SecretText("")
        start = FirstStart(client, loaded, login, root_file, typer.echo)
        try:
            with each_interrupt_cancels():
                return await _started(start, wish, shares, root)
        finally:
            if start.stage is StartStage.SENT:  # nobody knows what became of init
                kept.pop_all()


async def _started(
    start: FirstStart, wish: ShareWish | None, shares: list[ReservedFile], root: SecretText
) -> int:
    from issuer.pki.errors import PkiError
    from issuer.pki.initialising.first_start import StartStage
    from issuer.vault.errors import VaultBadRequest

    try:
        report = await (start.finish(root) if wish is None else start.run(wish, shares))
    except asyncio.CancelledError:
        typer.echo(f"Interrupted. {_advice(start, wish)}", err=True)
        return FAILED
    except (PkiError, VaultBadRequest, OSError) as error:
        if start.stage is StartStage.NOTHING and isinstance(error, PkiError):
            raise  # it says what was done
        raise PkiError(f"{error}\n{_advice(start, wish)}") from error
    return _told(report, start)


def _advice(start: FirstStart, wish: ShareWish | None) -> str:
    from issuer.pki.initialising.first_start import StartStage

    said: str = start.stage.value
    if start.root_stays:
        return f"{said}\n{_root_lives(start)}"
    if start.stage in (StartStage.ADMIN, StartStage.DONE):
        return said
    if wish is None:
        return "The root token still works; correct that, and run the same again."
    if start.stage in (StartStage.KEPT, StartStage.ACTIVE):
        return f"{said} {_root_advice(start)}"
    return said


def _root_advice(start: FirstStart) -> str:
    from issuer.pki.initialising.first_start import StartStage

    if start.root_in is None:
        return f"The root token is revoked. {_AGAIN}"
    unseal = "unseal the server if it is sealed, " if start.stage is StartStage.KEPT else ""
    return (
        f"The root token still works, and is in {start.root_in}, encrypted if --admin-pgp-key was given. "
        f"Correct that, {unseal}and run the same with --continue in place of the options for shares, and the "
        "token on standard input. It is revoked then; remove the file."
    )


def _root_lives(start: FirstStart) -> str:
    from issuer.pki.initialising.first_start import StartStage

    said = f"The root token still lives: it could not be revoked ({start.root_stays})."
    if not start.root_accessor:
        return said
    whose = "the admin login" if start.stage is StartStage.ADMIN else "another root token, made from shares"
    return f"{said} Revoke it with {whose}: bao token revoke -accessor {start.root_accessor}"


def _told(report: StartReport, start: FirstStart) -> int:
    """Print what is left to do, and return the exit code."""
    if report.problem:
        typer.echo(f"Error: The foundation was not applied as a whole. {report.problem}", err=True)
    if report.waits:
        typer.echo(f"Waiting: {report.waits}", err=True)
    if start.root_stays:
        typer.echo(f"Error: {_root_lives(start)}", err=True)
    if report.unlisted:
        typer.echo(
            f"Other root tokens, if any live, could not be listed ({report.unlisted}). With the admin login "
            "look for the policy root among: bao list auth/token/accessors",
            err=True,
        )
    for accessor in report.other_roots:
        typer.echo(
            "Another root token lives, maybe of a run that was interrupted. Unless somebody keeps it: "
            f"bao token revoke -accessor {accessor}",
            err=True,
        )
    typer.echo(
        f"Within a day, with VAULT_TOKEN from {start.login_file}: run pki apply for the rest of the file, "
        "and give yourself a login that stays. Then: bao token revoke -self"
    )
    if report.problem or start.root_stays:
        return FAILED
    return LEFT if report.left or report.other_roots or report.unlisted else 0


def _root_token() -> SecretText:
    """Return the root token from a prompt, or the one line of standard input. Raises BadInput."""
    from issuer.pki.server.connecting import token_from

    text = typed_secret("Root token").reveal() if sys.stdin.isatty() else sys.stdin.readline(4096)
    return token_from({"VAULT_TOKEN": text})


def _agreed(wish: ShareWish | None, options: _Options, server: str) -> bool:
    if wish is None:
        return agreed(f"Finish the first start of {server}, and revoke the root token?")
    how = "encrypted" if wish.keys else "not encrypted"
    return agreed(
        f"Initialise {server}: {wish.shares} shares, {wish.threshold} needed, {how}, in {options.folder}?"
    )
