from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from issuer.signing.outcomes import (
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    NotRevoked,
    SigningError,
)
from issuer.signing.signer import Revoker, Signer, SigningRequest
from issuer.signing.vault.signer import VaultSigner
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AppRole, AuthMethod, StaticToken
from tests.builders import csr_pem, csr_with
from tests.ca import TestCA, pem
from tests.unit.signing.vault.signers import asked, made
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault

REVOKE = "POST /v1/pki/revoke"
VERBATIM = "POST /v1/pki/sign-verbatim"
INTERMEDIATE = "POST /v1/top/root/sign-intermediate"
AUTHORITY = "top/root/sign-intermediate"


async def test_a_vault_signer_is_a_signer_and_a_revoker(vault: FakeVault, stack: AsyncExitStack) -> None:
    signer: Signer = made(vault, stack)
    assert isinstance(signer, Revoker)


async def test_a_healthy_issuer_tells_its_chain_and_when_to_look_again(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    health = await made(vault, stack).check()
    assert health.ca_pem == fake.CERTIFICATE
    assert health.check_again_in == pytest.approx(0.6 * 3600, abs=5)
    assert [warning for warning in health.warnings if "http" in warning]


def test_the_end_of_the_last_ca_for_tls_is_told_where_there_is_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "bundle_warning", lambda _self, _now: "TLS ends.")
    for scheme, told in (("https", True), ("http", False)):
        signer = VaultSigner(Connection(f"{scheme}://v"), StaticToken("t"), "pki/sign/web")
        assert ("TLS ends." in signer._warnings()) is told


async def test_the_chain_is_proven_before_the_probe_may_write(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    # A key-value engine at that path would store the probe.
    vault.tell(fake.CHAIN, fake.BAD_TOKEN)
    with pytest.raises(IssuerBroken) as caught:
        await made(vault, stack).check()
    assert caught.value.reason == "PathNotFound"
    assert caught.value.message.startswith('Vault does not say whether "pki" exists (403): ')
    assert 'vault secrets enable -path=pki pki"' in caught.value.message
    assert "permission denied" not in caught.value.message
    assert [call.what for call in vault.calls] == [fake.CHAIN]


async def test_a_static_token_that_ends_soon_is_warned_of(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell(fake.LOOKUP, fake.lookup(600, False))
    health = await made(vault, stack, method=StaticToken("s.x")).check()
    assert [warning for warning in health.warnings if "put a new one" in warning]


async def test_logins_with_few_uses_are_warned_of(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.0", uses=10))
    (warning,) = [one for one in (await made(vault, stack).check()).warnings if "token_num_uses" in one]
    assert "for 10 calls only" in warning
    vault.tell(fake.LOOKUP, fake.lookup(0, False, uses=4))
    health = await made(vault, stack, method=StaticToken("s.x")).check()
    assert [one for one in health.warnings if "good for 4 more calls" in one]


async def test_certificates_that_end_with_the_token_are_warned_of(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR, fake.signed(lease="pki/sign/web/x"), fake.EMPTY_CSR)
    signer = made(vault, stack)
    assert not [one for one in (await signer.check()).warnings if "lease" in one]
    await signer.sign(asked())
    (warning,) = [one for one in (await signer.check()).warnings if "lease" in one]
    assert warning.startswith(
        'The role "web" at "pki" has generate_lease=true: Vault revokes each certificate'
    )
    assert '"vault patch pki/roles/web generate_lease=false"' in warning
    # The role was mended, and may not be read: the next answer says so.
    vault.tell(fake.SIGN, fake.signed(), fake.EMPTY_CSR)
    await signer.sign(asked())
    assert not [one for one in (await signer.check()).warnings if "lease" in one]


@pytest.mark.parametrize(
    "headers",
    [
        {"Date": "Fri, 02 Jan 2026 10:00:00 GMT", "Age": "3600"},  # a cache's
        {"Date": "Fri, 02 Jan 2026 10:00:00 -0000"},  # of no zone
        {"Date": "Fri, 02 Jan 99999999999999999999 10:00:00 GMT"},
        {"Date": "Fri, 02 Jan 2026 10:00:00 +99999999999999999999"},
        {"Date": "yesterday"},
    ],
)
async def test_a_date_that_tells_no_time_of_the_answer_is_no_clock(
    headers: dict[str, str], vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell(fake.CHAIN, lambda _: web.Response(text=fake.CERTIFICATE, headers=headers))
    health = await made(vault, stack).check()
    assert (health.clock, [one for one in health.warnings if "clock" in one]) == (None, [])


@pytest.mark.parametrize(
    ("minutes", "says"), [(0, ""), (4, ""), (7, "is 7 minutes ahead of"), (-90, "is 90 minutes behind")]
)
async def test_a_clock_that_is_minutes_off_is_warned_of(
    minutes: int, says: str, vault: FakeVault, stack: AsyncExitStack
) -> None:
    def chain(_: fake.Call) -> web.Response:
        date = datetime.now(UTC) + timedelta(minutes=minutes)
        return web.Response(text=fake.CERTIFICATE, headers={"Date": format_datetime(date, usegmt=True)})

    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell(fake.CHAIN, chain)
    health = await made(vault, stack).check()
    told = [one for one in health.warnings if "clock" in one]
    assert health.clock is not None
    assert (says in "".join(told), len(told)) == (True, bool(says))


async def test_a_request_is_signed_with_the_names_of_its_csr(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.signed("AA:0b"))
    signed = await made(vault, stack).sign(asked(duration=timedelta(seconds=90, milliseconds=900)))
    assert (signed.leaf_pem, signed.serial) == (fake.CERTIFICATE + "\n", "aa:0b")
    assert signed.ca_pems == fake.CERTIFICATE + "\n"
    body = vault.made(fake.SIGN)[0].body
    assert (body["common_name"], body["alt_names"], body["ttl"]) == (
        "a.lab.example.test",
        "a.lab.example.test,b.lab.example.test",
        "90",
    )


async def test_many_requests_cost_one_login(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.signed())
    signer, request = made(vault, stack), asked()
    await asyncio.gather(*(signer.sign(request) for _ in range(30)))
    assert (len(vault.made(fake.APPROLE_LOGIN)), len(vault.made(fake.SIGN))) == (1, 30)


async def test_a_ca_request_fails_without_a_call(vault: FakeVault, stack: AsyncExitStack) -> None:
    with pytest.raises(Failed) as caught:
        await made(vault, stack).sign(asked(is_ca=True))
    assert caught.value.reason == "CARequestsNotAllowed"
    assert vault.calls == []


async def test_a_ca_request_goes_to_its_own_path_and_others_never_do(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(INTERMEDIATE, fake.signed())
    vault.tell(fake.SIGN, fake.signed())
    signer = made(vault, stack, authority=AUTHORITY)
    await signer.sign(replace(asked(is_ca=True), path_length=1))
    assert vault.made(fake.SIGN) == []
    body = vault.made(INTERMEDIATE)[0].body
    assert {name: body[name] for name in body if name != "csr"} == {
        "use_csr_values": True,
        "max_path_length": 1,
        "ttl": "3600",
        "key_usage": [],
        "ext_key_usage": [],
        "ext_key_usage_oids": ["1.3.6.1.5.5.7.3.1"],
    }
    await signer.sign(asked())
    assert (len(vault.made(fake.SIGN)), len(vault.made(INTERMEDIATE))) == (1, 1)


async def test_verbatim_is_told_every_usage_that_was_asked_for_and_no_other(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(VERBATIM, fake.signed())
    signer = made(vault, stack, path="pki/sign-verbatim")
    usages = frozenset({"digital signature", "crl sign", "server auth", "microsoft sgc"})
    await signer.sign(replace(asked(), usages=usages))
    await signer.sign(replace(asked(), usages=frozenset({"server auth"})))
    first, second = (call.body for call in vault.made(VERBATIM))
    assert first["key_usage"] == ["CRLSign", "DigitalSignature"]
    assert first["ext_key_usage_oids"] == ["1.3.6.1.4.1.311.10.3.3", "1.3.6.1.5.5.7.3.1"]
    # Vault's default for what isn't sent would add key usages.
    assert (second["key_usage"], second["ext_key_usage"]) == ([], [])
    assert "alt_names" not in first


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fake.POLICY_DENIES, "PermissionDenied"),
        (fake.NO_ROUTE, "PathNotFound"),
        (fake.NO_ISSUER, "IssuerNotFound"),
    ],
)
async def test_a_check_looks_at_the_path_for_cas_too(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, reason: str
) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell("GET /v1/top/ca_chain", (200, fake.CERTIFICATE + "\n"))
    vault.tell(INTERMEDIATE, fake.EMPTY_CSR, answer)
    signer = made(vault, stack, authority=AUTHORITY)
    assert (await signer.check()).authority_pem == fake.CERTIFICATE + "\n"
    with pytest.raises(IssuerBroken, match=r"top.*certificateAuthority\.path|names an issuer") as caught:
        await signer.check()
    assert caught.value.reason == reason


async def test_a_ca_is_revoked_at_the_mount_that_signed_it(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(REVOKE, (200, {"data": {}}))
    vault.tell("POST /v1/top/revoke", (200, {"data": {}}))
    signer, ca = made(vault, stack, authority=AUTHORITY), TestCA.make()
    leaf, root = ca.sign(csr_pem("a.test").decode()).leaf_pem, pem(ca.root)
    await signer.revoke(root)
    await signer.revoke(leaf)
    # A leaf's request that was answered with a CA, and a CA's with a leaf.
    await signer.revoke(root, is_ca=False)
    await signer.revoke(leaf, is_ca=True)
    assert [call.what for call in vault.calls if "revoke" in call.what] == [
        "POST /v1/top/revoke",
        REVOKE,
        REVOKE,
        "POST /v1/top/revoke",
    ]


async def test_a_dns_name_that_vault_would_split_fails(vault: FakeVault, stack: AsyncExitStack) -> None:
    request = SigningRequest(csr_pem("a.test,b.test").decode(), None, frozenset(), False)
    with pytest.raises(Failed, match=r"InvalidName: .* has ',' in it"):
        await made(vault, stack).sign(request)


@pytest.mark.parametrize("tag", [0xA3, 0xA5], ids=["x400Address", "ediPartyName"])
async def test_a_name_that_no_parameter_can_hold_fails(
    vault: FakeVault, stack: AsyncExitStack, tag: int
) -> None:
    names = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes([0x30, 2, tag, 0]))
    request = SigningRequest(csr_with(names).decode(), None, frozenset(), False)
    with pytest.raises(Failed, match=r"x400Address|ediPartyName"):
        await made(vault, stack).sign(request)


async def test_a_certificate_is_revoked_by_its_pem(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(REVOKE, (200, {"data": {}}))
    await made(vault, stack).revoke(fake.CERTIFICATE)
    assert vault.made(REVOKE)[0].body == {"certificate": fake.CERTIFICATE}


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (fake.POLICY_DENIES, NotRevoked, "RevocationNotPermitted"),
        (fake.UNKNOWN_SERIAL, NotRevoked, "RevocationRefused"),
        (fake.SEALED, IssuerUnavailable, "VaultSealed"),
    ],
)
async def test_a_refused_revocation_breaks_no_issuer(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, kind: type[SigningError], reason: str
) -> None:
    vault.tell(REVOKE, answer)
    with pytest.raises(SigningError) as caught:
        await made(vault, stack).revoke(fake.CERTIFICATE)
    assert (type(caught.value), caught.value.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        ((200, {"data": {"pki/revoke": ["update"]}}), False),
        ((200, {"data": {"pki/revoke": ["root"]}}), False),
        ((200, {"data": {"pki/revoke": ["deny"]}}), True),
        ((200, {"data": {}}), False),
        (fake.POLICY_DENIES, False),
        (fake.BAD_TOKEN, False),
    ],
)
async def test_an_issuer_that_is_to_revoke_asks_whether_it_may(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, warned: bool
) -> None:
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell(fake.CAPABILITIES, answer)
    signer = VaultSigner(Connection(vault.url), AppRole("role", "secret"), "pki/sign/web", revokes=True)
    stack.push_async_callback(signer.close)
    health = await signer.check()
    assert any('"update" on "pki/revoke"' in one for one in health.warnings) is warned
    assert len(vault.made(fake.APPROLE_LOGIN)) == 1  # a refused question costs no login


async def test_closing_revokes_no_token(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.signed())
    signer = made(vault, stack)
    await signer.sign(asked())
    await signer.close()
    assert {call.what for call in vault.calls} == {fake.APPROLE_LOGIN, fake.SIGN}


@pytest.mark.parametrize(
    ("connection", "method", "path", "reason"),
    [
        (Connection("https://v"), StaticToken("x"), "pki/issue/web", "InvalidPath"),
        (Connection("https://v"), AppRole("r", "s", "/v1/ns/auth/x"), "pki/sign/web", "InvalidPath"),
        (Connection("v:8200"), StaticToken("x"), "pki/sign/web", "InvalidConnection"),
        (Connection("https://v", ca_pem=b"x"), StaticToken("x"), "pki/sign/web", "InvalidConnection"),
    ],
)
def test_what_cannot_be_used_is_told_at_once(
    connection: Connection, method: AuthMethod, path: str, reason: str
) -> None:
    with pytest.raises(IssuerBroken) as caught:
        VaultSigner(connection, method, path)
    assert caught.value.reason == reason
