"""JSON over verified HTTPS with kept connections; the one HTTP client of the testbed's helpers.

The standard library's: the product's own clients are what is tested, so the testbed doesn't use them.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from testbed.errors import HTTPError, TestbedError

TIMEOUT_SECONDS = 30.0


class JSONClient:
    """Calls one server; safe to use from several threads.

    Args:
        base: ``https://host:port``.
        ca_file: PEM file of the only CA that is trusted.
        headers: sent with every call (authorization).
    """

    def __init__(self, base: str, ca_file: str, headers: Mapping[str, str] | None = None) -> None:
        self.base = base
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._headers = dict(headers or {})
        self._idle: deque[http.client.HTTPSConnection] = deque()

    def close(self) -> None:
        """Close the kept connections; the client may still be used."""
        while self._idle:
            self._idle.pop().close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Any:
        """Send JSON, return the decoded answer (None for an empty one, text when it isn't JSON).

        Raises:
            HTTPError: the server answered with a status of 400 or more.
            TestbedError: it could not be reached.
        """
        data = None if body is None else json.dumps(body).encode()
        merged = {"Accept": "application/json", "Content-Type": "application/json", **self._headers}
        status, answer = self._exchange(method, path, data, {**merged, **(headers or {})}, timeout)
        decoded = _decode(answer)
        if status >= 400:
            raise HTTPError(method, f"{self.base}{path}", status, decoded)
        return decoded

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> tuple[int, bytes]:
        # A kept connection may have been closed by the server meanwhile; only then is a second attempt made.
        for kept in (self._take(), None):
            connection = kept or self._connect(timeout)
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                connection.request(method, path, body=data, headers=dict(headers))
                response = connection.getresponse()
                answer = response.read()
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError) as error:
                connection.close()
                if kept is not None:
                    continue
                raise TestbedError(f"{method} {self.base}{path}: {error}") from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise TestbedError(f"{method} {self.base}{path}: {error or type(error).__name__}") from error
            self._idle.append(connection)
            return response.status, answer
        raise AssertionError("the second attempt returns or raises")

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=timeout)

    def _take(self) -> http.client.HTTPSConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None


def _decode(answer: bytes) -> Any:
    if not answer:
        return None
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode(errors="replace")
