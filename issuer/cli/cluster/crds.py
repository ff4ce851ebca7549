"""`vault-issuer crds`: the CustomResourceDefinitions of this version, printed or applied to a cluster."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from issuer.cli.options import Context, Kubeconfig
from issuer.cli.streams import finished_without_output

MANAGER = "vault-issuer-crds"
FAILED = 1
NO_CLUSTER = 2
_RIGHTS: Final = (
    "It takes patch on customresourcedefinitions.apiextensions.k8s.io, and create where they aren't there yet"
)


def crds(
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply them to the cluster. Without this they are printed.")
    ] = False,
    field_manager: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Whose fields they become. The chart's hook says helm, as Helm 4 applies them too.",
        ),
    ] = MANAGER,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print the CustomResourceDefinitions of this version, or apply them to a cluster.

    Applying takes patch on those customresourcedefinitions, and create where they are not there yet. Fields
    that others set otherwise are taken over; nothing is ever deleted.

    Exit codes: 0 done; 1 the cluster refused; 2 bad input, or no cluster.

    Examples:

      vault-issuer crds | kubectl apply --server-side -f -

      vault-issuer crds --apply
    """
    # Imported here so that --help and completion stay quick.
    from issuer.api.crd import rendered
    from issuer.kube.errors import ConfigError, Forbidden, KubeError, Unavailable

    if not apply:
        typer.echo("---\n".join(text for name, text in rendered().items() if name != "kustomization.yaml"))
        return
    try:
        with finished_without_output():
            asyncio.run(_apply(field_manager, kubeconfig, context))
    except (ConfigError, Unavailable) as error:
        typer.echo(f"Error: no cluster: {error.message}", err=True)
        raise typer.Exit(NO_CLUSTER) from error
    except KubeError as error:
        rights = f". {_RIGHTS}" if isinstance(error, Forbidden) else ""
        typer.echo(f"Error: the cluster refuses: {error.message}{rights}", err=True)
        raise typer.Exit(FAILED) from error


async def _apply(manager: str, kubeconfig: str | None, context: str | None) -> None:
    from issuer.api.crd import custom_resource_definitions
    from issuer.cluster import connect
    from issuer.kube.resources import CUSTOM_RESOURCE_DEFINITIONS

    client = await connect(kubeconfig, context)
    try:
        for definition in custom_resource_definitions().values():
            await client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, manager=manager, force=True)
            typer.echo(f"applied: {definition['metadata']['name']}")
    finally:
        await client.close()
