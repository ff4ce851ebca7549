"""What an operator sets on the controller, with its defaults."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "vault-issuer-system"


def own_namespace() -> str:
    """The controller's namespace: ``POD_NAMESPACE``, the mounted ServiceAccount's, or the default."""
    named = os.environ.get("POD_NAMESPACE")
    if named:
        return named
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE


def own_identity() -> str:
    """A name for this process in the Lease; random, as pods may share host name and process id."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """All settings of one controller process; times are in seconds.

    ``shutdown_grace`` must stay below the pod's terminationGracePeriodSeconds.
    """

    namespace: str = DEFAULT_NAMESPACE
    cluster_resource_namespace: str = DEFAULT_NAMESPACE
    kubeconfig: Path | None = None
    workers: int = 64
    issuer_concurrency: int = 8
    issuer_workers: int = 16
    issuer_check_period: float = 60.0
    vault_timeout: float = 30.0
    shutdown_grace: float = 25.0
    leader_elect: bool = True
    lease_name: str = "vault-issuer"
    identity: str = field(default_factory=own_identity)
    metrics_address: str = ":9402"
    name_policies: bool = True
    certificate_signing_requests: bool = True
    revocation_wait: float = 300.0
    issuer_ambient_credentials: bool = False
    cluster_issuer_ambient_credentials: bool = True
