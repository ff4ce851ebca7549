"""An administrator's calls to a Vault or OpenBao, wherever it runs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.errors import TestbedError
from testbed.jsonhttp import JSONClient


class VaultClient:
    """Calls one server as root.

    Attributes:
        addr: ``https://HOST:PORT``; empty as long as it isn't known.
        token: the root token.
        ca_file: PEM of the CA of its listener.
    """

    def __init__(self, addr: str, token: str, ca_file: Path) -> None:
        self.addr = addr
        self.token = token
        self.ca_file = ca_file
        self._http: JSONClient | None = None

    def _connect(self) -> None:
        self._http = JSONClient(self.addr, str(self.ca_file))

    def disconnect(self) -> None:
        """Close kept connections."""
        if self._http is not None:
            self._http.close()

    @property
    def ca_pem(self) -> str:
        """PEM text of the CA of its listener."""
        return self.ca_file.read_text()

    @property
    def ca_bundle(self) -> str:
        """The same in base64, as ``spec.vault.caBundle`` wants it."""
        return base64.b64encode(self.ca_pem.encode()).decode()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One call of ``/v1/PATH`` as root, or with another ``token`` ("" for none).

        Raises:
            HTTPError: with ``status`` and, in ``body``, Vault's ``errors``.
        """
        if self._http is None and self.addr:
            self._connect()
        if self._http is None:
            raise TestbedError("OpenBao was not started")
        chosen = self.token if token is None else token
        auth = {"X-Vault-Token": chosen} if chosen else {}
        answer = self._http.call(method, f"/v1/{path}", body, headers={**auth, **(headers or {})})
        return answer if isinstance(answer, dict) else {}

    def write(self, path: str, body: Mapping[str, Any], *, token: str | None = None) -> dict[str, Any]:
        """POST; returns the answer's ``data`` (empty when there is none)."""
        return self.call("POST", path, body, token=token).get("data") or {}

    def read(self, path: str, *, token: str | None = None) -> dict[str, Any]:
        """GET; returns the answer's ``data``."""
        return self.call("GET", path, token=token).get("data") or {}

    def delete(self, path: str) -> None:
        """DELETE."""
        self.call("DELETE", path)
