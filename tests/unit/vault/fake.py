"""A Vault of fakes on a loopback socket: it answers what it was told, and a call it wasn't told of fails the
test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from issuer.vault.connection import Connection
from issuer.vault.transport import VaultClient

# Answers recorded from OpenBao 2.7.2 (`bao server -dev`).
EMPTY_CSR = (400, {"errors": ['"csr" is empty']})
UNKNOWN_ROLE = (400, {"errors": ["unknown role: nope"]})
NO_ROUTE = (404, {"errors": ['no handler for route "nomount/sign/web". route entry not found.']})
UNSUPPORTED_PATH = (404, {"errors": ["1 error occurred:\n\t* unsupported path\n\n"]})
NO_NAMESPACE = (404, {"errors": ["namespace not found"]})
POLICY_DENIES = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
BAD_TOKEN = (403, {"errors": ["permission denied"]})
_NO_CA = "1 error occurred:\n\t* could not fetch the CA certificate (was one set?): "
NO_ISSUER = (500, {"errors": [_NO_CA + "unable to find PKI issuer for reference: nope\n\n"]})
NO_DEFAULT_ISSUER = (500, {"errors": [_NO_CA + "no default issuer currently configured\n\n"]})
_NO_KEY = "unable to fetch corresponding key for issuer c4c4cd61; unable to use this issuer for signing\n\n"
NO_CA_KEY = (500, {"errors": [_NO_CA + _NO_KEY]})
_MAY_NOT_ISSUE = (
    "1 error occurred:\n\t* error fetching CA certificate: error while attempting to use issuer 969f26e2: "
    "requested usage issuing-certificates for issuer [id:969f26e2] but only had usage read-only\n\n"
)
CA_MAY_NOT_ISSUE = (500, {"errors": [_MAY_NOT_ISSUE]})
_ENDS_FIRST = (
    "cannot satisfy request, as TTL would result in notAfter of 2026-11-25T10:23:24Z that is beyond the "
    "expiration of the CA certificate at 2026-11-24T10:22:38Z"
)
CA_ENDS_FIRST = (400, {"errors": [_ENDS_FIRST]})
_BRANCHES = (
    "1 error occurred:\n\t* verification of parsed bundle failed: certificate 4 of certificate chain ca "
    'trust path is incorrect ("Old Root"/"New Root") (1EE9335423E2/B505AED23FB0)\n\n'
)
BRANCHED_CHAIN = (500, {"errors": [_BRANCHES]})
_BOTH = "Either ttl or not_after should be provided. Both should not be provided in the same request."
ROLE_SETS_NOT_AFTER = (400, {"errors": [_BOTH]})
NAME_NOT_ALLOWED = (400, {"errors": ["common name x.other.test not allowed by this role"]})
WRONG_KEY_TYPE = (400, {"errors": ["role requires keys of type ec"]})
SEALED = (503, {"errors": ["Vault is sealed"]})
QUOTA = (429, {"errors": ['request path "pki/sign/web": rate limit quota exceeded']})
BAD_APPROLE = (400, {"errors": ["invalid role or secret ID"]})
NO_KUBERNETES_ROLE = (400, {"errors": ['invalid role name "nope"']})
KUBERNETES_NOT_CONFIGURED = (500, {"errors": ["could not load backend configuration"]})
NOT_RENEWABLE = (400, {"errors": ["lease is not renewable"]})
UNKNOWN_SERIAL = (400, {"errors": ["certificate with serial aa:bb not found."]})

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
SIGN = "POST /v1/pki/sign/web"
CHAIN = "GET /v1/pki/ca_chain"
ISSUERS = "/issuers?list=true"
"""The end of the call that lists a mount's issuers: none, until a test tells some."""
CAPABILITIES = "POST /v1/sys/capabilities-self"
"""What the token may do: nothing that is asked about, until a test says otherwise."""
ROLE = "GET /v1/pki/roles/web"
APPROLE_LOGIN = "POST /v1/auth/approle/login"
RENEW = "POST /v1/auth/token/renew-self"
LOOKUP = "GET /v1/auth/token/lookup-self"

Reply = tuple[int, Any] | Callable[["Call"], Any]


@dataclass
class Call:
    """One call as it came in."""

    what: str
    token: str | None
    namespace: str | None
    body: Any


def login(token: str, ttl: int = 3600, renewable: bool = True, uses: int = 0) -> tuple[int, Any]:
    """A login's or renewal's answer."""
    auth = {"client_token": token, "accessor": "acc", "lease_duration": ttl, "renewable": renewable}
    return 200, {"auth": {**auth, "num_uses": uses}}


def lookup(ttl: int, renewable: bool, uses: int = 0) -> tuple[int, Any]:
    """A token lookup's answer."""
    return 200, {"data": {"accessor": "acc", "ttl": ttl, "renewable": renewable, "num_uses": uses}}


def signed(serial: str = "aa:bb", lease: str = "") -> tuple[int, Any]:
    """A sign's answer."""
    return 200, {
        "lease_id": lease,
        "data": {
            "certificate": CERTIFICATE,
            "ca_chain": [CERTIFICATE],
            "issuing_ca": CERTIFICATE,
            "serial_number": serial,
        },
    }


@dataclass
class FakeVault:
    """Replies by "METHOD /path", each used in turn, the last one for good."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    _replies: dict[str, list[Reply]] = field(default_factory=dict)

    def tell(self, what: str, *replies: Reply) -> None:
        """Answer `what` with these from now on."""
        self._replies[what] = list(replies)

    def made(self, what: str) -> list[Call]:
        """The calls of `what` so far."""
        return [call for call in self.calls if call.what == what]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        text = await request.text()
        headers = request.headers
        call = Call(
            f"{request.method} {request.raw_path}",
            headers.get("X-Vault-Token"),
            headers.get("X-Vault-Namespace"),
            json.loads(text) if text else None,
        )
        self.calls.append(call)
        replies = self._replies.get(call.what)
        if not replies and call.what.endswith(ISSUERS):
            replies = [(200, {"data": {"keys": []}})]
        if not replies and call.what == CAPABILITIES:
            replies = [(200, {"data": {path: ["deny"] for path in call.body["paths"]}})]
        if not replies:
            self.untold.append(call.what)
            return web.Response(status=418, text="the fake wasn't told of this call")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        answer = reply(call) if callable(reply) else reply
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        status, body = answer
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)


@asynccontextmanager
async def fake_vault() -> AsyncIterator[FakeVault]:
    """A running fake; fails at the end if a call came that it wasn't told of."""
    vault = FakeVault()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vault.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vault.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vault
    finally:
        await runner.cleanup()
    assert not vault.untold, f"calls the fake wasn't told of: {vault.untold}"


@asynccontextmanager
async def client_of(vault: FakeVault, **more: Any) -> AsyncIterator[VaultClient]:
    """A client for the fake, closed at the end."""
    client = VaultClient(Connection(vault.url, **more))
    try:
        yield client
    finally:
        await client.close()


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
