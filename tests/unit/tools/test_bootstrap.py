"""tools/bootstrap.py: packages are installed by uv, as pip is configured to, or else by pip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import bootstrap
from tools.bootstrap import uv_environment

PACKAGES = ["--require-hashes", "-r", "locks/dev.txt"]


def test_settings_of_pip_become_those_of_uv() -> None:
    told = "\n".join(
        [
            ":env:.cert='/etc/ssl/ca.crt'",
            ":env:.disable-pip-version-check='1'",
            ":env:.find-links='/opt/wheels /srv/wheels'",
            "global.index-url='https://pypi.example.com/simple'",
            "install.extra-index-url='\\nhttps://a.example.com/simple\\nhttps://b.example.com/simple'",
        ]
    )
    assert uv_environment(told) == {
        "SSL_CERT_FILE": "/etc/ssl/ca.crt",
        "UV_FIND_LINKS": "/opt/wheels,/srv/wheels",
        "UV_DEFAULT_INDEX": "https://pypi.example.com/simple",
        "UV_INDEX": "https://a.example.com/simple https://b.example.com/simple",
    }


def test_the_environment_comes_before_files() -> None:
    settings = ":env:.index-url='https://a.example.com'\nglobal.index-url='https://b.example.com'"
    assert uv_environment(settings) == {"UV_DEFAULT_INDEX": "https://a.example.com"}


@pytest.mark.parametrize("setting", ["global.proxy='http://proxy:3128'", "global.no-index='1'"])
def test_a_setting_that_uv_has_not_leaves_it_to_pip(setting: str) -> None:
    assert uv_environment(f":env:.cert='/etc/ssl/ca.crt'\n{setting}\n") is None


def test_pip_installs_what_uv_failed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []

    def failing(arguments: list[str]) -> bool:
        asked.append(("uv", arguments))
        return False

    def succeeding(arguments: list[str], _: int) -> bool:
        asked.append(("pip", arguments))
        return True

    monkeypatch.setattr(bootstrap, "install_by_uv", failing)
    monkeypatch.setattr(bootstrap, "install_by_pip", succeeding)
    assert bootstrap.install(PACKAGES, 150)
    assert asked == [("uv", PACKAGES), ("pip", PACKAGES)]


def test_uv_itself_is_installed_with_the_hashes_of_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    locks: list[str] = []

    def keeping(arguments: list[str], _: int) -> bool:
        assert arguments[:3] == ["--no-deps", "--require-hashes", "-r"]
        locks.append(Path(arguments[3]).read_text(encoding="utf-8"))
        return True

    monkeypatch.setattr(bootstrap, "install_by_pip", keeping)
    assert bootstrap.install_uv()
    first, *hashes = locks[0].splitlines()
    assert first.startswith("uv==")
    assert hashes
    assert all(line.strip().startswith(("--hash=sha256:", "#")) for line in hashes)


def test_nothing_is_told_on_the_output_that_a_shell_evaluates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def furnish() -> int:
        print("Setting up .venv")
        return 0

    monkeypatch.setattr(bootstrap, "furnish", furnish)
    assert bootstrap.main() == 0
    assert capsys.readouterr() == ("", "Setting up .venv\n")
