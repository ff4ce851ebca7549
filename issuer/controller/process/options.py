"""Settings of the controller that an operator makes, with their defaults."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from issuer.controller.canary.target import CanaryTarget
from issuer.controller.leadership.options import SharingOptions
from issuer.kube.lease import LeaseTimes
from issuer.servers.allowed import AllowedServers
from issuer.signing.backend import Backends
from issuer.signing.backends import built_in
from issuer.signing.settings import BackendSettings
from issuer.telemetry.address import is_loopback, parse_address

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "vault-issuer-system"


def own_namespace() -> str:
    """The controller's namespace: `POD_NAMESPACE`, the mounted ServiceAccount's, or the default."""
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


MOST_SHARDS = 256
"""Each costs a Lease, which is renewed every few seconds."""


class OptionsError(ValueError):
    """Settings that can't go together; the message says what to change."""


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """All settings of one controller process; times are in seconds.

    `shutdown_grace` must stay below the pod's terminationGracePeriodSeconds. `lease_duration` None is as
    long as `call_timeout` needs. With two or more `shards` all replicas work at once.
    `status_address` is empty for no status page.
    Each of `canaries` is asked every `canary_period` seconds.

    Raises OptionsError.
    """

    namespace: str = DEFAULT_NAMESPACE
    cluster_resource_namespace: str = DEFAULT_NAMESPACE
    kubeconfig: Path | None = None
    workers: int = 64
    issuer_concurrency: int = 8
    issuer_workers: int = 16
    issuer_check_period: float = 60.0
    call_timeout: float = 15.0
    shutdown_grace: float = 25.0
    leader_elect: bool = True
    lease_name: str = "vault-issuer"
    lease_duration: float | None = None
    shards: int = 0
    identity: str = field(default_factory=own_identity)
    metrics_address: str = ":9402"
    status_address: str = ""
    status_tls_cert: Path | None = None
    status_tls_key: Path | None = None
    name_policies: bool = True
    certificate_signing_requests: bool = True
    watch_certificates: bool = True
    tracing_endpoint: str = ""
    revocation_wait: float = 300.0
    issuer_ambient_credentials: bool = False
    cluster_issuer_ambient_credentials: bool = True
    allowed_servers: AllowedServers = field(default_factory=AllowedServers)
    backends: Backends = field(default_factory=built_in)
    canaries: tuple[CanaryTarget, ...] = ()
    canary_period: float = 300.0

    def __post_init__(self) -> None:
        self._check_canaries()
        if self.shards > MOST_SHARDS:
            raise OptionsError(f"--shards {self.shards} is too many: {MOST_SHARDS} is the most")
        if self.sharded and not self.leader_elect:
            raise OptionsError(
                f"--shards {self.shards} divides the work by Leases: leave --no-leader-elect out, or --shards"
            )
        self._check_status_page()
        least = LeaseTimes.outlasting(self.call_timeout).duration
        if self.lease_duration is not None and self.lease_duration < least:
            fitting = self.lease_duration - (least - self.call_timeout)
            shorter = f", or --vault-timeout to at most {fitting:g}" if fitting >= 1 else ""
            raise OptionsError(
                f"--lease-duration {self.lease_duration:g} is too short for --vault-timeout "
                f"{self.call_timeout:g}: a signing call must end before its Lease does. "
                f"Set --lease-duration to at least {least:g}{shorter}"
            )

    @property
    def backend_settings(self) -> BackendSettings:
        """The settings that backends obey."""
        return BackendSettings(
            cluster_resource_namespace=self.cluster_resource_namespace,
            timeout=self.call_timeout,
            allowed_servers=self.allowed_servers,
            issuer_ambient_credentials=self.issuer_ambient_credentials,
            cluster_issuer_ambient_credentials=self.cluster_issuer_ambient_credentials,
        )

    def _check_status_page(self) -> None:
        """Elsewhere than on loopback the page needs a certificate, and only there does it use one."""
        given = [self.status_tls_cert, self.status_tls_key]
        if self.status_exposed and None in given:
            raise OptionsError(
                f"--status-address {self.status_address} is not loopback: give --status-tls-cert and "
                "--status-tls-key too, or use an address such as 127.0.0.1:9403"
            )
        if not self.status_exposed and given != [None, None]:
            raise OptionsError(
                "--status-tls-cert and --status-tls-key are for a --status-address that is not loopback: "
                "leave them out, or use an address such as :9403"
            )

    @property
    def status_exposed(self) -> bool:
        """True if others than this machine reach the status page: then it has TLS and a login."""
        return self.status_address != "" and not is_loopback(parse_address(self.status_address)[0])

    def _check_canaries(self) -> None:
        longest = max((one.timeout for one in self.canaries), default=0.0)
        if longest > self.canary_period:
            raise OptionsError(
                f"--canary-timeout {longest:g} is longer than --canary-period {self.canary_period:g}: a "
                "run must end before the next begins"
            )

    @property
    def sharded(self) -> bool:
        """True if all replicas work at once."""
        return self.shards > 1

    @property
    def sharing(self) -> SharingOptions:
        """The settings of replicas that share the work."""
        return SharingOptions(
            namespace=self.namespace,
            group=self.lease_name,
            identity=self.identity,
            shards=self.shards,
            lease_times=self.lease_times,
            call=self.call_timeout,
            grace=self.shutdown_grace,
        )

    @property
    def lease_times(self) -> LeaseTimes:
        """Lifetime of Leases: longer than any signing call that is begun under them."""
        if self.lease_duration is None:
            return LeaseTimes.outlasting(self.call_timeout)
        return LeaseTimes.lasting(self.lease_duration)
