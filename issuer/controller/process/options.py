"""Settings of the controller that an operator makes, with their defaults."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from issuer.controller.canary.target import CanaryTarget
from issuer.controller.leadership.options import SharingOptions
from issuer.controller.renewals.loops import LoopLimits
from issuer.controller.trust.targets import TrustTargets
from issuer.kube.leases.lease import LeaseTimes
from issuer.requests.issuers import IssuerKind
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
class LeaderOptions:
    """Division of work among replicas: one leads, or with two or more `shards` all work. Times in seconds.

    `lease_duration` None is as long as a signing call needs. Raises OptionsError.
    """

    elect: bool = True
    lease_name: str = "vault-issuer"
    lease_duration: float | None = None
    shards: int = 0
    identity: str = field(default_factory=own_identity)

    def __post_init__(self) -> None:
        if self.shards > MOST_SHARDS:
            raise OptionsError(f"--shards {self.shards} is too many: {MOST_SHARDS} is the most")
        if self.sharded and not self.elect:
            raise OptionsError(
                f"--shards {self.shards} divides the work by Leases: leave --no-leader-elect out, or --shards"
            )

    @property
    def sharded(self) -> bool:
        """True if all replicas work at once."""
        return self.shards > 1


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """Limits on work done at once, and on its time. Times are in seconds.

    `shutdown_grace` must stay below the pod's terminationGracePeriodSeconds. `name_policies` False keeps the
    names of policies out of the reason why a request waits. A refusal by policies is final after
    `denial_delay`.
    """

    workers: int = 64
    issuer_concurrency: int = 8
    issuer_workers: int = 16
    issuer_check_period: float = 60.0
    shutdown_grace: float = 25.0
    denial_delay: float = 0.0
    revocation_wait: float = 300.0
    name_policies: bool = True
    renewal_loops: LoopLimits = field(default_factory=LoopLimits)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Optional watches: Kubernetes' own requests, and Certificates for metrics of their renewal."""

    certificate_signing_requests: bool = True
    certificates: bool = True


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Health and metrics: their `address`, and the files of the certificate and key to serve them with.

    Without a certificate it is plain HTTP. Raises OptionsError.
    """

    address: str = ":9402"
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise OptionsError(
                "--metrics-tls-cert and --metrics-tls-key go together: give both, or neither for plain HTTP"
            )


@dataclass(frozen=True, slots=True)
class PageOptions:
    """The status page: its `address`, empty for none, and the files of its certificate and key.

    Raises OptionsError.
    """

    address: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        """Elsewhere than on loopback the page needs a certificate, and only there does it use one."""
        given = [self.tls_cert, self.tls_key]
        if self.exposed and None in given:
            raise OptionsError(
                f"--status-address {self.address} is not loopback: give --status-tls-cert and "
                "--status-tls-key too, or use an address such as 127.0.0.1:9403"
            )
        if not self.exposed and given != [None, None]:
            raise OptionsError(
                "--status-tls-cert and --status-tls-key are for a --status-address that is not loopback: "
                "leave them out, or use an address such as :9403"
            )

    @property
    def exposed(self) -> bool:
        """True if others than this machine reach the status page: then it has TLS and a login."""
        return self.address != "" and not is_loopback(parse_address(self.address)[0])


@dataclass(frozen=True, slots=True)
class CanarySchedule:
    """The canaries, each of which is asked every `period` seconds. Raises OptionsError."""

    targets: tuple[CanaryTarget, ...] = ()
    period: float = 300.0

    def __post_init__(self) -> None:
        longest = max((one.timeout for one in self.targets), default=0.0)
        if longest > self.period:
            raise OptionsError(
                f"--canary-timeout {longest:g} is longer than --canary-period {self.period:g}: a "
                "run must end before the next begins"
            )


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """All settings of one controller process, in groups. Raises OptionsError.

    `adopt_anyway` starts it although another controller, whose kinds it adopts, may run.
    """

    namespace: str = DEFAULT_NAMESPACE
    kubeconfig: Path | None = None
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    tracing_endpoint: str = ""
    leader: LeaderOptions = field(default_factory=LeaderOptions)
    work: WorkOptions = field(default_factory=WorkOptions)
    watch: WatchOptions = field(default_factory=WatchOptions)
    page: PageOptions = field(default_factory=PageOptions)
    canaries: CanarySchedule = field(default_factory=CanarySchedule)
    trust: TrustTargets = field(default_factory=TrustTargets)
    backends: Backends = field(default_factory=built_in)
    backend_settings: BackendSettings = field(default_factory=lambda: BackendSettings(DEFAULT_NAMESPACE))
    adopt_anyway: bool = False

    def __post_init__(self) -> None:
        timeout, lasts = self.backend_settings.timeout, self.leader.lease_duration
        least = LeaseTimes.outlasting(timeout).duration
        if lasts is not None and lasts < least:
            fitting = lasts - (least - timeout)
            shorter = f", or --vault-timeout to at most {fitting:g}" if fitting >= 1 else ""
            raise OptionsError(
                f"--lease-duration {lasts:g} is too short for --vault-timeout "
                f"{timeout:g}: a signing call must end before its Lease does. "
                f"Set --lease-duration to at least {least:g}{shorter}"
            )

    @property
    def refused_peers(self) -> frozenset[str]:
        """Names of other controllers beside which this one doesn't start."""
        adopted = frozenset() if self.adopt_anyway else frozenset(backend.peer for backend in self.backends)
        return adopted - {""}

    @property
    def adopted_kinds(self) -> tuple[IssuerKind, ...]:
        """The kinds of other controllers that this one serves."""
        return tuple(kind for backend in self.backends if backend.peer for kind in backend.kinds)

    @property
    def sharing(self) -> SharingOptions:
        """The settings of replicas that share the work."""
        return SharingOptions(
            namespace=self.namespace,
            group=self.leader.lease_name,
            identity=self.leader.identity,
            shards=self.leader.shards,
            lease_times=self.lease_times,
            call=self.backend_settings.timeout,
            grace=self.work.shutdown_grace,
        )

    @property
    def lease_times(self) -> LeaseTimes:
        """Lifetime of Leases: longer than any signing call that is begun under them."""
        if self.leader.lease_duration is None:
            return LeaseTimes.outlasting(self.backend_settings.timeout)
        return LeaseTimes.lasting(self.leader.lease_duration)
