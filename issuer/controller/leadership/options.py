"""Settings of replicas that share the work."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.kube.leases.lease import LeaseTimes


@dataclass(frozen=True, slots=True)
class SharingOptions:
    """The settings of a group of replicas that share the work.

    `namespace` and `group` (the main Lease's name) tell where the Leases are; `identity` is this process's,
    and `shards` their number. A signing call ends within `call` seconds, and a hand-over waits for at most
    `grace` seconds for what is in flight.
    """

    namespace: str
    group: str
    identity: str
    shards: int
    lease_times: LeaseTimes
    call: float
    grace: float
