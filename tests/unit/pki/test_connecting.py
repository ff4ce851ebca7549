"""Addresses and variables as people have them in their shell."""

from __future__ import annotations

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.server.calls import translated
from issuer.pki.server.connecting import connection_from, server_connection
from issuer.transport.errors import TLSFault
from issuer.vault.errors import InvalidConnection, UntrustedTLS

ADDRESS = "https://vault.example.test:8200"


@pytest.mark.parametrize("copied", ["/v1", "/v1/", "/ui", "/ui/vault/secrets"])
def test_an_address_with_the_path_of_a_page_is_refused_in_words(copied: str) -> None:
    with pytest.raises(BadInput, match=r"VAULT_ADDR is the server alone, without /(v1|ui); take"):
        connection_from({"VAULT_ADDR": ADDRESS + copied})


@pytest.mark.parametrize("path", ["", "/", "/vault", "/v1x"])
def test_other_paths_are_left_to_the_server(path: str) -> None:
    assert connection_from({"VAULT_ADDR": ADDRESS + path}).server == ADDRESS + path


@pytest.mark.parametrize("value", ["", "false", "0", "F"])
def test_verification_that_is_not_switched_off_is_no_mistake(value: str) -> None:
    assert connection_from({"VAULT_ADDR": ADDRESS, "VAULT_SKIP_VERIFY": value}).server == ADDRESS


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_verification_that_is_switched_off_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="TLS is always verified"):
        connection_from({"VAULT_ADDR": ADDRESS, "VAULT_SKIP_VERIFY": value})


def test_calls_about_a_server_as_a_whole_name_no_namespace() -> None:
    environment = {"VAULT_ADDR": ADDRESS, "VAULT_NAMESPACE": "team"}
    assert connection_from(environment).namespace == "team"
    assert server_connection(environment).namespace is None


def test_what_to_set_is_said_where_nothing_else_would_help() -> None:
    said = str(translated(UntrustedTLS("TLS failed"), written=False))
    assert "Nothing was changed; set VAULT_CACERT to the file of the CA" in said
    plain = UntrustedTLS("TLS failed", fault=TLSFault.NO_TLS)
    said = str(translated(plain, written=False))
    assert said == (
        "TLS failed. Nothing was changed. Correct the port, or the scheme, of its address; "
        "then run the same again"
    )
    said = str(translated(InvalidConnection("it must look so"), written=False))
    assert said == "VAULT_ADDR or VAULT_CACERT can't be used: it must look so. Nothing was changed"
