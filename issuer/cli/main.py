"""Entry point of the `vault-issuer` command."""

from __future__ import annotations

import atexit
import gc
from typing import Annotated, Final

import typer

from issuer import __version__
from issuer.cli.agent import commands as agent
from issuer.cli.agent import enroll
from issuer.cli.certificates import crl, inventory, revoke, verify
from issuer.cli.cluster import canary, crds, inspect, migrate, policy, ready, renew, revocation, status
from issuer.cli.controller import command as controller
from issuer.cli.help import Commands
from issuer.cli.pki import commands as pki
from issuer.cli.pki.options import FAILED
from issuer.cli.root import commands as root
from issuer.cli.streams import output_errors_told
from issuer.cli.trust import commands as trust

HELP: Final = """cert-manager external issuer for HashiCorp Vault and OpenBao PKI, and for step-ca.

Set up the CA in Vault by `pki`, keep an offline root by `root`, renew certificates on machines without
Kubernetes by `agent`.
`vault-issuer COMMAND -h` has a command's options, examples and exit codes.

Examples:
  vault-issuer status
  vault-issuer explain certificate/web -n team-a
  vault-issuer policy explain -f certificate.yaml --cluster
  vault-issuer pki plan -f pki.yaml
"""

app = Commands(name="vault-issuer", help=HELP)
app.command("canary")(canary.canary)
app.command("controller")(controller.controller)
app.command("crds")(crds.crds)
app.command("enroll", usage_exit_code=FAILED)(enroll.enroll)
app.command("explain")(inspect.explain)
app.command("inspect")(inspect.inspect)
app.command("inventory")(inventory.inventory)
app.command("migrate")(migrate.migrate)
app.command("ready")(ready.ready)
app.command("renew")(renew.renew)
app.command("revoke")(revoke.revoke)
app.command("status")(status.status)
app.add_typer(agent.app)
app.add_typer(crl.app)
app.add_typer(pki.app)
app.add_typer(policy.app)
app.add_typer(revocation.app)
app.add_typer(root.app)
app.add_typer(trust.app)
app.add_typer(verify.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vault-issuer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """cert-manager external issuer for HashiCorp Vault and OpenBao PKI."""


def spare_garbage_collections() -> None:
    """Look for garbage less often, and not at the end: a command imports much and keeps it.

    A tenth of its start was this, and a sixth of its time what Python looks through before it ends.
    """
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)


def main() -> None:
    """Run the command line."""
    spare_garbage_collections()
    with output_errors_told():
        app()
