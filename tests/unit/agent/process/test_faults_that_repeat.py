"""Faults that last: what is asked for again and again is asked for ever less often, and told as it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import load_agent_file
from issuer.agent.errors import AgentError, DiskRefused
from issuer.agent.files.generations import GenerationFolder
from issuer.agent.hooks.records import ConsumerRecords
from issuer.agent.process.agent import Agent
from issuer.agent.process.records import Records
from issuer.agent.process.running import ConfigurationFile
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keepers.delivered import DeliveredAnswer, NotDelivered
from issuer.agent.renewal.looks import RenewalReason
from issuer.cli.agent import commands
from issuer.vault.errors import ServerError
from tests.unit.agent.process.test_telling import LIFE, Machine, made_at

FILE = {
    "vault": {"server": "https://vault.example.com", "login": {"token": {"file": "/token"}}},
    "certificates": [{"name": "web", "path": "pki/sign/web", "dnsNames": ["a.example.com"]}],
}


class Tokens:
    """No token; each login is refused with an answer that says when to come back."""

    token = None

    def __init__(self, retry_after: float | None) -> None:
        self.asked: list[float] = []
        self.now = 0.0
        self._retry_after = retry_after

    async def get(self) -> str:
        self.asked.append(self.now)
        error = ServerError("go away", status=503)
        error.retry_after = self._retry_after
        raise error


@pytest.mark.parametrize(("retry_after", "most"), [(3600.0, 2), (None, 25)])
async def test_login_that_fails_is_tried_ever_less_often(
    tmp_path: Path, retry_after: float | None, most: int
) -> None:
    tokens = Tokens(retry_after)
    session: Any = type("Session", (), {"client": None, "tokens": tokens})()
    file = AgentFile.model_validate(
        {**FILE, "certificates": [{**FILE["certificates"][0], "folder": str(tmp_path / "web")}]}  # type: ignore[index]
    )
    clock = ServerClock(ticks=lambda: tokens.now)
    agent = Agent(file, session, Records(tmp_path / "state"), clock, "machine")
    for _ in range(240):  # each quarter of a minute, as `agent run` does, for an hour
        await agent.keep_login()
        tokens.now += 15.0
    assert 1 <= len(tokens.asked) <= most


async def test_failure_is_told_where_no_record_can_be_written(tmp_path: Path) -> None:
    file = AgentFile.model_validate(
        {"vault": {"server": "https://v"}, "certificates": [_delivered(tmp_path, "web")]}
    )
    (tmp_path / "state").write_text("a file")
    session: Any = type("Session", (), {"client": None})()
    clock = ServerClock()
    clock.take(clock.skew)
    agent = Agent(file, session, Records(tmp_path / "state"), clock, "machine")
    assert await agent.step("web") is None
    assert "agent deliver web" in agent.errors["web"]


def _delivered(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "folder": str(folder / name), "delivered": True, **more}


@pytest.mark.parametrize(
    ("lack", "told"),
    [
        ("password", "can't be read"),
        ("empty", 'pw" is empty: write the password into it'),
        ("encoding", "not a password in UTF-8"),
        ("mark", "without a byte order mark"),
        ("owner", 'no user "nobody-here"'),
        ("room", "no space left"),
        ("symlinks", "the file system takes no symlinks: name a folder on another one"),
        ("modes", "the file system doesn't take mode 0600"),
    ],
)
async def test_what_can_not_be_written_is_not_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lack: str, told: str
) -> None:
    """Under cron each run would sign one, and revoke it."""
    machine = Machine(tmp_path)
    passwords = {
        "empty": b"\n",
        "encoding": "päss".encode("latin-1"),
        "mark": b"\xef\xbb\xbfpw",
        "password": None,
    }
    one: dict[str, Any] = {"name": "a.p12", "kind": "pkcs12"}
    if lack in passwords:
        one["passwordFile"] = str(tmp_path / "pw")
        if (password := passwords[lack]) is not None:
            (tmp_path / "pw").write_bytes(password)
    elif lack == "owner":
        one["owner"] = "nobody-here"
    elif lack == "room":
        monkeypatch.setattr(GenerationFolder, "prove_writable", _raising(DiskRefused("no space left")))
    else:  # as SMB shares and FAT do, which no test can mount
        call = {"symlinks": "symlink", "modes": "fchmod"}[lack]
        (tmp_path / "web").mkdir()
        (tmp_path / "web" / ".generations").mkdir()
        monkeypatch.setattr(f"issuer.agent.files.writing.os.{call}", _raising(OSError(95, "Not supported")))
    files = type(machine.keeper.spec).model_validate(
        {**FILE["certificates"][0], "folder": str(tmp_path / "web"), "files": [one]}  # type: ignore[index]
    )
    machine.keeper.spec = files
    for _ in range(3):
        with pytest.raises(AgentError, match=told):
            await machine.keeper.step()
    assert machine.signing.signed == machine.signing.revoked == []


def _raising(error: Exception) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise error

    return refuse


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("given", [{"owner": "0"}, {"group": "0"}])
async def test_owner_that_can_not_be_given_is_told_before_the_signing(given: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        machine = Machine(Path(folder))
        spec = {**FILE["certificates"][0], "folder": f"{folder}/web"}  # type: ignore[index]
        machine.keeper.spec = type(machine.keeper.spec).model_validate(
            {**spec, "files": [{"name": "a.pem", "kind": "combined", **given}]}
        )
        os.chown(folder, 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
        try:
            for call in (machine.keeper.step, machine.keeper.check):
                with pytest.raises(DiskRefused, match=r"can't be given to .*: only root may give files away"):
                    await call()
        finally:
            os.seteuid(0)
            os.setegid(0)
        assert machine.signing.signed == []


async def test_full_disk_is_noticed_before_the_signing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    await machine.keeper.step()
    machine.time += LIFE * 0.8

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("issuer.agent.files.writing.write_all", full)
        with pytest.raises(DiskRefused, match="the disk is full"):
            await machine.keeper.step()
    assert len(machine.signing.signed) == 1
    assert (await machine.keeper.step()).renewed is RenewalReason.DUE
    assert not [one for one in (tmp_path / "web" / ".generations").iterdir() if "room" in one.name]


async def test_delivered_certificate_that_ends_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, delivered=True)
    keeper: Any = machine.keeper
    made = made_at(machine.time)
    monkeypatch.setattr(keeper, "_verified", lambda _: (made, "aa"))
    keeper.deliver(DeliveredAnswer("", "", ""))
    assert (await keeper.step()).warnings == ()
    assert keeper.look().reason is None
    machine.time += LIFE * 0.8
    [warning] = (await keeper.step()).warnings
    assert "nothing new was delivered. Run: vault-issuer agent deliver web" in warning
    assert keeper.look().reason is RenewalReason.NOT_DELIVERED
    machine.time += LIFE
    with pytest.raises(NotDelivered, match="expired at"):
        await keeper.step()


def test_another_agent_that_tells_is_named(tmp_path: Path) -> None:
    """A hook that another process runs now was reported as told."""
    made = made_at(datetime.now(UTC).replace(microsecond=0))
    path = tmp_path / "agent.yaml"
    path.write_text(
        f"vault: {{server: 'https://127.0.0.1:9'}}\nstateFolder: {tmp_path}/state\n"
        f"caChains: [{{name: web, folder: {tmp_path}/web, delivered: true}}]\n"
        "consumers: [{name: app, sets: [web], user: root, command: [/bin/true]}]\n".replace(
            "user: root", f"user: {_user()}"
        )
    )
    path.chmod(0o600)
    answer = tmp_path / "answer.json"
    pem = made.leaf.public_bytes(Encoding.PEM).decode().replace("\n", "\\n")
    answer.write_text(f'{{"ca_chain": ["{pem}"]}}')
    words = ["deliver", "web", "--json", str(answer), "-c", str(path)]
    with ConsumerRecords(tmp_path / "state").telling("app"):
        ran = CliRunner().invoke(commands.app, words)
        assert ran.exit_code == 1
        assert "another agent is telling it now: run this again" in ran.output
    ran = CliRunner().invoke(commands.app, words)
    assert ran.exit_code == 0, ran.output
    assert "app: told" in ran.output


def _user() -> str:
    import getpass

    return getpass.getuser()


def test_ca_file_is_read_anew_when_it_changed(tmp_path: Path) -> None:
    ca, path = tmp_path / "ca.pem", tmp_path / "agent.yaml"
    first, second = (
        made_at(datetime.now(UTC).replace(microsecond=0)).leaf.public_bytes(Encoding.PEM) for _ in range(2)
    )
    ca.write_bytes(first)
    path.write_text(
        f"vault: {{server: 'https://v', caFile: {ca}}}\n"
        f"caChains: [{{name: c, folder: {tmp_path}/c, mount: p}}]\n"
    )
    path.chmod(0o600)
    watched = ConfigurationFile(str(path), load_agent_file, load_agent_file(str(path)))
    assert watched.changed() is None
    for bad in (b"nonsense", None):  # leaves the old one
        ca.unlink() if bad is None else ca.write_bytes(bad)
        assert watched.changed() is None
    ca.write_bytes(first + second)
    assert watched.changed() is not None
    assert watched.changed() is None
