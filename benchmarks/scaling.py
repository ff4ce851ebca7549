"""A model of how throughput grows with replicas that share the work, from measured service times. Pure.

Each request is handled by one replica; every replica reads every event of our group; each shard's Lease is
renewed every few seconds. A station (a replica's one core, API server, etcd, Vault, webhook) is full when
what all certificates of a second need of it is as much CPU as it has. The rate is that of the first station
to be full: an upper bound, as no queue runs empty in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from issuer.controller.leadership.shard import RENEW

REPLICAS = (1, 2, 4, 8, 16, 32, 64)
CONTROLLER, APISERVER, ETCD, VAULT, WEBHOOK = "controller", "API server", "etcd", "Vault", "webhook"


@dataclass(frozen=True, slots=True)
class Service:
    """Measured service times, in CPU milliseconds a certificate, or a renewal for the Leases.

    Attributes:
        own: a replica's, for a request that it answers.
        passing: a replica's, for a request that another one answers.
        apiserver: the API server's, with one replica watching.
        watch: the API server's, for each further replica's watch.
        etcd, vault, webhook: those servers'.
        lease_apiserver, lease_etcd: of one renewal.
    """

    own: float
    passing: float
    apiserver: float
    watch: float
    etcd: float
    vault: float
    webhook: float
    lease_apiserver: float
    lease_etcd: float


@dataclass(frozen=True, slots=True)
class Setting:
    """Cores of each server, shards, and seconds between two renewals of a Lease.

    A replica works on one core, as asyncio does.
    """

    apiserver_cores: float
    etcd_cores: float
    vault_cores: float
    webhook_cores: float
    shards: int = 64
    renew_seconds: float = RENEW


def largest_share(replicas: int, shards: int) -> float:
    """The part of the work of the replica with the most shards."""
    if replicas == 1:
        return 1.0
    return math.ceil(shards / min(replicas, shards)) / shards


def capacities(service: Service, setting: Setting, replicas: int) -> dict[str, float]:
    """Certificates a second at which each station is full."""
    share = largest_share(replicas, setting.shards)
    renewals = setting.shards / setting.renew_seconds if replicas > 1 else 1 / setting.renew_seconds

    def full(cores: float, each: float, besides: float = 0.0) -> float:
        left = cores * 1000 - renewals * besides
        return max(0.0, left / each) if each > 0 else math.inf

    return {
        CONTROLLER: full(1, share * service.own + (1 - share) * service.passing),
        APISERVER: full(
            setting.apiserver_cores,
            service.apiserver + (replicas - 1) * service.watch,
            service.lease_apiserver,
        ),
        ETCD: full(setting.etcd_cores, service.etcd, service.lease_etcd),
        VAULT: full(setting.vault_cores, service.vault),
        WEBHOOK: full(setting.webhook_cores, service.webhook),
    }


def throughput(service: Service, setting: Setting, replicas: int) -> tuple[float, str]:
    """Certificates a second at most, and the station that is full then."""
    found = capacities(service, setting, replicas)
    station = min(found, key=lambda one: found[one])
    return found[station], station


def on_shared_cores(service: Service, cores: float) -> float:
    """Certificates a second at most when everything and one replica share these cores, as on the testbed."""
    every = service.own + service.apiserver + service.etcd + service.vault + service.webhook
    return min(cores * 1000 / every, 1000 / service.own)


def model_rows(
    service: Service, settings: Mapping[str, Setting], replicas: Sequence[int] = REPLICAS
) -> list[list[str]]:
    """The heading, then a row for each number of replicas: rate and what is full, by setting."""
    table = [["replicas", *settings]]
    for count in replicas:
        found = [throughput(service, setting, count) for setting in settings.values()]
        table.append([str(count), *(f"{rate:.0f} ({station})" for rate, station in found)])
    return table


def settings() -> dict[str, Setting]:
    """What the page shows: small, usual and large servers."""
    return {
        "2 cores each": Setting(2, 2, 2, 2),
        "8 cores API server and Vault": Setting(8, 4, 8, 4),
        "32 cores API server and Vault": Setting(32, 8, 32, 16),
    }
