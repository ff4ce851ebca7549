"""`vault-issuer revocation`: options in, text and exit code out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.help import Commands
from issuer.cli.options import Context, Format, Kubeconfig, OutputFormat
from issuer.cli.output import print_data, report_bad_input

if TYPE_CHECKING:
    from issuer.controller.revocation.release import FinalizedRequest

NOT_ALL = 1
BAD_INPUT = 2

app = Commands(
    name="revocation",
    help="""Remove the finalizers of issuers that revoke (spec.revocation).

    Example:
      vault-issuer revocation release
    """,
)


@app.command("release")
def release_requests(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it. Without this the plan is shown and nothing changes.")
    ] = False,
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

    Exit codes: 0 done, or the plan was shown; 1 some are still marked; 2 bad input, or no cluster.

    Examples:

      vault-issuer revocation release

      vault-issuer revocation release --yes

      vault-issuer revocation release --namespace team-a --yes -o json
    """
    with report_bad_input(BAD_INPUT):
        found, failed = asyncio.run(_run(yes, namespace, kubeconfig, context))
    _show(found, failed, done=yes, output=output)
    raise typer.Exit(NOT_ALL if failed else 0)


async def _run(
    yes: bool, namespace: str | None, kubeconfig: str | None, context: str | None
) -> tuple[list[FinalizedRequest], dict[FinalizedRequest, str]]:
    # Imported here so that --help and completion stay quick.
    from issuer.controller.revocation.release import RIGHTS, find, release
    from issuer.manifests.cluster import asking_cluster, check_namespace, open_client

    async with open_client(kubeconfig, context) as client:
        with asking_cluster(RIGHTS):
            await check_namespace(client, namespace)
            found = await find(client, namespace)
        failed: dict[FinalizedRequest, str] = {}
        for one in found if yes else ():
            why = await release(client, one)
            if why is not None:
                failed[one] = why
        return found, failed


def _show(
    found: list[FinalizedRequest], failed: dict[FinalizedRequest, str], *, done: bool, output: OutputFormat
) -> None:
    if output is not OutputFormat.TABLE:
        requests: list[dict[str, Any]] = []
        for one in found:
            error = {"error": failed[one]} if one in failed else {}
            requests.append({**one.to_json(), "released": done and one not in failed, **error})
        print_data({"done": done, "requests": requests}, output)
        return
    for one in found:
        notes = [
            *(["being deleted"] if one.deleting else []),
            *([] if one.has_certificate else ["no certificate"]),
            *([f"NOT RELEASED: {failed[one]}"] if one in failed else []),
        ]
        detail = f" ({', '.join(notes)})" if notes else ""
        typer.echo(f"{one.namespace}/{one.name}  {one.issuer}{detail}")
    count = len(found) - len(failed)
    if done:
        typer.echo(f"{count} released" + (f", {len(failed)} not" if failed else ""))
    elif found:
        typer.echo(f"{count} would be released; nothing was changed. Do it with --yes.")
    else:
        typer.echo("No CertificateRequest carries the finalizer vault-issuer.io/revocation.")
