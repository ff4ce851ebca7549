"""An endpoint counts as told only when no worker shows the old certificate any more."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest
from cryptography import x509

from issuer.agent.config.consumers import EndpointCheck
from issuer.agent.hooks import serving as serving_module
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed
from issuer.agent.hooks.serving import ServedCheck, verify_served
from issuer.endpoint.dialing import DialOptions
from tests.ca import TestCA, pem
from tests.unit.endpoint.support import server_context


@pytest.fixture
def ca() -> TestCA:
    return TestCA.make(datetime.now(UTC))


def worker(folder: Path, ca: TestCA, *above: str) -> tuple[ssl.SSLContext, x509.Certificate]:
    folder.mkdir()
    context = server_context(folder, ca, datetime.now(UTC), *above)
    return context, x509.load_pem_x509_certificates((folder / "tls.crt").read_bytes())[0]


@asynccontextmanager
async def serving(workers: list[ssl.SSLContext]) -> AsyncIterator[str]:
    """A server whose connections go to its workers in turn."""
    turns = cycle(range(1000))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(workers[next(turns) % len(workers)])
            await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def expected(address: str, leaf: x509.Certificate, handshakes: int = 8) -> ServedCheck:
    check = EndpointCheck.model_validate({"address": address, "handshakes": handshakes})
    return ServedCheck(check, leaf, has_chain=True)


async def test_one_old_worker_is_waited_for(tmp_path: Path, ca: TestCA) -> None:
    (old, _), (new, leaf) = worker(tmp_path / "old", ca), worker(tmp_path / "new", ca)
    workers = [new, new, new, old]
    async with serving(workers) as address:
        waiting = asyncio.create_task(verify_served([expected(address, leaf)], 60))
        done, _ = await asyncio.wait({waiting}, timeout=0.5)
        assert not done
        workers.remove(old)
        assert await waiting == ()


async def test_old_certificate_is_told_in_the_end(tmp_path: Path, ca: TestCA) -> None:
    (old, _), (_, leaf) = worker(tmp_path / "old", ca), worker(tmp_path / "new", ca)
    async with serving([old]) as address:
        with pytest.raises(ConsumerRefused, match=f"{address} still serves serial") as caught:
            await verify_served([expected(address, leaf)], 0.3)
    assert caught.value.may_be_the_files


async def test_nobody_there_is_told(tmp_path: Path, ca: TestCA) -> None:
    _, leaf = worker(tmp_path / "new", ca)
    async with serving([]) as address:
        pass
    with pytest.raises(ConsumerRefused, match="Unreachable"):
        await verify_served([expected(address, leaf)], 0.3)


async def test_chain_left_out_or_out_of_order_is_a_warning(tmp_path: Path, ca: TestCA) -> None:
    alone, leaf = worker(tmp_path / "alone", ca, "\n")
    async with serving([alone]) as address:
        [warning] = await verify_served([expected(address, leaf)], 60)
    assert "without its chain" in warning
    wrong, leaf = worker(tmp_path / "wrong", ca, pem(ca.root), pem(ca.intermediate))
    async with serving([wrong]) as address:
        [warning] = await verify_served([expected(address, leaf)], 60)
    assert "its chain is wrong: certificate 1 is not signed by certificate 2" in warning


async def test_silence_is_no_verdict_on_the_files(
    tmp_path: Path, ca: TestCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, leaf = worker(tmp_path / "new", ca)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.transport.abort()

    monkeypatch.setattr(serving_module, "DialOptions", lambda name, **_: DialOptions(name, seconds=0.1))
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(HookFailed, match="Timeout") as caught:
            await verify_served([expected(address, leaf)], 1.0)
    assert not caught.value.may_be_the_files


async def test_old_worker_that_accepts_for_a_moment_more_is_seen(
    tmp_path: Path, ca: TestCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nginx's do for 100 ms after a reload, while a new worker may take a whole row of handshakes."""
    _, leaf = worker(tmp_path / "new", ca)
    looks: list[float] = []
    old = serving_module._NotServed("old")

    async def look(_: ServedCheck) -> tuple[list[object], object]:
        looks.append(asyncio.get_running_loop().time())
        return [], old if looks[-1] - looks[0] > 0.1 and len(looks) < 20 else None

    monkeypatch.setattr(serving_module, "_look", look)
    await verify_served([expected("127.0.0.1:1", leaf)], 60)
    assert len(looks) > 20
