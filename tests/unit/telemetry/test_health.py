"""The HTTP listener answers kubelet and Prometheus."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from issuer.telemetry.address import AddressError, parse_address
from issuer.telemetry.health import HealthServer
from issuer.telemetry.metrics import Metrics


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:9402", ("127.0.0.1", 9402)),
        (":9402", ("0.0.0.0", 9402)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_addresses_are_host_and_port(text: str, wanted: tuple[str, int]) -> None:
    assert parse_address(text) == wanted


@pytest.mark.parametrize("text", ["", "9402", "host:", "host:port", "host:70000", "host:-1"])
def test_other_addresses_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=r"127\.0\.0\.1:9402"):
        parse_address(text)


async def test_readiness_tells_what_is_wrong_and_metrics_are_served() -> None:
    metrics = Metrics()
    server = HealthServer(metrics.registry)
    trouble: str | None = "not listed yet: VaultIssuer"
    server.live["loop"] = lambda: None
    server.ready["watches"] = lambda: trouble
    address = f"127.0.0.1:{free_port()}"
    await server.start(address)
    try:
        async with aiohttp.ClientSession() as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(f"http://{address}{path}") as answer:
                    return answer.status, await answer.text()

            assert await get("/healthz") == (200, "[+] loop: ok\n")
            assert await get("/readyz") == (503, "[-] watches: not listed yet: VaultIssuer\n")
            trouble = None
            assert await get("/readyz") == (200, "[+] watches: ok\n")
            status, text = await get("/metrics")
            assert status == 200
            assert "vault_issuer_leader 0.0" in text
            assert "process_resident_memory_bytes" in text
    finally:
        await server.close()


def test_the_series_of_a_deleted_issuer_go_with_it() -> None:
    metrics = Metrics()
    metrics.issuers.checked(("VaultIssuer", "a", "b"), ready=True, ca_ends=None)
    metrics.forget_issuer("VaultIssuer", "a", "b")
    metrics.forget_issuer("VaultIssuer", "a", "b")
    assert (
        metrics.registry.get_sample_value(
            "vault_issuer_issuer_ready", {"kind": "VaultIssuer", "namespace": "a", "name": "b"}
        )
        is None
    )
