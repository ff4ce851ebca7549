"""A burst: many requests made while the controller is stopped, then all of them issued.

    python -m benchmarks.burst --count 1000 [--record]

Prints certificates a second, the controller's CPU for each and its peak memory; ``--record`` writes them,
with versions and machine, to ``benchmarks/results/burst.json``, where history is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from testbed.cluster import SYSTEM_NAMESPACE, Options, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import EVERYBODY, everything_policy, use_binding, vault_cluster_issuer
from testbed.vaultpki import DOMAIN, setup_pki, setup_token
from tests.builders import certificate_request, csr_pem

RESULTS = Path(__file__).with_name("results") / "burst.json"
REQUEST = ("cert-manager.io/v1", "CertificateRequest")


@dataclass(frozen=True, slots=True)
class Burst:
    """One measured burst; CPU is the controller's, from its start to the last certificate."""

    count: int
    seconds: float
    per_second: float
    controller_cpu_ms_per_certificate: float
    controller_rss_peak_mb: float
    signed: int
    logins: int

    def __str__(self) -> str:
        return (
            f"{self.count} requests at once: all issued in {self.seconds:.1f} s ({self.per_second:.0f}/s), "
            f"controller CPU {self.controller_cpu_ms_per_certificate:.2f} ms each, "
            f"peak memory {self.controller_rss_peak_mb:.0f} MB, {self.signed} signed, {self.logins} login(s)"
        )


def create(bed: Testbed, namespace: str, issuer: str, count: int) -> None:
    """Make requests with one CSR each, from several threads."""
    objects = [request(f"burst-{number:05d}", namespace, issuer) for number in range(count)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(bed.kube.create, objects))


def request(name: str, namespace: str, issuer: str) -> Object:
    """A request as a client makes it."""
    made = certificate_request(name, namespace, issuer=issuer, request=csr_pem(f"{name}.{DOMAIN}"))
    made["metadata"] = {"name": name, "namespace": namespace}
    return made


def issued(bed: Testbed, namespace: str) -> int:
    """How many requests of the namespace are approved and issued."""
    wanted = {"Approved": "True", "Ready": "True"}
    return sum(
        1
        for one in bed.kube.list(*REQUEST, namespace)
        if {c["type"]: c["status"] for c in (one.get("status") or {}).get("conditions") or ()} == wanted
    )


def measure(bed: Testbed, count: int, namespace: str = "burst", args: Sequence[str] = ()) -> Burst:
    """Run one burst on a testbed with the layout of ``setup_pki``; leaves the requests there.

    Raises:
        TimeoutError: something was not issued after a long time.
    """
    bed.create_namespace(namespace)
    issuer = namespace
    token = setup_token(bed.vault, "pki_int-lab")
    secret = {"name": f"{issuer}-token", "namespace": SYSTEM_NAMESPACE}
    bed.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"token": token}})
    bed.kube.apply(
        vault_cluster_issuer(bed, issuer, {"tokenSecretRef": {"name": f"{issuer}-token", "key": "token"}})
    )
    create(bed, namespace, issuer, count)
    signed, logins = _signed(bed), _lookups(bed)
    controller = ControllerProcess(bed, args)
    started = time.monotonic()
    controller.start(wait=False)
    try:
        _until(lambda: _issued(controller) >= count, "every request is issued")
        seconds = time.monotonic() - started
        usage = controller.usage()
        done = issued(bed, namespace)
        if done != count:
            raise AssertionError(f"the controller says all are issued, the API server says {done}")
    finally:
        controller.stop()
    return Burst(
        count=count,
        seconds=round(seconds, 2),
        per_second=round(count / seconds, 1),
        controller_cpu_ms_per_certificate=round(usage.cpu_seconds * 1000 / count, 3),
        controller_rss_peak_mb=round(usage.rss_peak_mb, 1),
        signed=_signed(bed) - signed,
        logins=_lookups(bed) - logins,
    )


def _issued(controller: ControllerProcess) -> int:
    if controller.probe("healthz") is None:
        return 0
    for line in controller.metrics().splitlines():
        if line.startswith('vault_issuer_requests_total{outcome="issued"'):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0


def _signed(bed: Testbed) -> int:
    answers = bed.vault.audited("pki_int/sign/lab")
    return sum(1 for one in answers if (one["response"].get("data") or {}).get("certificate"))


def _lookups(bed: Testbed) -> int:
    """Logins with a static token are lookups of it; the testbed's own are made with the root token."""
    answers = bed.vault.audited("auth/token/lookup-self")
    return sum(1 for one in answers if "root" not in one["auth"].get("policies", []))


def _until(holds: Any, what: str, seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not happen: {what}")
        time.sleep(0.2)


def record(burst: Burst, bed: Testbed) -> None:
    """Add the measurement to the history."""
    history = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    servers = bed.servers
    versions = {one.name: one.version for one in (servers.etcd, servers.kube_apiserver, servers.bao)}
    history.append({**machine(), "versions": versions, **asdict(burst)})
    RESULTS.write_text(json.dumps(history, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Measure on a testbed of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1000, help="requests (default 1000)")
    parser.add_argument("--record", action="store_true", help=f"add the result to {RESULTS.name}")
    options = parser.parse_args()
    with Testbed(Options(approver=False)) as bed:
        bed.install_crds()
        bed.kube.apply([everything_policy(), *use_binding("everything", [EVERYBODY])])
        setup_pki(bed.vault)
        burst = measure(bed, options.count)
        print(burst)
        if options.record:
            record(burst, bed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
