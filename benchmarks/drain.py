"""Opens many watches of our requests and throws away what comes: `drain SERVER CA TOKEN_FILE COUNT`."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path

import aiohttp

from benchmarks.bareloop import PATH, SELECTOR


async def drain(server: str, ca: str, token: str, count: int) -> None:
    """Read `count` watches until they end; says when all are open."""
    tls = ssl.create_default_context(cafile=ca)
    opened = 0

    async def one(session: aiohttp.ClientSession, version: str) -> None:
        nonlocal opened
        async with session.get(f"{PATH}?watch=1&{SELECTOR}&resourceVersion={version}") as answer:
            answer.raise_for_status()
            opened += 1
            if opened == count:
                print("open", flush=True)
            async for _ in answer.content.iter_any():
                pass

    async with aiohttp.ClientSession(
        server,
        # A connection each, as replicas have: HTTP/1.1 gives every watch its own.
        connector=aiohttp.TCPConnector(ssl=tls, limit=0),
        headers={"Authorization": f"Bearer {token}"},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        async with session.get(f"{PATH}?limit=1") as answer:
            answer.raise_for_status()
            version = (await answer.json())["metadata"]["resourceVersion"]
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one(session, version))


if __name__ == "__main__":
    asyncio.run(drain(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text(), int(sys.argv[4])))
