"""A fake of a Vault that nobody has initialised, and `pki init` run on it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from issuer.pki.initialising.first_start import FirstStart
from issuer.vault.errors import VaultForbidden
from tests.pki.files import TWO_TIER

ROOT: Final = "hvs.root"
LOGIN: Final = "hvs.login"
_DATA: Final[dict[str, dict[str, Any]]] = {
    ROOT: {"policies": ["root"], "accessor": "root-accessor"},
    LOGIN: {
        "policies": ["default", "vault-issuer-admin"],
        "orphan": True,
        "accessor": "login-accessor",
        "expire_time": "2026-11-28T00:00:00Z",
    },
}


class NewServer:
    """Answers what the first hour asks. `at` has what happens at a call `METHOD path` of a token first."""

    def __init__(self) -> None:
        self.initialised = False
        self.revoked: set[str] = set()
        self.at: dict[tuple[str, str], Callable[[], Awaitable[None]]] = {}

    def adapter(self, token: str = "") -> _Adapter:
        """Calls as a token, as VaultClient has them."""
        return _Adapter(self, token)

    def fails(self, call: str, error: Exception, token: str = ROOT) -> None:
        """Fail each such call."""

        async def fail() -> None:
            raise error

        self.at[call, token] = fail

    def signals(self, call: str, *sent: signal.Signals, token: str = ROOT) -> None:
        """Send signals to this process during such a call, each after the one before has had its effect."""

        async def send() -> None:
            for number in sent:
                os.kill(os.getpid(), number)
                for _ in range(20):
                    await asyncio.sleep(0)

        self.at[call, token] = send

    def answer(self, call: str, token: str) -> dict[str, Any]:
        """Answer a call."""
        if token in self.revoked:
            raise VaultForbidden("permission denied", status=403)
        if call == "POST sys/init":
            self.initialised = True
            return {"keys": ["aa", "bb", "cc"], "root_token": ROOT}
        if call == "POST auth/token/revoke-self":
            self.revoked.add(token)
        answers: dict[str, dict[str, Any]] = {
            "GET sys/seal-status": {"initialized": self.initialised, "sealed": False},
            "POST sys/unseal": {"sealed": False},
            "GET auth/token/lookup-self": {"data": _DATA.get(token)},
            "GET sys/policies/acl/vault-issuer-admin": {"data": {"policy": ""}},
            "POST auth/token/create-orphan": {"auth": {"client_token": LOGIN}},
            "LIST auth/token/accessors/": {"data": {"keys": ["root-accessor", "login-accessor"]}},
        }
        return answers.get(call, {})


class _Adapter:
    def __init__(self, server: NewServer, token: str) -> None:
        self._server = server
        self._token = token

    async def get(self, url: str) -> Any:
        return await self.request("GET", url)

    async def post(self, url: str, json: Any = None) -> Any:
        return await self.request("POST", url, json=json)

    async def request(self, method: str, url: str, json: Any = None) -> Any:
        call = f"{method} {url.removeprefix('/v1/')}"
        if (call, self._token) in self._server.at:
            await self._server.at[call, self._token]()
        return self._server.answer(call, self._token)


@dataclass
class FirstHour:
    """A fake server, and the command with files in a folder."""

    server: NewServer
    folder: Path
    output: str = field(default="", repr=False)

    @property
    def admin(self) -> Path:
        """The file of the admin login."""
        return self.folder / "admin"

    @property
    def root(self) -> Path:
        """The file of a root token that stays."""
        return self.folder / "admin.root-token"

    def files(self) -> dict[str, str]:
        """Names and texts of the files for shares."""
        return {one.name: one.read_text() for one in sorted((self.folder / "shares").iterdir())}

    def init(self, *, shares: str = "shares", goes_on: bool = False) -> int:
        """Run it to its end, keep what it printed, return its code; a traceback is raised."""
        given = ["--continue"] if goes_on else ["--shares", "3", "--shares-to-files", self.folder / shares]
        words = ["pki", "init", "-f", self.folder / "pki.yaml", "--yes", "--admin-to", self.admin, *given]
        variables = {"VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN": "", "BAO_TOKEN": "", "T": "t"}
        ran = CliRunner().invoke(app, [str(one) for one in words], env=variables, input=ROOT)
        self.output = ran.output
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return ran.exit_code


def first_hour(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FirstHour:
    """Return a command whose connection leads to the fake, where every foundation is there already."""
    server = NewServer()

    @asynccontextmanager
    async def connected(_: object) -> AsyncIterator[NewServer]:
        yield server

    async def nothing(*_: object) -> tuple[str, str, bool]:
        return "", "", False

    monkeypatch.setattr("issuer.pki.server.connecting.connected", connected)
    monkeypatch.setattr("issuer.pki.server.state.check_state", nothing)
    monkeypatch.setattr(FirstStart, "_foundation", nothing)
    (folder / "pki.yaml").write_text(TWO_TIER)
    return FirstHour(server, folder)
