"""`vault-issuer renew`: asks cert-manager to issue Certificates again now, as `cmctl renew` does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.options import Context, Kubeconfig
from issuer.cli.output import report_bad_input

if TYPE_CHECKING:
    from issuer.kube.client import KubeClient

NOT_ALL = 1
BAD_INPUT = 2
_TRIES = 10


def renew(
    certificates: Annotated[
        list[str], typer.Argument(metavar="CERTIFICATE...", help="Names of Certificates.")
    ],
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the kubeconfig's."),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Have cert-manager issue Certificates again now, instead of waiting for the next try or renewal.

    Sets the condition Issuing on each, as cmctl renew does. That takes get on certificates, and update on
    certificates/status.

    Exit codes: 0 all were asked for; 1 some were not, with the reason; 2 bad input, or no cluster.

    Examples:

      vault-issuer renew web -n team-a

      vault-issuer renew web api -n team-a
    """
    # Imported here so that --help and completion stay quick.
    from issuer.manifests.text import shown

    with report_bad_input(BAD_INPUT):
        troubles = asyncio.run(_renew(certificates, namespace, kubeconfig, context))
    for name, trouble in troubles.items():
        typer.echo(shown(f"{name}: {trouble or 'cert-manager issues it again'}", 1000))
    raise typer.Exit(NOT_ALL if any(troubles.values()) else 0)


async def _renew(
    names: list[str], namespace: str | None, kubeconfig: str | None, context: str | None
) -> dict[str, str]:
    """Return for each Certificate why it could not be asked for, "" if it was. Raises BadInput."""
    from issuer.cluster import find_namespace
    from issuer.kube.errors import ConfigError, KubeError, NotFound
    from issuer.manifests.cluster import open_client
    from issuer.manifests.errors import BadInput

    try:
        where = namespace or find_namespace(kubeconfig, context)
    except ConfigError as error:
        raise BadInput(f"no cluster: {error.message}") from error
    found: dict[str, str] = {}
    async with open_client(kubeconfig, context) as client:
        for name in dict.fromkeys(names):
            try:
                found[name] = await ask_for_renewal(client, name, where, datetime.now(UTC))
            except NotFound:
                found[name] = f'there is no Certificate "{name}" in namespace "{where}" (see -n)'
            except KubeError as error:
                found[name] = error.message
    return found


async def ask_for_renewal(client: KubeClient, name: str, namespace: str, now: datetime) -> str:
    """Set the condition Issuing of a Certificate; return why that makes no sense, "" where it was set.

    Raises KubeError. Source: cert-manager's cmctl, pkg/renew (reason ManuallyTriggered).
    """
    from issuer.kube.errors import Conflict
    from issuer.requests.conditions import is_true
    from issuer.requests.resources import CERTIFICATES
    from issuer.text import rfc3339

    issuing: dict[str, Any] = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": rfc3339(now),
    }
    for left in reversed(range(_TRIES)):
        certificate = await client.get(CERTIFICATES, name, namespace)
        status = certificate.get("status") or {}
        conditions = status.get("conditions") or []
        if is_true(conditions, "Issuing"):
            return "cert-manager is issuing it already: see vault-issuer explain certificate/" + name
        others = [one for one in conditions if one.get("type") != "Issuing"]
        generation = {"observedGeneration": certificate["metadata"].get("generation", 0)}
        new = {**certificate, "status": {**status, "conditions": [*others, issuing | generation]}}
        try:
            await client.replace_status(CERTIFICATES, new)
        except Conflict:
            if not left:
                raise
        else:
            return ""
    raise AssertionError("the loop ends by an answer")
