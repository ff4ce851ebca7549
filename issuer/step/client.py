"""The calls of step-ca that an issuer makes, each sent once.

Source: step-ca 0.30.2, `api/api.go`, `api/sign.go`, `api/revoke.go`, `api/crl.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from issuer.duration import format_duration
from issuer.step.connection import STEP_WORDS, StepConnection
from issuer.step.provisioners import ProvisionerSearch
from issuer.step.tokens import REVOKE_PATH, SIGN_PATH
from issuer.step.translate import error_from_answer
from issuer.transport.clocks import answered_at
from issuer.transport.errors import UnexpectedAnswer
from issuer.transport.failures import Answer, json_object
from issuer.transport.sender import Sender
from issuer.transport.sending import Ask

_PAGE: Final = 100
MAX_PAGES: Final = 20
"""The most pages of provisioners that are read, of a hundred each."""
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class SignedChain:
    """A certificate and the CAs above it that step-ca sent along, each as PEM; the root is not among them."""

    leaf_pem: str = field(repr=False)
    chain_pems: tuple[str, ...] = field(repr=False)


class StepClient:
    """One step-ca. Nothing is sent before the first call. Raises InvalidConnection.

    `skew` is the server's clock less ours at its last answer, to about a second; None before the first.
    """

    def __init__(
        self, connection: StepConnection, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.connection = connection
        self.skew: timedelta | None = None
        self._sender = Sender(connection)
        self._now = now

    async def health(self) -> None:
        """Return if step-ca says that it is well. Raises StepError."""
        path = "/health"
        if (await self._get(path)).get("status") != "ok":
            raise UnexpectedAnswer(f"The answer to GET {path} does not say that step-ca is well")

    async def find_provisioner(self, name: str, kid: str) -> ProvisionerSearch:
        """Look for one provisioner, page by page until it is found. Raises StepError."""
        search = ProvisionerSearch(name, kid)
        cursor = ""
        for _ in range(MAX_PAGES):
            query = urlencode({"limit": _PAGE, **({"cursor": cursor} if cursor else {})})
            page = await self._get(f"/provisioners?{query}")
            listed = page.get("provisioners")
            if isinstance(listed, list) and len(listed) > _PAGE:
                raise UnexpectedAnswer(
                    f"The answer to GET /provisioners lists more than the {_PAGE} that were asked for"
                )
            search.read(listed)
            cursor = page.get("nextCursor") or ""
            if search.found is not None or not isinstance(cursor, str) or not cursor:
                return search
        raise UnexpectedAnswer(f"step-ca lists more than {MAX_PAGES * _PAGE} provisioners")

    async def encrypted_key(self, kid: str) -> str:
        """Return the private key of a provisioner as a compact JWE. Raises StepError."""
        path = f"/provisioners/{quote(kid, safe='')}/encrypted-key"
        key = (await self._get(path)).get("key")
        if not isinstance(key, str) or not key:
            raise UnexpectedAnswer(f"The answer to GET {path} holds no key")
        return key

    async def roots(self) -> tuple[str, ...]:
        """Return the CA's roots as PEM. Raises StepError."""
        return await self._certificates("/roots")

    async def intermediates(self) -> tuple[str, ...]:
        """Return the CAs below the root as PEM, the one that signs first. Raises StepError."""
        return await self._certificates("/intermediates")

    async def crl(self) -> bytes:
        """Return the CRL as DER. Raises StepNotFound where none is made, and other StepErrors."""
        path = "/crl"
        return (await self._send("GET", path, None)).body

    async def sign(
        self, csr_pem: str, token: str, life: timedelta | None, before: Ask | None = None
    ) -> SignedChain:
        """Have one request signed for a whole number of seconds, or the CA's usual life.

        `before` is called when it is connected, before the first byte; what it raises passes through. Raises
        StepError.
        """
        body = {"csr": csr_pem, "ott": token}
        if life is not None:
            body["notAfter"] = format_duration(timedelta(seconds=max(1, int(life.total_seconds()))))
        where = f"POST {SIGN_PATH}"
        answer = _object(where, await self._send("POST", SIGN_PATH, body, before))
        chain = answer.get("certChain") or [answer.get("crt"), answer.get("ca")]
        pems = _pems(where, chain)
        return SignedChain(pems[0], pems[1:])

    async def revoke(self, serial: int, token: str) -> None:
        """Revoke passively: the certificate is not renewed, and stands in the CRL if there is one. Raises
        StepError."""
        body = {"serial": str(serial), "ott": token, "reasonCode": 0, "passive": True}
        await self._send("POST", REVOKE_PATH, body)

    async def tls_names(self) -> tuple[str, ...]:
        """Return the names in the server's TLS certificate, none where they aren't to be had."""
        return await self._sender.tls_names()

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    async def _certificates(self, path: str) -> tuple[str, ...]:
        answer = await self._send("GET", path, None)
        pems = _pems(f"GET {path}", _object(f"GET {path}", answer).get("crts"))
        self._sender.show(answer, "".join(pems))
        return pems

    async def _get(self, path: str) -> dict[str, Any]:
        return _object(f"GET {path}", await self._send("GET", path, None))

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, before: Ask | None = None
    ) -> Answer:
        content = None if body is None else orjson.dumps(body)
        answer = await self._sender.send(method, path, _JSON if content else {}, content, before)
        self._note_clock(answer)
        if answer.status >= 400:
            raise error_from_answer(f"{method} {path.partition('?')[0]}", answer)
        return answer

    def _note_clock(self, answer: Answer) -> None:
        told = answered_at(answer.headers)
        if told is not None:
            self.skew = told - self._now()


def _object(where: str, answer: Answer) -> dict[str, Any]:
    return json_object(where, answer, STEP_WORDS.product)


def _pems(where: str, found: Any) -> tuple[str, ...]:
    texts = tuple(one for one in found if isinstance(one, str) and one) if isinstance(found, list) else ()
    if not texts:
        raise UnexpectedAnswer(f"The answer to {where} holds no certificate", status=200)
    return tuple(f"{one.strip()}\n" for one in texts)
