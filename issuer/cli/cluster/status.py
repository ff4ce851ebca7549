"""`vault-issuer status`: options in, text and exit code out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.options import Backends, ClusterChoice, Context, Format, Kubeconfig, OutputFormat
from issuer.cli.output import print_data, report_bad_input

if TYPE_CHECKING:
    from issuer.inspection.reading import Reader

ATTENTION = 1
BAD_INPUT = 2


def status(
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Only this namespace's issuers and requests. Default: all namespaces.",
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="All namespaces, which is the default.")
    ] = False,
    controller_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Where the controller is installed; for those who may not list Leases everywhere.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again every 5 seconds, until Ctrl-C.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Show controllers, issuers, policies and requests at a glance, and what needs attention.

    Requests that wait are grouped by reason; the last that were denied or failed are named, and canaries that
    fail. What may not be read is "not known", and named with the right that it takes.

    Exit codes: 0 all is well; 1 something needs attention, or could not be seen; 2 bad input, or no cluster.

    Examples:

      vault-issuer status

      vault-issuer status -n team-a -o json

      vault-issuer status -w
    """
    if namespace is not None and all_namespaces:
        raise typer.BadParameter("--namespace and --all-namespaces exclude each other")
    if watch and output is not OutputFormat.TABLE:
        raise typer.BadParameter("--watch shows tables: leave out --output")
    # Imported here so that --help and completion stay quick.
    from issuer.inspection.overview.tables import show_overview
    from issuer.terminal.console import console

    cluster = ClusterChoice(kubeconfig, context, tuple(backends or ()))
    with report_bad_input(BAD_INPUT):
        if watch:
            asyncio.run(_watch(namespace, controller_namespace, cluster))
        found = asyncio.run(_overview(namespace, controller_namespace, cluster))
    if output is not OutputFormat.TABLE:
        print_data(found, output)
    else:
        show_overview(found, console(), datetime.now(UTC))
    raise typer.Exit(ATTENTION if found["attention"] else 0)


async def _overview(
    namespace: str | None, controller_namespace: str | None, cluster: ClusterChoice
) -> dict[str, Any]:
    from issuer.inspection.overview.summary import overview

    async with _reading(namespace, controller_namespace, cluster) as reader:
        return await overview(reader, namespace, controller_namespace, datetime.now(UTC))


async def _watch(namespace: str | None, controller_namespace: str | None, cluster: ClusterChoice) -> None:
    from issuer.inspection.overview.watching import watch
    from issuer.terminal.console import console

    async with _reading(namespace, controller_namespace, cluster) as reader:
        await watch(reader, namespace, controller_namespace, console(), lambda: datetime.now(UTC))


@asynccontextmanager
async def _reading(
    namespace: str | None, controller_namespace: str | None, cluster: ClusterChoice
) -> AsyncIterator[Reader]:
    """Open the cluster, which has these namespaces. Raises BadInput."""
    from issuer.inspection.opening import LookedAt, reading
    from issuer.manifests.cluster import check_namespace

    about = LookedAt(namespace=namespace or "")
    async with reading(cluster.kubeconfig, cluster.context, cluster.backends, about) as reader:
        await check_namespace(reader.client, namespace)
        await check_namespace(reader.client, controller_namespace, "--controller-namespace")
        yield reader
