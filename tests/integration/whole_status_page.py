"""The status page on a real cluster while 20,000 requests wait; takes minutes.

It prints the figures that docs/status-page.md tells, which depend on the machine. Not collected with the
other tests: `make test-status-page`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from benchmarks import load
from benchmarks.api import Api
from issuer.statuspage.model import PAGE
from testbed import certmanager
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.processes import free_port

REQUESTS, SECONDS = 20_000, 20.0
LISTS = ("/events", "/events?page=2", "/events?state=line", "/events?q=r-1999")
GHOST = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "no-such-issuer"}


async def fetch(session: aiohttp.ClientSession, url: str) -> tuple[float, str]:
    """Seconds and text of an answer."""
    began = time.perf_counter()
    async with session.get(url) as got:
        assert got.status == 200
        text = await got.text()
    return time.perf_counter() - began, text


async def first_news(session: aiohttp.ClientSession, url: str) -> float:
    """Seconds until a stream brings the page's parts."""
    began = time.perf_counter()
    async with session.get(url) as got:
        async for line in got.content:
            if line.startswith(b"data: "):
                return time.perf_counter() - began
    raise AssertionError("the stream ended")


async def healthz(controller: ControllerProcess) -> tuple[float, float]:
    """The 99th percentile of its answers' milliseconds, and the share of a core, over some seconds."""
    took: list[float] = []
    began, cpu = time.perf_counter(), controller.cpu_seconds()
    while time.perf_counter() < began + SECONDS:
        asked = time.perf_counter()
        assert await asyncio.to_thread(controller.probe, "healthz") == 200
        took.append((time.perf_counter() - asked) * 1000)
        await asyncio.sleep(0.02)
    share = (controller.cpu_seconds() - cpu) / (time.perf_counter() - began)
    return sorted(took)[len(took) * 99 // 100], share


@asynccontextmanager
async def watched(session: aiohttp.ClientSession, url: str) -> AsyncIterator[None]:
    """Somebody reads a stream."""

    async def read() -> None:
        async with session.get(url) as got:
            async for _ in got.content:
                pass

    task = asyncio.create_task(read())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
async def test_20000_requests_that_wait_and_four_who_watch(
    bed: Testbed, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    user = bed.service_account_token(certmanager.NAMESPACE, certmanager.CONTROLLER_ACCOUNT)
    csr = load.one_csr()
    flags = [f"--status-address=127.0.0.1:{port}"]
    reader = aiohttp.ClientSession(read_bufsize=1 << 22)
    with ControllerProcess(bed, flags) as controller:
        async with reader as session, Api(bed.server, bed.ca_file, user) as api:
            made = [load.request(f"r-{n:05d}", namespace, GHOST, lambda _: csr) for n in range(REQUESTS)]
            await api.each("POST", [(load.REQUESTS.format(namespace), one) for one in made], at_once=24)
            await settled(session, url)
            alone, idle = await healthz(controller)
            first, text = await fetch(session, url)
            live = await first_news(session, f"{url}/events")
            search, found = await fetch(session, f"{url}/?q=r-1999")
            async with AsyncExitStack() as viewers:
                for one in LISTS:
                    await viewers.enter_async_context(watched(session, url + one))
                beside, share = await healthz(controller)
    with capsys.disabled():
        print(
            f"\n  {REQUESTS} wait: the first page {first:.2f} s and {len(text.encode()) / 1000:.0f} kB, "
            f"live in {live:.2f} s, a search {search:.2f} s; four lists watched take {share:.1%} of a core "
            f"({idle:.1%} before), and /healthz {beside:.0f} ms at the 99th percentile ({alone:.0f} before)"
        )
    assert found.count(f"{namespace}/r-1999") >= min(PAGE, 10)


async def settled(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until all of them wait, as long as anything goes on."""
    last, stuck = "", 0
    while stuck < 60:
        _, text = await fetch(session, url)
        if f"{REQUESTS:,} requests, each with its reason below" in text:
            _, line = await fetch(session, f"{url}/?state=line")
            if "Nothing is queued." in line:
                return
        stuck, last = (stuck + 1, last) if text == last else (0, text)
        await asyncio.sleep(1)
    raise AssertionError("not all requests wait, and nothing goes on")
