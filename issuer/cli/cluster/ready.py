"""`vault-issuer ready`: waits for a controller and its issuers; `helm test` runs it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.completing import complete_issuers
from issuer.cli.options import Backends, Context, Kubeconfig

if TYPE_CHECKING:
    from issuer.kube.client import KubeClient
    from issuer.requests.issuers import IssuerKey, IssuerKind

NOT_READY = 1
BAD_INPUT = 2
_POLL_SECONDS = 1.0


def _lease(text: str) -> str:
    if text.count("/") != 1 or not all(text.split("/")):
        raise typer.BadParameter(f"{text!r} is not NAMESPACE/NAME")
    return text


@dataclass(frozen=True, slots=True)
class Wanted:
    """URLs, Leases and issuers to wait for, as the options name them."""

    urls: list[str]
    leases: list[str]
    issuers: dict[str, tuple[IssuerKind, IssuerKey]]


def ready(
    url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="URL that answers 200, such as a controller's /readyz.",
        ),
    ] = None,
    issuer: Annotated[
        list[str] | None,
        typer.Option(
            help="VaultClusterIssuer/NAME or VaultIssuer/NAMESPACE/NAME.",
            metavar="KIND/[NAMESPACE/]NAME",
            autocompletion=complete_issuers,
        ),
    ] = None,
    lease: Annotated[
        list[str] | None,
        typer.Option(
            help="Lease of the controller: its holder is a pod that is Ready.",
            parser=_lease,
            metavar="NAMESPACE/NAME",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.", min=0)] = 60.0,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
) -> None:
    """Wait until URLs answer 200, Leases are held by Ready pods, and issuers are Ready.

    Options may be repeated. A standby's /readyz says only that it stands by: a Lease shows whether the
    replica that works is well.

    This takes get on the issuers; for a Lease, get on it and on the pods of its namespace.

    Exit codes: 0 all are; 1 some are not, with the reason; 2 bad input, or no cluster.

    Examples:

      vault-issuer ready --issuer VaultClusterIssuer/vault

      vault-issuer ready --lease vault-issuer-system/vault-issuer

      vault-issuer ready --url http://localhost:9402/readyz --issuer VaultIssuer/team-a/vault --timeout 120
    """
    # Imported here so that --help and completion stay quick.
    from issuer.kube.errors import ConfigError

    if not (url or issuer or lease):
        raise typer.BadParameter("name something to wait for, with --url, --lease or --issuer")
    wanted = Wanted(url or [], lease or [], _issuers(issuer or [], backends or []))
    try:
        missing = asyncio.run(_wait(wanted, timeout, kubeconfig, context))
    except ConfigError as error:
        typer.echo(f"Error: no cluster: {error.message}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    for name in (*wanted.urls, *wanted.leases, *wanted.issuers):
        typer.echo(f"{name}: {missing.get(name, 'ready')}")
    raise typer.Exit(NOT_READY if missing else 0)


def _issuers(names: list[str], backends: list[str]) -> dict[str, tuple[IssuerKind, IssuerKey]]:
    """Return kind and key of each issuer, by its name as it was given."""
    if not names:
        return {}  # and nothing is imported for it
    from issuer.manifests.backends import kinds_in_reach, named_backends
    from issuer.manifests.errors import BadInput
    from issuer.requests.issuers import IssuerNameError

    try:
        kinds = kinds_in_reach(named_backends(backends))
        keys = {name: kinds.parse(name) for name in names}
    except (BadInput, IssuerNameError) as error:
        raise typer.BadParameter(str(error)) from error
    return {name: (kinds[key.kind], key) for name, key in keys.items()}


async def _wait(
    wanted: Wanted, timeout: float, kubeconfig: str | None, context: str | None
) -> dict[str, str]:
    """Return what isn't ready when the time is over, with the reason."""
    from issuer.cluster import connect

    asks_cluster = bool(wanted.leases or wanted.issuers)
    client = await connect(kubeconfig, context) if asks_cluster else None
    deadline = time.monotonic() + timeout
    told: dict[str, str] = {}
    try:
        while True:
            found = {one: await _url_trouble(one) for one in wanted.urls}
            if client is not None:
                found |= {one: await _lease_trouble(client, one) for one in wanted.leases}
                for name, (kind, key) in wanted.issuers.items():
                    found[name] = await _issuer_trouble(client, kind, key)
            missing = {name: why for name, why in found.items() if why is not None}
            if not missing or time.monotonic() >= deadline:
                return missing
            for name, why in missing.items():
                if told.get(name) != why:
                    typer.echo(f"waiting for {name}: {why}", err=True)
            told = missing
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        if client is not None:
            await client.close()


async def _url_trouble(url: str) -> str | None:
    from issuer.late_roots import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return None if answer.status == 200 else f"answers {answer.status}"
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return f"no answer: {error or type(error).__name__}"


async def _lease_trouble(client: KubeClient, where: str) -> str | None:
    """Return what is wrong with the pod of the Lease's holder, the replica that works; None if nothing is."""
    from issuer.kube.errors import KubeError, NotFound
    from issuer.kube.resources import LEASES, PODS

    namespace, name = where.split("/")
    try:
        try:
            spec = (await client.get(LEASES, name, namespace)).get("spec") or {}
        except NotFound:
            return f'there is no Lease "{name}" in namespace "{namespace}": no replica has started there yet'
        holder = str(spec.get("holderIdentity") or "")
        if not holder:
            return "no replica holds it"
        pod = await client.get(PODS, holder.rpartition("_")[0], namespace)
    except KubeError as error:
        return error.message
    trouble = _not_ready(pod)
    return None if trouble is None else f"{holder} holds it and is not Ready: {trouble}"


async def _issuer_trouble(client: KubeClient, kind: IssuerKind, key: IssuerKey) -> str | None:
    from issuer.kube.errors import KubeError, NotFound

    try:
        found = await client.get(kind.resource, key.name, key.namespace or None)
    except NotFound:
        where = f' in namespace "{key.namespace}"' if key.namespace else ""
        return f'there is no {kind.kind} "{key.name}"{where}; create it, or correct --issuer'
    except KubeError as error:
        return error.message
    return _not_ready(found)


def _not_ready(obj: dict[str, Any]) -> str | None:
    """Return what the Ready condition of an issuer or a pod says, None where it is True."""
    from issuer.requests.conditions import NOT_LOOKED_AT, ready_of

    condition = ready_of(obj)
    if not condition:
        return NOT_LOOKED_AT
    if condition.get("status") == "True":
        return None
    return f"{condition.get('reason')}: {condition.get('message')}"
