"""Many requests in many namespaces, and the series that a controller makes of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import load
from benchmarks.api import Api, Object
from issuer.telemetry.catalogue.whole import most_series, with_reasons
from testbed import certmanager
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.samples import EVERYBODY, use_binding
from testbed.samples import policy as policy_object
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.builders import REASON_LABELS
from tests.integration.support.common import (
    cluster_issuer_with_token,
    delete_all,
    delete_issuer,
    namespaced_issuer_with_token,
    only_policies,
    wait_ready,
)

ISSUER, TENANT, POLICY = "cardinality", "tenant", "cardinality"
ISSUERS, POLICIES = 2, 1
_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? \S+$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
# Of 20 requests one is denied, one refused by Vault, and one names an issuer that isn't there.
DENIED, REFUSED, GHOST = 17, 18, 19


@dataclass(frozen=True, slots=True)
class Seen:
    """What /metrics said when all was answered."""

    text: str
    issued: float
    denied: float
    failed: float
    open: float

    @property
    def series(self) -> set[tuple[str, str]]:
        """Name and labels of each series."""
        return {(found[1], found[2] or "") for found in _SAMPLE.finditer(self.text)}


async def flood(bed: Testbed, layout: PkiLayout, requests: int, namespaces: int, certificates: int) -> Seen:
    """Have so many requests of every outcome answered beside so many Certificates; what was exposed then."""
    names = [f"cardinality-{number:03d}" for number in range(namespaces)]
    for name in names:
        bed.create_namespace(name)
    token = setup_token(bed.vault, layout.policy, ttl="6h")
    cluster_issuer_with_token(bed, ISSUER, token)
    grant_issuer_access(bed, names[0], secrets=[f"{TENANT}-token"])
    namespaced_issuer_with_token(bed, TENANT, names[0], token)
    user = bed.service_account_token(certmanager.NAMESPACE, certmanager.CONTROLLER_ACCOUNT)
    allowed = {
        "dnsNames": {"values": [f"*.{DOMAIN}", "www.refused.test"]},
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    flags = ["--issuer-check-period=5"]
    with only_policies(bed, policy_object(POLICY, allowed)), ControllerProcess(bed, flags) as controller:
        bed.kube.apply(use_binding(POLICY, [EVERYBODY]))
        wait_ready(bed, ISSUER)
        wait_ready(bed, TENANT, names[0])
        async with Api(bed.server, bed.ca_file, bed.token) as admin:
            await _create(admin, load.CERTIFICATES, [_certificate(n, names) for n in range(certificates)])
        async with Api(bed.server, bed.ca_file, user) as api:
            await _create(api, load.REQUESTS, [_request(n, names) for n in range(requests)])
        seen = await _answered(controller, ghosts=len(range(GHOST, requests, 20)))
    delete_issuer(bed, ISSUER)
    delete_issuer(bed, TENANT, names[0])
    for one in use_binding(POLICY, [EVERYBODY]):
        bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])
    return seen


def _request(number: int, namespaces: Sequence[str]) -> Object:
    issuer = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": ISSUER}
    kind = number % 20
    if kind == GHOST:
        issuer["name"] = f"ghost-{number}"
    host = {DENIED: "www.elsewhere.test", REFUSED: "www.refused.test"}.get(kind, f"one.{DOMAIN}")
    return load.request(
        f"r-{number:05d}", namespaces[number % len(namespaces)], issuer, lambda _name: _csr(host)
    )


def _certificate(number: int, namespaces: Sequence[str]) -> Object:
    name = ISSUER if number % 2 else f"ghost-{number}"
    issuer = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": name}
    return load.certificate(f"c-{number:05d}", namespaces[number % len(namespaces)], issuer)


_CSRS: dict[str, bytes] = {}


def _csr(host: str) -> bytes:
    """One for each host: making them is not what this is about."""
    if host not in _CSRS:
        _CSRS[host] = load.csr_for(host)
    return _CSRS[host]


async def _create(api: Api, path: str, objects: Sequence[Object]) -> None:
    calls = [(path.format(one["metadata"]["namespace"]), one) for one in objects]
    await api.each("POST", calls, at_once=24)


async def _answered(controller: ControllerProcess, ghosts: int) -> Seen:
    """Wait until only those are open that name no issuer; as long as some get answers, however slowly."""
    left, stuck = -1.0, 0
    while stuck < 60:
        text = await asyncio.to_thread(controller.metrics)
        found = Seen(
            text,
            _value(text, "vault_issuer_requests_total", 'outcome="issued"'),
            _value(text, "vault_issuer_requests_total", 'outcome="denied"'),
            _value(text, "vault_issuer_requests_total", 'outcome="failed"'),
            _value(text, "vault_issuer_requests_open", ""),
        )
        waits = _value(text, "vault_issuer_queue_depth", "") + _value(
            text, "vault_issuer_requests_in_flight", ""
        )
        if found.open == ghosts and not waits:
            return found
        stuck = stuck + 1 if found.open == left else 0
        left = found.open
        await asyncio.sleep(1)
    raise AssertionError(f"{left} requests are open, and nothing goes on")


def _value(text: str, name: str, label: str) -> float:
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(name) and label in line)
    return sum(float(value) for series, _, value in lines if series.split("{")[0] == name)


def unbounded(seen: Seen) -> list[tuple[str, str, str]]:
    """Series with a label's value that is neither the code's nor of an issuer or policy that is there."""
    names = {"kind": {"VaultClusterIssuer", "VaultIssuer", ""}, "name": {ISSUER, TENANT, ""}}
    names |= {"namespace": {"cardinality-000", ""}, "policy": {POLICY, ""}}
    wrong, catalogue = [], with_reasons(REASON_LABELS)
    for series, labels in seen.series:
        entry = next((one for one in catalogue if series in _suffixed(one.name, one.kind)), None)
        if entry is None:
            if not series.startswith(("process_", "python_gc_")):
                wrong.append((series, "", ""))
            continue
        for label, value in _LABEL.findall(labels):
            allowed = set(entry.labels.get(label) or ()) or names.get(label, set())
            if label not in ("le", "version", "python") and value not in allowed:
                wrong.append((series, label, value))
    return wrong


def _suffixed(name: str, kind: str) -> set[str]:
    return {f"{name}{end}" for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}


def most() -> int:
    """What the arithmetic allows here."""
    return most_series(ISSUERS, POLICIES, REASON_LABELS)


def clear(bed: Testbed, namespaces: int) -> None:
    """Take the requests and Certificates away, so that no other test meets them."""
    for number in range(namespaces):
        for kind in ("Certificate", "CertificateRequest"):
            delete_all(bed, "cert-manager.io/v1", kind, f"cardinality-{number:03d}")
