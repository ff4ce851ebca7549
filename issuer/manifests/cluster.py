"""Connection of a command to its user's cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from issuer.cluster import connect, find_namespace
from issuer.kube.client import KubeClient
from issuer.kube.errors import ConfigError, Forbidden, KubeError, NotFound
from issuer.kube.resources import NAMESPACES
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown


@asynccontextmanager
async def open_client(kubeconfig: str | None, context: str | None) -> AsyncIterator[KubeClient]:
    """Yield a client that acts as the user of the kubeconfig; closed at the end. Raises BadInput."""
    try:
        client = await connect(kubeconfig, context)
    except ConfigError as error:
        raise BadInput(f"no cluster: {error.message}") from error
    try:
        yield client
    finally:
        await client.close()


def meant_namespace(given: str | None, kubeconfig: str | None, context: str | None) -> str:
    """Return the given namespace, or that of the kubeconfig. Raises BadInput."""
    try:
        return given or find_namespace(kubeconfig, context)
    except ConfigError as error:
        raise BadInput(f"no cluster: {error.message}") from error


@contextmanager
def asking_cluster(rights: str = "") -> Iterator[None]:
    """Raise BadInput where the cluster refuses or can't answer; `rights` is a sentence on what that takes."""
    try:
        yield
    except Forbidden as error:
        text = f"the cluster refuses: {error.message}"
        raise BadInput(f"{text}. {rights}" if rights else text) from error
    except KubeError as error:
        raise BadInput(f"the cluster can't be asked: {error.message}") from error


def no_namespace(name: str, option: str = "--namespace") -> BadInput:
    """Return the error for a namespace that the cluster doesn't have."""
    return BadInput(f'there is no namespace "{shown(name)}" in the cluster: correct {option}, or create it')


async def check_namespace(client: KubeClient, name: str | None, option: str = "--namespace") -> None:
    """Raise BadInput where the cluster has no namespace of that name; None and "" are none to look for.

    Whoever may not read namespaces is believed. Raises KubeError.
    """
    if not name:
        return
    try:
        await client.get(NAMESPACES, name)
    except NotFound as error:
        raise no_namespace(name, option) from error
    except Forbidden:
        return
