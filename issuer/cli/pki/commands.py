"""`vault-issuer pki`: a private CA from one file; options in, plan and exit code out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.help import Commands
from issuer.cli.options import Format, OutputFormat, Yes
from issuer.cli.output import agreed, print_data, print_error
from issuer.cli.pki import checks, export, init, rotate, unseal
from issuer.cli.pki.carrying import carry_out, end_with
from issuer.cli.pki.options import (
    CHANGES,
    FAILED,
    LEFT,
    Files,
    PartChoice,
    PartOption,
    PkiGroup,
    nothing_named,
    parts_of,
    reported,
)
from issuer.cli.signals import each_interrupt_cancels

if TYPE_CHECKING:
    from issuer.pki.file.model import Part
    from issuer.pki.plan.planning import PkiPlan
    from issuer.pki.session import JobWish

app = Commands(
    name="pki",
    cls=PkiGroup,
    help="""A private CA in Vault or OpenBao from one reviewed file: plan it, apply it, verify it, export it.

    Vault is named by VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE and VAULT_TOKEN (or BAO_...). Begin with the
    file: `export` writes it of what Vault holds.

    Examples:
      vault-issuer pki export -o pki.yaml
      vault-issuer pki plan -f pki.yaml
      vault-issuer pki apply -f pki.yaml
      vault-issuer pki health
    """,
)
app.command("verify")(checks.verify)
app.command("init")(init.init)
app.command("unseal")(unseal.unseal)
app.command("rights")(checks.rights)
app.command("export")(export.export)
app.command("health")(checks.health)
app.add_typer(rotate.app)


Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="Remove roles of mounts that are exclusive, and policies and auth roles with the file's prefix, "
        "if they are not in the file.",
    ),
]

Resend = Annotated[
    bool,
    typer.Option(
        "--resend",
        help="Send again what Vault never gives back, such as token_reviewer_jwt: for a value that is new.",
    ),
]


@app.command("plan")
def plan(
    file: Files,
    part: PartOption = PartChoice.ALL,
    prune: Prune = False,
    resend: Resend = False,
    output: Format = OutputFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also save the plan there, for pki apply --plan."),
    ] = None,
) -> None:
    """Show what apply would change. Reads Vault, writes nothing there, and keeps no state.

    Vault is named by VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE and VAULT_TOKEN (or BAO_...).

    Exit codes: 0 nothing to do, 1 it can't be planned, 2 changes, 3 nothing but what is left to a person.

    Examples:

      vault-issuer pki plan -f pki.yaml

      vault-issuer pki plan -f pki.yaml -f prod.yaml --out plan.json
    """
    from issuer.pki.plan.saved import save
    from issuer.pki.plan.show import show_plan

    with reported():
        found = asyncio.run(_plan(file, parts_of(part), prune=prune, resend=resend))
        if out is not None:
            save(found, out)
    if output is not OutputFormat.TABLE:
        print_data(found.to_json(), output)
    else:
        from issuer.terminal.console import console

        show_plan(found, console())
    for problem in found.problems:
        print_error(problem)
    raise typer.Exit(_code(found))


@app.command("apply")
def apply(
    file: Files,
    part: PartOption = PartChoice.ALL,
    prune: Prune = False,
    resend: Resend = False,
    saved: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Apply this saved plan, or nothing if it is stale."),
    ] = None,
    yes: Yes = False,
    kubernetes_role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Log in by Kubernetes auth with this role, as a Job does. Takes --part automation, and no "
            "login that may write policies; its token is revoked in the end.",
        ),
    ] = None,
    kubernetes_mount: Annotated[
        str, typer.Option(metavar="PATH", help="Mount of Kubernetes auth.")
    ] = "kubernetes",
    token_file: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The ServiceAccount's token for --kubernetes-role."),
    ] = Path("/var/run/secrets/vault-issuer/token"),
    wrapped_token: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Instead: a wrapped token, which is unwrapped once; likewise otherwise."
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="With either: wait so long until Vault is unsealed and knows the role.",
        ),
    ] = 0.0,
) -> None:
    """Make Vault what the file says: plan, ask, and carry the plan out in order.

    Can be interrupted anywhere and run again: the step under way is finished, however many signals come, and
    what is left is listed. A CA that exists is never recreated.

    Exit codes: 0 done, 1 stopped or refused, 3 done but for what is left to a person.

    Examples:

      vault-issuer pki apply -f pki.yaml

      vault-issuer pki apply -f pki.yaml --plan plan.json
    """
    with reported():
        job = _job(kubernetes_role, kubernetes_mount, token_file, wrapped_token, wait)
        wish = _Wish(parts_of(part), prune, resend, saved, yes, job)
        end_with(_apply(file, wish))


@app.command("schema")
def schema(
    overlay: Annotated[
        bool,
        typer.Option("--overlay", help="For a file that lies over another: nothing is required there."),
    ] = False,
) -> None:
    """Print the JSON schema of pki.yaml, for editors.

    An editor with yaml-language-server reads it from the line below at the head of a file.

    Examples:

      vault-issuer pki schema > pki.schema.json

      # yaml-language-server: $schema=pki.schema.json
    """
    from issuer.pki.plan.editors import editor_schema

    print_data(editor_schema(overlay=overlay), OutputFormat.JSON)


async def _plan(files: list[str], parts: Collection[Part], *, prune: bool, resend: bool) -> PkiPlan:
    from issuer.pki.session import opened

    async with opened(files, os.environ, parts) as session:
        found = await session.plan(prune=prune, resend=resend)
    if found.is_empty and not prune:
        raise nothing_named(files, parts, "plan")
    return found


@dataclass(frozen=True, slots=True)
class _Wish:
    """Options of an apply."""

    parts: Collection[Part]
    prune: bool
    resend: bool
    saved: Path | None
    yes: bool
    job: JobWish | None

    @property
    def asks(self) -> bool:
        """True if a person is asked before anything is written."""
        return self.saved is None and not self.yes


def _job(role: str | None, mount: str, token: Path, wrapped: Path | None, wait: float) -> JobWish | None:
    """Return the login that the options name, if any. Raises BadInput."""
    from issuer.manifests.errors import BadInput
    from issuer.pki.server.logins import KubernetesJobLogin, WrappedJobLogin
    from issuer.pki.session import JobWish

    if role is not None and wrapped is not None:
        raise BadInput("--kubernetes-role and --wrapped-token are two logins; leave one")
    if role is not None:
        return JobWish(KubernetesJobLogin(role, mount, token), wait, typer.echo)
    if wrapped is not None:
        return JobWish(WrappedJobLogin(wrapped), wait, typer.echo)
    return None


async def _apply(files: list[str], wish: _Wish) -> int:
    from issuer.pki.plan.saved import check_saved, read_saved
    from issuer.pki.plan.show import show_plan
    from issuer.pki.session import opened
    from issuer.terminal.console import console

    # Before Vault is asked for anything.
    saved = None if wish.saved is None else read_saved(wish.saved)
    # Not while a person is asked: a prompt would not end by Ctrl-C.
    with nullcontext() if wish.asks else each_interrupt_cancels():
        async with opened(files, os.environ, wish.parts, wish.job) as session:
            found = await session.plan(prune=wish.prune, resend=wish.resend)
            if found.is_empty and not wish.prune:
                raise nothing_named(files, wish.parts, "apply")
            if saved is not None:
                check_saved(saved, found)
            show_plan(found, console())
            asks = wish.asks and found.applied and not found.problems
            if asks and not agreed("Apply?", "--yes or a saved plan"):
                return FAILED
            with each_interrupt_cancels() if wish.asks else nullcontext():
                await carry_out(session, found)
    return LEFT if found.left else 0


def _code(plan: PkiPlan) -> int:
    if plan.problems:
        return FAILED
    if plan.applied:
        return CHANGES
    return LEFT if plan.left else 0
