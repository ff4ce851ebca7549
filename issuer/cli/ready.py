"""``vault-issuer ready``: waits until a controller and issuers are; what `helm test` runs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from issuer.kube.client import KubeClient

NOT_READY = 1
BAD_INPUT = 2
_POLL_SECONDS = 1.0
_ISSUER_PARTS = {"VaultClusterIssuer": 2, "VaultIssuer": 3}


def _issuer(text: str) -> str:
    parts = text.split("/")
    if len(parts) != _ISSUER_PARTS.get(parts[0]) or not all(parts):
        raise typer.BadParameter(
            f"{text!r} is neither VaultClusterIssuer/NAME nor VaultIssuer/NAMESPACE/NAME"
        )
    return text


def ready(
    url: Annotated[
        list[str] | None, typer.Option(help="URL that answers 200, such as a controller's /readyz.")
    ] = None,
    issuer: Annotated[
        list[str] | None,
        typer.Option(
            help="VaultClusterIssuer/NAME or VaultIssuer/NAMESPACE/NAME.",
            parser=_issuer,
            metavar="KIND/[NAMESPACE/]NAME",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.", min=0)] = 60.0,
    kubeconfig: Annotated[str | None, typer.Option(help="Kubeconfig file. Default: as kubectl.")] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
) -> None:
    """Wait until URLs answer 200 and issuers are Ready. Both options may be given several times.

    Looking at issuers takes get on them.

    Exit codes: 0 all are; 1 some are not, with the reason; 2 bad input, or no cluster.

    Examples:

      vault-issuer ready --issuer VaultClusterIssuer/vault

      vault-issuer ready --url http://localhost:9402/readyz --issuer VaultIssuer/team-a/vault --timeout 120
    """
    # Imported here so that --help and completion stay quick.
    from issuer.kube.errors import ConfigError

    if not url and not issuer:
        raise typer.BadParameter("name something to wait for, with --url or --issuer")
    try:
        missing = asyncio.run(_wait(url or [], issuer or [], timeout, kubeconfig, context))
    except ConfigError as error:
        typer.echo(f"Error: no cluster: {error.message}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    for name in (*(url or ()), *(issuer or ())):
        typer.echo(f"{name}: {missing.get(name, 'ready')}")
    raise typer.Exit(NOT_READY if missing else 0)


async def _wait(
    urls: list[str], issuers: list[str], timeout: float, kubeconfig: str | None, context: str | None
) -> dict[str, str]:
    """What isn't ready when the time is over, with the reason."""
    from issuer.kube.client import connect

    client = await connect(kubeconfig, context) if issuers else None
    deadline = time.monotonic() + timeout
    try:
        while True:
            found = {one: await _url_trouble(one) for one in urls}
            if client is not None:
                found |= {one: await _issuer_trouble(client, one) for one in issuers}
            missing = {name: why for name, why in found.items() if why is not None}
            if not missing or time.monotonic() >= deadline:
                return missing
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        if client is not None:
            await client.close()


async def _url_trouble(url: str) -> str | None:
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return None if answer.status == 200 else f"answers {answer.status}"
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return f"no answer: {error or type(error).__name__}"


async def _issuer_trouble(client: KubeClient, name: str) -> str | None:
    from issuer.kube.errors import KubeError
    from issuer.kube.resources import VAULT_CLUSTER_ISSUERS, VAULT_ISSUERS

    kind, *where = name.split("/")
    try:
        if kind == "VaultIssuer":
            found = await client.get(VAULT_ISSUERS, where[1], where[0])
        else:
            found = await client.get(VAULT_CLUSTER_ISSUERS, where[0])
    except KubeError as error:
        return error.message
    status = found.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready":
            if condition.get("status") == "True":
                return None
            return f"{condition.get('reason')}: {condition.get('message')}"
    return "no controller has looked at it yet"
