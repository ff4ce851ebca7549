"""Paths of `agent.yaml`: compared by where they lead, and kept off what the agent itself needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import checked_agent_file, load_agent_file
from issuer.manifests.errors import BadInput
from tests.unit.agent.config.test_reading import refused

SERVER = "vault: {server: 'https://v:8200', login: {token: {file: ROOT/token}}}\n"
SET = "- {name: NAME, folder: ROOT/NAME, path: pki/sign/x, dnsNames: [x.example.com]MORE}\n"


def web(folder: str = "ROOT/web", name: str = "web", more: str = "") -> str:
    return SET.replace("ROOT/NAME", folder).replace("NAME", name).replace("MORE", more)


def told(tmp_path: Path, sets: str, rest: str = "") -> str:
    return refused(tmp_path, (SERVER + rest + "certificates:\n" + sets).replace("ROOT", str(tmp_path)))


def test_two_sets_share_no_folder_by_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "lnk").symlink_to("web")  # the folder need not be there
    found = told(tmp_path, web() + web("ROOT/lnk", "other"))
    assert 'certificates.1.folder: "lnk" is written by "web", too' in found
    assert 'files.0.name: "lnk/combined.pem" is written by "web", too' in found


def test_two_sets_share_no_folder_above_by_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    assert '"b/web" is written by "web", too' in told(tmp_path, web("ROOT/a/web") + web("ROOT/b/web", "o"))


def test_copy_is_no_file_of_a_set_by_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "lnk").symlink_to("web")
    more = ", copies: [{path: ROOT/lnk/tls.crt, kind: fullchain}]"
    assert 'copies.0.path: "lnk/tls.crt" is written by "web", too' in told(tmp_path, web(more=more))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("web/.generations/current", 'keeps the generations of "web"'),
        ("web/.generations/lock", 'keeps the generations of "web"'),
        ("web/.generations", 'keeps the generations of "web"'),
        ("lnk/.generations/lock", 'keeps the generations of "web"'),
        ("token", "is a credential of vault.login"),
        ("agent.yaml", "is this configuration"),
        ("state/token.json", "lies in stateFolder"),
        ("state/records/web.json", "lies in stateFolder"),
        ("state/consumers/app.json", "lies in stateFolder"),
        ("pid", 'is the pidFile of "nginx"'),
        ("run", 'is the program of "app"'),
    ],
)
def test_copy_lies_on_nothing_that_the_agent_needs(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "lnk").symlink_to("web")
    more = f", copies: [{{path: ROOT/{path}, kind: fullchain}}]"
    rest = (
        "stateFolder: ROOT/state\nconsumers:\n"
        "- {name: nginx, sets: [web], signal: {pidFile: ROOT/pid, exe: /usr/sbin/nginx}}\n"
        "- {name: app, sets: [web], command: [ROOT/run]}\n"
    )
    found = told(tmp_path, web(more=more), rest)
    assert "certificates.0.copies.0.path: " in found
    assert why in found


def test_set_lies_in_no_generations_and_no_state(tmp_path: Path) -> None:
    assert 'certificates.1.folder: "web/.generations" lies where' in told(
        tmp_path, web() + web("ROOT/web/.generations", "other")
    )
    assert 'certificates.0.folder: "web" lies in stateFolder' in told(
        tmp_path, web(), "stateFolder: ROOT/web\n"
    )
    assert 'stateFolder: "web/.generations/s" lies where' in told(
        tmp_path, web(), "stateFolder: ROOT/web/.generations/s\n"
    )


def test_copy_lies_in_no_usual_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "usual"))
    for name in ("token.json", "records/web.json"):
        found = told(tmp_path, web(more=f", copies: [{{path: ROOT/usual/{name}, kind: fullchain}}]"))
        assert 'lies in the state folder "usual", whose files are the agent\'s own' in found
    assert 'certificates.0.folder: "usual" lies in the state folder' in told(tmp_path, web("ROOT/usual"))


def test_login_may_read_what_a_set_keeps(tmp_path: Path) -> None:
    text = (
        "vault: {server: 'https://v:8200', login: {certificate: {certificateFile: ROOT/web/tls.crt, "
        "keyFile: ROOT/web/tls.key}}}\ncertificates:\n"
        "- {name: web, folder: ROOT/web, path: pki/sign/x, commonName: x.example.com}\n"
    )
    path = tmp_path / "agent.yaml"
    path.write_text(text.replace("ROOT", str(tmp_path)))
    assert isinstance(load_agent_file(str(path)), AgentFile)


def test_path_with_characters_of_no_path_is_refused() -> None:
    for bad in (r"/etc/\0", r"/etc/\ud800"):
        with pytest.raises(BadInput, match="characters that a path can't have"):
            checked_agent_file("x", (SERVER + "certificates:\n" + web(f'"{bad}"')).encode())
