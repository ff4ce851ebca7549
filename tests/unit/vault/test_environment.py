"""What the variables of `vault` and `bao` name, and what is said of those that aren't obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.vault.connection import DEFAULT_TIMEOUT_SECONDS
from issuer.vault.environment import HEEDED, UNHEEDED, BadVariable, server_from, unheeded
from testbed.certs import ClientCA
from tests.unit.docs.collected import ROOT

ADDRESS = {"VAULT_ADDR": "https://vault.example.test:8200"}
PAGE = (ROOT / "docs" / "cli.md").read_text()


@pytest.mark.parametrize("name", [*HEEDED, *UNHEEDED])
def test_the_page_tells_each_variable(name: str) -> None:
    assert f"`VAULT_{name}`" in PAGE


def test_the_first_of_file_text_and_folder_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_text("-----BEGIN one")
    (tmp_path / "two.pem").write_text("-----BEGIN two\n")
    (tmp_path / "link").symlink_to("two.pem")
    (tmp_path / "below").mkdir()
    found = {**ADDRESS, "VAULT_CAPATH": str(tmp_path)}
    assert server_from(found).ca_pem == b"-----BEGIN two\n-----BEGIN one\n"
    found["VAULT_CACERT_BYTES"] = "text"
    assert server_from(found).ca_pem == b"text"
    found["VAULT_CACERT"] = str(tmp_path / "one.pem")
    assert server_from(found).ca_pem == b"-----BEGIN one"
    assert server_from(ADDRESS).ca_pem is None


def test_a_folder_without_a_certificate_is_no_trust(tmp_path: Path) -> None:
    with pytest.raises(BadVariable, match=r"no file in .* holds a certificate"):
        server_from({**ADDRESS, "VAULT_CAPATH": str(tmp_path)})
    with pytest.raises(BadVariable, match=r"VAULT_CAPATH: .* can't be read: No such file"):
        server_from({**ADDRESS, "VAULT_CAPATH": str(tmp_path / "not")})


def test_a_client_certificate_is_a_pair_that_belongs_together(tmp_path: Path) -> None:
    ca = ClientCA("clients")
    for name in ("a", "b"):
        pair = ca.issue(name)
        (tmp_path / f"{name}.crt").write_text(pair.certificate)
        (tmp_path / f"{name}.key").write_text(pair.key)
    given = {**ADDRESS, "BAO_CLIENT_CERT": str(tmp_path / "a.crt")}
    with pytest.raises(BadVariable, match="VAULT_CLIENT_KEY is not set"):
        server_from(given)
    with pytest.raises(BadVariable, match="does not belong to"):
        server_from({**given, "VAULT_CLIENT_KEY": str(tmp_path / "b.key")})
    found = server_from({**given, "VAULT_CLIENT_KEY": str(tmp_path / "a.key")})
    assert found.client_certificate is not None


@pytest.mark.parametrize(("text", "timeout"), [("", DEFAULT_TIMEOUT_SECONDS), ("90", 90), ("2m", 120)])
def test_a_timeout_is_seconds_or_a_duration(text: str, timeout: float) -> None:
    assert server_from({**ADDRESS, "VAULT_CLIENT_TIMEOUT": text}).timeout == timeout


@pytest.mark.parametrize("text", ["0", "-5s", "soon", "2h"])
def test_a_timeout_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadVariable, match="VAULT_CLIENT_TIMEOUT is"):
        server_from({**ADDRESS, "VAULT_CLIENT_TIMEOUT": text})


def test_a_proxy_is_an_http_one_and_not_shown() -> None:
    given = {**ADDRESS, "VAULT_HTTP_PROXY": "http://user:password@proxy:3128"}
    found = server_from(given)
    assert found.proxy == "http://user:password@proxy:3128"
    assert "password" not in repr(found)
    assert server_from({**given, "VAULT_PROXY_ADDR": "other:3128"}).proxy == "http://other:3128"
    with pytest.raises(BadVariable, match="VAULT_PROXY_ADDR is no http proxy's URL"):
        server_from({**given, "VAULT_PROXY_ADDR": "socks5://proxy"})


def test_what_is_not_obeyed_is_named_by_the_variable_that_is_set() -> None:
    assert list(unheeded(ADDRESS)) == []
    told = list(unheeded({"BAO_AGENT_ADDR": "x", "VAULT_TOKEN": "secret"}, {"TOKEN": "give a file"}))
    assert told == [
        "BAO_AGENT_ADDR is set and not obeyed here: the server is that of VAULT_ADDR",
        "VAULT_TOKEN is set and not obeyed here: give a file",
    ]
