"""Commands of published setups, as people type them, on a real OpenBao: what they did and what was ignored.

Comments in the examples of config/pki tell each of these, above the key that says what was meant.
"""

from __future__ import annotations

import ssl
import urllib.request
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from testbed.errors import HTTPError
from tests.pki.cas import root
from tests.pki.support import Vault


@pytest.fixture
def mounts(vault: Vault) -> tuple[str, str]:
    """Return two PKI mounts, the first with a root, as the commands make them but for the type of its key."""
    upper, lower = f"{vault.name}-pki", f"{vault.name}-int"
    for mount, longest in ((upper, "87600h"), (lower, "43800h")):
        vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki"})
        vault.bao.write(f"sys/mounts/{mount}/tune", {"max_lease_ttl": longest})
    body = {"common_name": "Root CA", "issuer_name": "root-2024", "ttl": "87600h", "key_type": "ec"}
    vault.bao.write(f"{upper}/root/generate/internal", body)
    return upper, lower


def warnings(vault: Vault, path: str, body: dict[str, Any]) -> str:
    return " ".join(vault.bao.call("POST", path, body).get("warnings") or ())


def intermediate(vault: Vault, mounts: tuple[str, str], name: str = "int-2024") -> str:
    """Make an intermediate as the commands do; return the warnings of its generation."""
    upper, lower = mounts
    body = {"common_name": "Intermediate CA", "issuer_name": name, "key_type": "ec"}
    answer = vault.bao.call("POST", f"{lower}/intermediate/generate/internal", body)
    signing = {"csr": answer["data"]["csr"], "format": "pem_bundle", "ttl": "43800h"}
    signed = vault.bao.write(f"{upper}/root/sign-intermediate", signing)
    vault.bao.write(f"{lower}/intermediate/set-signed", {"certificate": signed["certificate"]})
    return " ".join(answer.get("warnings") or ())


def test_the_issuer_name_of_an_intermediate_is_ignored(vault: Vault, mounts: tuple[str, str]) -> None:
    told = intermediate(vault, mounts)
    assert "issuer_name" in told
    assert {one["issuer_name"] for one in vault.issuers(mounts[1]).values()} == {""}
    with pytest.raises(HTTPError):  # the command that was to switch to the new one
        vault.bao.write(f"{mounts[1]}/config/issuers", {"default": "int-2024"})


def test_a_bundle_that_is_set_signed_brings_the_root_as_an_issuer(
    vault: Vault, mounts: tuple[str, str]
) -> None:
    intermediate(vault, mounts)
    assert sorted(bool(one["key_id"]) for one in vault.issuers(mounts[1]).values()) == [False, True]


def test_an_issuer_in_the_urls_is_ignored(vault: Vault, mounts: tuple[str, str]) -> None:
    assert "issuer" in warnings(vault, f"{mounts[0]}/config/urls", {"issuer": "home-lab-issuer"})
    assert "issuer" not in vault.bao.read(f"{mounts[0]}/config/urls")


def test_leaves_have_no_pointers_if_only_the_root_mount_has_urls(
    vault: Vault, mounts: tuple[str, str]
) -> None:
    urls = {"crl_distribution_points": "http://vault.example.test:8200/v1/pki/crl"}
    vault.bao.write(f"{mounts[0]}/config/urls", urls)
    intermediate(vault, mounts)
    leaf = issued(vault, mounts[1], {"allowed_domains": "example.test", "allow_subdomains": True})
    found = {type(one.value) for one in leaf.extensions}
    assert x509.CRLDistributionPoints not in found
    assert x509.AuthorityInformationAccess not in found


def test_a_role_for_servers_makes_clients_too(vault: Vault, mounts: tuple[str, str]) -> None:
    intermediate(vault, mounts)
    role = {"allowed_domains": "example.test", "allow_subdomains": True}
    for asked in ("ServerAuth", "ClientAuth"):
        leaf = issued(vault, mounts[1], {**role, "ext_key_usage": asked})
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_a_role_allows_localhost_and_any_address(vault: Vault, mounts: tuple[str, str]) -> None:
    intermediate(vault, mounts)
    vault.bao.write(f"{mounts[1]}/roles/web", {"allowed_domains": "example.test"})
    body = {"common_name": "localhost", "ip_sans": "203.0.113.1"}
    assert vault.bao.write(f"{mounts[1]}/issue/web", body)["certificate"]


def test_a_bundle_at_config_ca_gives_two_issuers_without_a_name(vault: Vault) -> None:
    mount = f"{vault.name}-bundle"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki"})
    above = root("Root CA")
    below = above.below("Intermediate CA")
    body = {"pem_bundle": below.pem + below.key_pem() + above.pem}
    vault.bao.write(f"{mount}/config/ca", body)
    found = vault.issuers(mount).values()
    assert sorted(bool(one["key_id"]) for one in found) == [False, True]
    assert {one["issuer_name"] for one in found} == {""}
    leaf = issued(vault, mount, {"allowed_domains": "example.test", "allow_subdomains": True})
    assert leaf.issuer == below.certificate.subject
    address, trusted = f"{vault.bao.addr}/v1/{mount}/ca", ssl.create_default_context(cafile=vault.bao.ca_file)
    answers = set()
    for url in (address, f"{address}?issuing_ca=vault-ca"):
        with urllib.request.urlopen(url, context=trusted) as answer:
            answers.add(answer.read())
    assert len(answers) == 1


def test_a_grant_of_create_alone_issues_nothing(vault: Vault, mounts: tuple[str, str]) -> None:
    intermediate(vault, mounts)
    vault.bao.write(f"{mounts[1]}/roles/web", {"allowed_domains": "example.test", "allow_subdomains": True})
    token = holder(vault, f'path "{mounts[1]}/issue/web" {{ capabilities = ["create"] }}')
    with pytest.raises(HTTPError) as refused:
        vault.bao.write(f"{mounts[1]}/issue/web", {"common_name": "a.example.test"}, token=token)
    assert refused.value.status == 403


def test_denying_issue_and_sign_leaves_the_root_open(vault: Vault, mounts: tuple[str, str]) -> None:
    upper = mounts[0]
    csr = vault.bao.write(f"{mounts[1]}/intermediate/generate/internal", {"common_name": "a.example.test"})
    rules = "".join(f'path "{upper}/{one}/*" {{ capabilities = ["deny"] }}\n' for one in ("issue", "sign"))
    token = holder(vault, f'path "{upper}/*" {{ capabilities = ["create", "update"] }}\n{rules}')
    body = {"csr": csr["csr"], "common_name": "a.example.test", "ttl": "1h"}
    for path in ("sign-verbatim", "issuer/default/sign-verbatim", "root/sign-intermediate"):
        assert vault.bao.write(f"{upper}/{path}", body, token=token)["certificate"]
    vault.bao.write(f"{upper}/root/generate/internal", {"common_name": "Another Root CA"}, token=token)


def test_a_login_for_ten_years_lasts_32_days(vault: Vault) -> None:
    mount = f"{vault.name}-approle"
    vault.bao.call("POST", f"sys/auth/{mount}", {"type": "approle"})
    role = {"token_ttl": "87600h", "bind_secret_id": False, "token_bound_cidrs": "127.0.0.0/8"}
    vault.bao.write(f"auth/{mount}/role/issuer", role)
    role_id = vault.bao.read(f"auth/{mount}/role/issuer/role-id")["role_id"]
    login = vault.bao.call("POST", f"auth/{mount}/login", {"role_id": role_id}, token="")
    assert login["auth"]["lease_duration"] == 768 * 3600


def test_an_audit_device_by_api_is_refused(vault: Vault) -> None:
    body = {"type": "file", "options": {"file_path": "/var/log/vault/audit.log"}}
    with pytest.raises(HTTPError):
        vault.bao.call("POST", f"sys/audit/{vault.name}", body)


def test_a_certificate_of_no_store_is_in_no_list(vault: Vault, mounts: tuple[str, str]) -> None:
    intermediate(vault, mounts)
    before = vault.listed(f"{mounts[1]}/certs").get("keys") or []
    role = {"allowed_domains": "example.test", "allow_subdomains": True, "no_store": True}
    leaf = issued(vault, mounts[1], role)
    assert (vault.listed(f"{mounts[1]}/certs").get("keys") or []) == before
    with pytest.raises(HTTPError):
        vault.bao.write(f"{mounts[1]}/revoke", {"serial_number": f"{leaf.serial_number:x}"})


def issued(vault: Vault, mount: str, role: dict[str, Any]) -> x509.Certificate:
    """Write a role and return a leaf of it."""
    vault.bao.write(f"{mount}/roles/tried", role)
    answer = vault.bao.write(f"{mount}/issue/tried", {"common_name": "a.example.test", "ttl": "1h"})
    return x509.load_pem_x509_certificate(str(answer["certificate"]).encode())


def holder(vault: Vault, rules: str) -> str:
    """Return a token with these rules alone."""
    vault.bao.call("PUT", f"sys/policies/acl/{vault.name}", {"policy": rules})
    body = {"policies": [vault.name], "no_default_policy": True, "ttl": "10m"}
    return str(vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"])
