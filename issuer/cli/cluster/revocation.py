"""`vault-issuer revocation`: options in, text and exit code out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.help import Commands
from issuer.cli.options import Context, DryRun, Format, Kubeconfig, OutputFormat, Yes
from issuer.cli.output import agreed_to_plan, print_data, report_bad_input

if TYPE_CHECKING:
    from issuer.controller.revocation.release import FinalizedRequest

NOT_ALL = 1
BAD_INPUT = 2

app = Commands(
    name="revocation",
    help="""Remove the finalizers of issuers that revoke (spec.revocation).

    Example:
      vault-issuer revocation release --dry-run
    """,
)


@app.command("release")
def release_requests(
    yes: Yes = False,
    dry_run: DryRun = False,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Only this namespace. Default: all."),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Take vault-issuer's finalizer off all CertificateRequests, so that none waits for a controller.

    For an uninstall, or when the controller is gone for good and namespaces hang. Nothing is revoked: what
    would have been has to be revoked by hand. Stop the controller first; it marks new requests.

    Asks before it changes any; without a terminal, and with -o, --yes is the answer.

    Exit codes: 0 done, or with --dry-run the plan was shown; 1 some are still marked; 2 bad input, or no
    cluster.

    Examples:

      vault-issuer revocation release --dry-run

      vault-issuer revocation release

      vault-issuer revocation release --namespace team-a --yes -o json
    """
    with report_bad_input(BAD_INPUT):
        done = asyncio.run(_run(namespace, kubeconfig, context, output, yes=yes, dry_run=dry_run))
    raise typer.Exit(0 if done else NOT_ALL)


async def _run(
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    output: OutputFormat,
    *,
    yes: bool,
    dry_run: bool,
) -> bool:
    """Show what is marked, and release it if that is agreed to; return True if all is as it was asked."""
    # Imported here so that --help and completion stay quick.
    from issuer.controller.revocation.release import RIGHTS, find, release
    from issuer.manifests.cluster import asking_cluster, check_namespace, open_client

    shows = output is OutputFormat.TABLE
    async with open_client(kubeconfig, context) as client:
        with asking_cluster(RIGHTS):
            await check_namespace(client, namespace)
            found = await find(client, namespace)
        if shows:
            _show_plan(found, dry_run=dry_run)
        question = f"Take it off {len(found)}? Their certificates aren't revoked."
        done = not dry_run and (not found or agreed_to_plan(question, yes=yes, asks=shows))
        failed: dict[FinalizedRequest, str] = {}
        for one in found if done else ():
            why = await release(client, one)
            if why is not None:
                failed[one] = why
                typer.echo(f"{one.namespace}/{one.name}: NOT RELEASED: {why}", err=True)
    if not shows:
        print_data(_data(found, failed, done=done), output)
    elif done and found:
        typer.echo(f"{len(found) - len(failed)} released" + (f", {len(failed)} not" if failed else ""))
    return (done or dry_run) and not failed


def _show_plan(found: list[FinalizedRequest], *, dry_run: bool) -> None:
    for one in found:
        notes = [
            *(["being deleted"] if one.deleting else []),
            *([] if one.has_certificate else ["no certificate"]),
        ]
        detail = f" ({', '.join(notes)})" if notes else ""
        typer.echo(f"{one.namespace}/{one.name}  {one.issuer}{detail}")
    if not found:
        typer.echo("No CertificateRequest carries the finalizer vault-issuer.io/revocation.")
    elif dry_run:
        typer.echo(f"{len(found)} would be released. Nothing was changed.")


def _data(
    found: list[FinalizedRequest], failed: dict[FinalizedRequest, str], *, done: bool
) -> dict[str, Any]:
    requests: list[dict[str, Any]] = []
    for one in found:
        error = {"error": failed[one]} if one in failed else {}
        requests.append({**one.to_json(), "released": done and one not in failed, **error})
    return {"done": done, "requests": requests}
