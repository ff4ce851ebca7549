from __future__ import annotations

from typing import Any

import pytest

from issuer.vault.errors import (
    CAExpiresTooSoon,
    CANotReady,
    IssuerNotFound,
    RoleNotFound,
    UnexpectedAnswer,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
)
from issuer.vault.pki import Pki, Signed, SignPath
from issuer.vault.transport import VaultClient
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault

EMPTY_MOUNT = (500, {"errors": ["no default issuer currently configured"]})
NO_SUCH_ISSUER = (500, {"errors": ["unable to find PKI issuer for reference: nope"]})


def pki(client: VaultClient, path: str = "pki/sign/web") -> Pki:
    return Pki(client, SignPath.parse(path))


async def test_sign_sends_the_csr_and_the_parameters(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.SIGN, fake.signed("aa:bb"))
    parameters = {"common_name": "a.test", "ttl": "3600"}
    signed = await pki(client).sign("t", "CSR", parameters)
    assert signed == Signed(fake.CERTIFICATE, (fake.CERTIFICATE,), "aa:bb")
    assert vault.calls[0].token == "t"
    assert vault.calls[0].body == {"csr": "CSR", "common_name": "a.test", "ttl": "3600"}
    assert parameters == {"common_name": "a.test", "ttl": "3600"}


async def test_a_path_that_signs_cas_is_called_as_written(vault: FakeVault, client: VaultClient) -> None:
    for path in ("mount:x/root/sign-intermediate", "pki/issuer/new/sign-intermediate"):
        vault.tell(f"POST /v1/{path.replace(':', '%3A')}", fake.signed())
        await Pki(client, SignPath.parse_authority(path)).sign("t", "CSR", {"max_path_length": 0})
    assert vault.calls[-1].body == {"csr": "CSR", "max_path_length": 0}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("teams/a/pki/sign/web", "POST /v1/teams/a/pki/sign/web"),
        ("pki/issuer/new/sign/web", "POST /v1/pki/issuer/new/sign/web"),
        ("pki/sign-verbatim", "POST /v1/pki/sign-verbatim"),
        ("pki/issuer/new/sign-verbatim/web", "POST /v1/pki/issuer/new/sign-verbatim/web"),
        ("mount:x/sign/web", "POST /v1/mount%3Ax/sign/web"),
    ],
)
async def test_every_form_of_path_is_called_as_written(
    vault: FakeVault, client: VaultClient, path: str, url: str
) -> None:
    vault.tell(url, fake.signed())
    await pki(client, path).sign("t", "CSR", {})
    assert [call.what for call in vault.calls] == [url]


MEANINGS = [
    (fake.UNKNOWN_ROLE, RoleNotFound),
    (fake.NO_ISSUER, IssuerNotFound),
    (fake.NO_DEFAULT_ISSUER, CANotReady),
    (fake.NO_CA_KEY, CANotReady),
    (fake.CA_MAY_NOT_ISSUE, CANotReady),
    (fake.NO_ROUTE, VaultNotFound),
    (fake.UNSUPPORTED_PATH, VaultNotFound),
    (fake.NO_NAMESPACE, VaultNotFound),
    (fake.POLICY_DENIES, VaultForbidden),
]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        *MEANINGS,
        (fake.CA_ENDS_FIRST, CAExpiresTooSoon),
        (fake.NAME_NOT_ALLOWED, VaultBadRequest),
        (fake.WRONG_KEY_TYPE, VaultBadRequest),
    ],
)
async def test_each_refusal_of_a_sign_has_its_meaning(
    vault: FakeVault, client: VaultClient, answer: tuple[int, Any], kind: type[VaultError]
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(VaultError) as caught:
        await pki(client).sign("t", "CSR", {})
    assert type(caught.value) is kind
    assert caught.value.messages


@pytest.mark.parametrize(
    "name",
    ["unknown role: x", "could not fetch the CA certificate", "no default issuer currently configured"],
)
async def test_a_name_in_the_csr_that_quotes_an_issuers_error_is_only_refused(
    vault: FakeVault, client: VaultClient, name: str
) -> None:
    vault.tell(fake.SIGN, (400, {"errors": [f"common name {name} not allowed by this role"]}))
    with pytest.raises(VaultError) as caught:
        await pki(client).sign("t", "CSR", {})
    assert type(caught.value) is VaultBadRequest


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": None, "wrap_info": {"token": "hvs.x"}},
        {"data": {"certificate": "no pem", "serial_number": "aa"}},
    ],
)
async def test_a_signature_without_a_certificate_is_unexpected(
    vault: FakeVault, client: VaultClient, answer: object
) -> None:
    vault.tell(fake.SIGN, (200, answer))
    with pytest.raises(UnexpectedAnswer):
        await pki(client).sign("t", "CSR", {})


@pytest.mark.parametrize(
    "more", [{}, {"serial_number": 7}, {"ca_chain": "text"}, {"ca_chain": {"x": 1}}, {"ca_chain": [7]}]
)
async def test_a_certificate_is_handed_over_whatever_else_is_wrong(
    vault: FakeVault, client: VaultClient, more: dict[str, object]
) -> None:
    """So that it can be revoked."""
    vault.tell(fake.SIGN, (200, {"data": {"certificate": fake.CERTIFICATE, **more}}))
    signed = await pki(client).sign("t", "CSR", {})
    assert (signed.leaf_pem, signed.chain_pem, signed.serial) == (fake.CERTIFICATE, (), "")


async def test_the_issuing_ca_stands_in_for_a_missing_chain(vault: FakeVault, client: VaultClient) -> None:
    data = {"certificate": fake.CERTIFICATE, "serial_number": "aa", "issuing_ca": fake.CERTIFICATE}
    vault.tell(fake.SIGN, (200, {"data": data}))
    assert (await pki(client).sign("t", "CSR", {})).chain_pem == (fake.CERTIFICATE,)


async def test_a_chain_that_the_check_takes_is_taken_from_a_signature(
    vault: FakeVault, client: VaultClient
) -> None:
    chain = [fake.CERTIFICATE] * 40  # an issuer that many others have cross-signed
    vault.tell(
        fake.SIGN,
        (200, {"data": {"certificate": fake.CERTIFICATE, "serial_number": "aa", "ca_chain": chain}}),
    )
    assert len((await pki(client).sign("t", "CSR", {})).chain_pem) == len(chain)


async def test_a_probe_sends_an_empty_csr_and_is_content_with_its_refusal(
    vault: FakeVault, client: VaultClient
) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    await pki(client).probe("t")
    assert vault.calls[0].body == {"csr": "", "common_name": ""}


@pytest.mark.parametrize(("answer", "kind"), MEANINGS)
async def test_a_probe_finds_what_would_stop_a_signature(
    vault: FakeVault, client: VaultClient, answer: tuple[int, Any], kind: type[VaultError]
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(VaultError) as caught:
        await pki(client).probe("t")
    assert type(caught.value) is kind


async def test_a_probe_that_is_taken_found_no_pki(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.SIGN, (200, {}))
    with pytest.raises(UnexpectedAnswer, match="not a PKI path"):
        await pki(client).probe("t")


async def test_the_chain_is_read_without_a_token(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.CHAIN, (200, fake.CERTIFICATE))
    assert await pki(client).ca_chain() == fake.CERTIFICATE
    assert vault.calls[0].token is None


async def test_the_chain_of_a_named_issuer_is_that_issuers(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(
        "GET /v1/pki/issuer/new/json", (200, {"data": {"ca_chain": [fake.CERTIFICATE, fake.CERTIFICATE]}})
    )
    assert (await pki(client, "pki/issuer/new/sign/web").ca_chain()).count("BEGIN") == 2


@pytest.mark.parametrize(
    ("path", "what", "answer", "kind"),
    [
        ("pki/sign/web", fake.CHAIN, fake.BAD_TOKEN, VaultNotFound),
        ("pki/sign/web", fake.CHAIN, (200, ""), CANotReady),
        ("pki/issuer/nope/sign/web", "GET /v1/pki/issuer/nope/json", NO_SUCH_ISSUER, IssuerNotFound),
        ("pki/issuer/default/sign/web", "GET /v1/pki/issuer/default/json", EMPTY_MOUNT, CANotReady),
        ("pki/issuer/x/sign/web", "GET /v1/pki/issuer/x/json", (200, {"data": {}}), UnexpectedAnswer),
    ],
)
async def test_a_missing_mount_ca_or_issuer_is_told_apart(
    vault: FakeVault,
    client: VaultClient,
    path: str,
    what: str,
    answer: tuple[int, Any],
    kind: type[VaultError],
) -> None:
    vault.tell(what, answer)
    with pytest.raises(VaultError) as caught:
        await pki(client, path).ca_chain()
    assert type(caught.value) is kind


async def test_revoking_takes_a_certificate_or_a_serial(vault: FakeVault, client: VaultClient) -> None:
    vault.tell("POST /v1/pki/revoke", (200, {"data": {"revocation_time": 1}}))
    await pki(client, "pki/issuer/new/sign/web").revoke("t", fake.CERTIFICATE)
    await pki(client).revoke("t", "aa:bb")
    bodies = [call.body for call in vault.calls]
    assert bodies == [{"certificate": fake.CERTIFICATE}, {"serial_number": "aa:bb"}]


async def test_revoking_what_is_not_there_is_refused(vault: FakeVault, client: VaultClient) -> None:
    vault.tell("POST /v1/pki/revoke", fake.UNKNOWN_SERIAL)
    with pytest.raises(VaultBadRequest, match="not found"):
        await pki(client).revoke("t", "aa:bb")
