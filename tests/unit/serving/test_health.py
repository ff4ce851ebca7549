"""The HTTP listener answers kubelet and Prometheus."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest

from issuer.serving.auth import Authenticator
from issuer.serving.health import PATH, HealthServer, Protection
from issuer.serving.tls import ServingCertificate
from issuer.telemetry.address import AddressError, parse_address
from issuer.telemetry.metrics import Metrics
from testbed.certs import write_server
from testbed.processes import free_port
from tests.unit.statuspage.serving import TOKEN, Reviewer


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


async def test_by_tls_metrics_need_a_token_whose_user_may_read_them_and_probes_need_none(
    tmp_path: Path,
) -> None:
    files, reviewer, port = write_server(tmp_path, "metrics"), Reviewer(), free_port()
    server = HealthServer(Metrics().registry)
    server.protection = Protection(ServingCertificate(files.cert, files.key), Authenticator(reviewer))
    await server.start(f"127.0.0.1:{port}")
    context = ssl.create_default_context(cafile=str(files.ca))
    try:
        async with aiohttp.ClientSession() as session:

            async def get(path: str, authorization: str = "", scheme: str = "https") -> tuple[int, str]:
                headers = {"Authorization": authorization} if authorization else {}
                url = f"{scheme}://127.0.0.1:{port}{path}"
                async with session.get(url, headers=headers, ssl=context) as answer:
                    if answer.status == 401:
                        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                    return answer.status, await answer.text()

            assert (await get("/healthz"))[0] == (await get("/readyz"))[0] == 200
            for wrong in ("", "Bearer", "Bearer  ", f"Basic {TOKEN}", TOKEN, "Bearer another"):
                status, text = await get(PATH, wrong)
                assert status == 401
                assert "vault_issuer" not in text
            assert "vault_issuer_leader 0.0" in (await get(PATH, f"bearer {TOKEN}"))[1]
            with pytest.raises(aiohttp.ClientError):
                await get("/healthz", scheme="http")
    finally:
        await server.close()


async def test_by_tls_a_user_without_the_right_reads_no_metrics(tmp_path: Path) -> None:
    files, reviewer, port = write_server(tmp_path, "metrics"), Reviewer(), free_port()
    reviewer.allowed = False
    server = HealthServer(Metrics().registry)
    server.protection = Protection(ServingCertificate(files.cert, files.key), Authenticator(reviewer))
    await server.start(f"127.0.0.1:{port}")
    context = ssl.create_default_context(cafile=str(files.ca))
    try:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
            session.get(f"https://127.0.0.1:{port}{PATH}", ssl=context) as answer,
        ):
            assert answer.status == 403
            assert "bind a ClusterRole with get of" in await answer.text()
    finally:
        await server.close()
