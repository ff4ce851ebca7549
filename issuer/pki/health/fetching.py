"""Reads of the URLs that certificates carry: bounded in time and size, http and https alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from issuer.late_roots import aiohttp
from issuer.manifests.errors import BadInput
from issuer.pki.health.pointers import FetchedAnswer
from issuer.transport.failures import tls_cause, tls_reason

SECONDS: Final = 10
"""For one URL, redirects included."""
MAX_BYTES: Final = 16 << 20
"""Of one answer: a CRL of 27,000 entries, the most that raft stores in one piece, has 1 MiB."""
_REDIRECTS: Final = 3
_AT_ONCE: Final = 8


class URLReader:
    """Fetches URLs on one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def get(self, url: str) -> FetchedAnswer:
        """Fetch a URL."""
        return await self._send("GET", url, None, {})

    async def post_ocsp(self, url: str, request: bytes) -> FetchedAnswer:
        """Send an OCSP request (RFC 6960, appendix A.1)."""
        return await self._send("POST", url, request, {"Content-Type": "application/ocsp-request"})

    async def _send(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> FetchedAnswer:
        async with self._slots:
            try:
                async with self._session.request(
                    method, url, data=body, headers=headers, max_redirects=_REDIRECTS
                ) as response:
                    return await _read(response)
            except TimeoutError:
                return FetchedAnswer(problem=f"no answer within {SECONDS} s")
            except aiohttp.ClientConnectorDNSError:
                return FetchedAnswer(problem="its host name doesn't resolve")
            except (aiohttp.ClientSSLError, ssl.SSLError) as error:
                tls = tls_cause(error)
                return FetchedAnswer(problem=f"TLS fails: {tls_reason(tls) if tls else 'no handshake'}")
            except aiohttp.ClientConnectorError:
                return FetchedAnswer(problem="the connection is refused, or there is no route")
            except (aiohttp.ClientError, OSError, ValueError) as error:
                return FetchedAnswer(problem=f"it can't be fetched ({type(error).__name__})")


async def _read(response: aiohttp.ClientResponse) -> FetchedAnswer:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_BYTES:
            return FetchedAnswer(response.status, problem=f"it answers more than {MAX_BYTES >> 20} MiB")
    return FetchedAnswer(response.status, bytes(content))


@asynccontextmanager
async def url_reader(ca_pem: bytes | None) -> AsyncIterator[URLReader]:
    """Open a session that trusts the system's CAs and `ca_pem`, Vault's own. Raises BadInput."""
    trusted = ssl.create_default_context()
    if ca_pem:
        try:
            trusted.load_verify_locations(cadata=ca_pem.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError) as error:
            raise BadInput("VAULT_CACERT holds no certificates in PEM") from error
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=SECONDS),
        connector=aiohttp.TCPConnector(ssl=trusted, limit=_AT_ONCE),
        trust_env=True,
    ) as session:
        yield URLReader(session)
