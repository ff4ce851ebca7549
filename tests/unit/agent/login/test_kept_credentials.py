"""Credentials that Vault refuses for a while, or doesn't answer for: none is given up for that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from issuer.agent.config.login import VaultServer
from issuer.agent.login import kept
from issuer.agent.login.kept import KeptLogin
from issuer.agent.login.methods import LoginFromFiles, login_of
from issuer.agent.login.secretids import OwnSecretId, SecretIdFile, SecretIdRenewal
from issuer.agent.login.statefile import StateFile
from issuer.agent.login.ways import LoginWays, Refusals
from issuer.agent.login.wrapped import WrappedSecretId
from issuer.vault.connection import Connection
from issuer.vault.errors import LoginRefused, Unreachable, VaultError, VaultForbidden
from issuer.vault.login.methods import Token
from issuer.vault.transport import VaultClient

BEGIN = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Answers:
    """A login that gives prepared answers, the last one for ever."""

    name = "prepared"

    def __init__(self, *answers: VaultError | Token) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def login(self, client: VaultClient) -> Token:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, VaultError):
            raise answer
        return answer


def token(value: str) -> Token:
    return Token(value, ttl_seconds=60, renewable=False)


def refusal() -> LoginRefused:
    return LoginRefused("permission denied", method="AppRole", status=403)


@pytest.fixture
def client() -> VaultClient:
    return VaultClient(Connection("http://127.0.0.1:1"))


@pytest.fixture
def own(tmp_path: Path) -> SecretIdFile:
    file = SecretIdFile(StateFile(tmp_path, "secret-id", "of"))
    file.write(OwnSecretId("sid", "accessor", "2026-11-02T12:00:00Z", uses=1))
    return file


def ways(own: SecretIdFile, vault: Answers, folder: Path, now: Callable[[], datetime]) -> LoginWays:
    def credential() -> bytes | None:
        found = own.read()
        return None if found is None or found.is_spent else found.secret_id.encode()

    way = LoginFromFiles("own secret ID", lambda: vault, credential, own.mark_used, own.mark_refused)
    return LoginWays([way], Refusals(StateFile(folder, "refused", "of"), now), "enrol")


async def test_secret_id_of_one_use_is_tried_again_after_a_refusal(
    own: SecretIdFile, tmp_path: Path, client: VaultClient
) -> None:
    vault = Answers(refusal(), token("hvs.new"))
    now = BEGIN
    login = ways(own, vault, tmp_path, lambda: now)
    with pytest.raises(LoginRefused):
        await login.login(client)
    with pytest.raises(LoginRefused, match="the same one is tried again after"):
        await login.login(client)
    assert vault.asked == 1
    now += timedelta(minutes=1, seconds=1)
    assert (await login.login(client)).value == "hvs.new"
    kept_one = own.read()
    assert kept_one is not None
    assert kept_one.is_spent


async def test_refused_secret_id_is_replaced_once_there_is_a_token(own: SecretIdFile) -> None:
    class Session:
        def __init__(self) -> None:
            self.answers = [{"data": {"secret_id": "next", "secret_id_accessor": "b"}}, None]

        async def ask(self, _: object) -> object:
            return self.answers.pop(0)

    session: Any = Session()
    renewal = SecretIdRenewal("nas", "approle", own, lambda: BEGIN)
    assert not await renewal.keep(session)
    own.mark_refused()
    assert await renewal.keep(session)
    made = own.read()
    assert made is not None
    assert made.secret_id == "next"
    assert not made.refused


async def test_kept_token_is_tried_again_until_vault_answers(
    tmp_path: Path, client: VaultClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path, "token", "of")
    file.write(b"hvs.good")
    away: VaultError = Unreachable("away", sent=False)
    vault, other = Answers(away, token("hvs.good")), Answers(refusal())
    monkeypatch.setattr(kept, "StaticToken", lambda _: vault)
    login = KeptLogin(other, file)
    with pytest.raises(Unreachable):
        await login.login(client)
    assert (await login.login(client)).value == "hvs.good"
    assert other.asked == 0


async def test_refused_token_is_tried_once(
    tmp_path: Path, client: VaultClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path, "token", "of")
    file.write(b"hvs.bad")
    vault, other = Answers(VaultForbidden("permission denied", status=403)), Answers(token("hvs.new"))
    monkeypatch.setattr(kept, "StaticToken", lambda _: vault)
    login = KeptLogin(other, file)
    assert [(await login.login(client)).value for _ in range(2)] == ["hvs.new"] * 2
    assert (vault.asked, other.asked) == (1, 2)


@pytest.mark.parametrize(
    "data", ["s-1\r\n".encode("utf-16"), b"\xef\xbb\xbfs-1", b"Key  Value\nsecret_id  s-1\n", b"s\0"]
)
async def test_credential_that_is_not_one_line_of_text_is_told(tmp_path: Path, data: bytes) -> None:
    """As PowerShell's > writes it, or without -field. Vault said that the secret ID is invalid."""
    file = tmp_path / "secret-id"
    file.write_bytes(data)
    vault = VaultServer.model_validate(
        {
            "server": "https://vault.example.com",
            "login": {"appRole": {"roleId": "r", "secretIdFile": str(file)}},
        }
    )
    assert vault.login is not None
    method = login_of(vault, vault.login, tmp_path / "state", lambda: BEGIN).method
    nobody: Any = None  # is asked
    with pytest.raises(LoginRefused, match=r'secret-id", which the login needs, holds more than one line'):
        await method.login(nobody)
    with pytest.raises(LoginRefused, match="is damaged"):
        WrappedSecretId.parse(data)
