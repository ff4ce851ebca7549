"""Connection of a command to its user's cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from issuer.cluster import connect
from issuer.kube.client import KubeClient
from issuer.kube.errors import ConfigError
from issuer.manifests.errors import BadInput


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
