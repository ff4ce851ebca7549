"""Connections to the API server as this product makes them: its user agent and its own variables.

`issuer.kube` knows neither; everything above takes its client from here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from issuer.kube.auth.credentials import SERVICE_ACCOUNT, ChosenSource, find_source
from issuer.kube.client import KubeClient

NAME: Final = "vault-issuer"
"""The User-Agent of all calls, and the field manager of merge patches."""

SERVICE_ACCOUNT_VARIABLE: Final = "VAULT_ISSUER_SERVICE_ACCOUNT_DIR"
"""Environment variable with another directory than `SERVICE_ACCOUNT`, for a controller outside a pod."""


async def connect(
    kubeconfig: str | None = None, context: str | None = None, *, timeout: float = 30.0, connections: int = 64
) -> KubeClient:
    """Return a client for `kubeconfig`, or for the source that `find_source` finds. Raises ConfigError.

    `timeout` is a call's, in seconds; `connections` bounds the pool.
    """
    source = _source(kubeconfig, context)
    return await KubeClient.open(source, timeout=timeout, connections=connections, user_agent=NAME)


def find_namespace(kubeconfig: str | None = None, context: str | None = None) -> str:
    """Return the namespace of a command that names none: the kubeconfig's or pod's, else `default`.

    Raises ConfigError.
    """
    return _source(kubeconfig, context).namespace() or "default"


def _source(kubeconfig: str | None, context: str | None) -> ChosenSource:
    return find_source(kubeconfig, context, Path(os.environ.get(SERVICE_ACCOUNT_VARIABLE) or SERVICE_ACCOUNT))
