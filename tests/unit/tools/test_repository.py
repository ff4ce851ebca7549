"""The repository's address is the clone's own, without credentials, and never invented."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.repository import VARIABLE, repository, web_address


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (
            "https://git.example.com/platform/vault-issuer.git",
            "https://git.example.com/platform/vault-issuer",
        ),
        ("https://user:secret@git.example.com/a/b", "https://git.example.com/a/b"),
        ("https://git.example.com:8443/a/b/", "https://git.example.com:8443/a/b"),
        ("git@git.example.com:a/b.git", "https://git.example.com/a/b"),
        ("ssh://git@git.example.com:2222/a/b.git", "https://git.example.com/a/b"),
        ("ssh://git@git.example.com/a/b", "https://git.example.com/a/b"),
        ("http://git.example.com/a/b", None),
        ("https://git.example.com", None),
        ("/srv/git/vault-issuer.git", None),
        ("../main", None),
        ("", None),
    ],
)
def test_a_remote_is_an_address_without_credentials(remote: str, address: str | None) -> None:
    assert web_address(remote) == address


def test_the_variable_goes_before_the_clones_origin(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)

    git("init", "--quiet")
    assert repository({}, tmp_path) is None
    git("remote", "add", "origin", "git@git.example.com:a/b.git")
    assert repository({}, tmp_path) == "https://git.example.com/a/b"
    assert repository({VARIABLE: "https://git.example.com/c/d"}, tmp_path) == "https://git.example.com/c/d"
