"""Each answer of Vault's to a sign call has its outcome."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from issuer.signing.outcomes import (
    AnswerFault,
    BadAnswer,
    CAEndsTooSoon,
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    RateLimited,
    Retry,
    ServerFault,
    SigningError,
)
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.vault.failures.errors import outcome
from issuer.signing.vault.signer import VaultSigner
from issuer.vault import errors
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AppRole, AuthMethod, Kubernetes, StaticToken
from issuer.vault.paths import SignPath
from tests.unit.signing.vault.signers import asked, made
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault

SIGN_OUTCOMES: list[tuple[fake.Reply, type[SigningError], str]] = [
    (fake.SEALED, IssuerUnavailable, "VaultSealed"),
    (fake.QUOTA, RateLimited, "VaultRateLimited"),
    (fake.ROLE_SETS_NOT_AFTER, IssuerBroken, "RoleSetsNotAfter"),
    ((500, {"errors": ["internal error"]}), ServerFault, "VaultUnavailable"),
    ((502, "<html>"), ServerFault, "VaultUnavailable"),
    (fake.NAME_NOT_ALLOWED, Failed, "RefusedByVault"),
    (fake.WRONG_KEY_TYPE, Failed, "RefusedByVault"),
    (fake.CA_ENDS_FIRST, CAEndsTooSoon, "CAExpiresTooSoon"),
    (fake.UNKNOWN_ROLE, IssuerBroken, "RoleNotFound"),
    (fake.NO_ROUTE, IssuerBroken, "PathNotFound"),
    (fake.NO_ISSUER, IssuerBroken, "IssuerNotFound"),
    (fake.NO_DEFAULT_ISSUER, IssuerBroken, "CANotReady"),
    (fake.POLICY_DENIES, IssuerBroken, "PermissionDenied"),
    ((404, "<html>"), IssuerBroken, "UnexpectedAnswer"),
    ((307, ""), IssuerBroken, "UnexpectedAnswer"),
]


@pytest.mark.parametrize(("answer", "kind", "reason"), SIGN_OUTCOMES)
async def test_each_answer_to_a_sign_has_its_outcome(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, kind: type[SigningError], reason: str
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(SigningError) as caught:
        await made(vault, stack).sign(asked())
    assert (type(caught.value), caught.value.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"), [one for one in SIGN_OUTCOMES if not issubclass(one[1], Failed)]
)
async def test_a_check_ends_in_retry_or_issuer_broken(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, kind: type[SigningError], reason: str
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(SigningError) as caught:
        await made(vault, stack).check()
    assert (type(caught.value), caught.value.reason) == (kind, reason)


@pytest.mark.parametrize("answer", [fake.BAD_TOKEN, fake.NO_ROUTE])
async def test_a_cel_role_is_said_to_be_none_that_can_be_used(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply
) -> None:
    vault.tell("GET /v1/pki/cel/ca_chain", answer)
    with pytest.raises(IssuerBroken, match=r"CEL role of OpenBao's is meant: none can be used"):
        await made(vault, stack, "pki/cel/sign/web").check()


@pytest.mark.parametrize("status", [403, 404])
def test_a_namespace_that_has_nothing_may_be_sealed(status: int) -> None:
    """As OpenBao 2.7 answers: 403 without a token, and 404 with one."""
    path, missing = SignPath.parse("pki/sign/web"), errors.VaultNotFound("nothing there", status=status)
    for namespace, told in (("team", True), (None, False)):
        found = outcome(missing, path, Connection("https://vault.test", namespace=namespace))
        assert ("that is sealed" in str(found)) is told


async def test_a_missing_capability_is_named_with_its_path(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.POLICY_DENIES)
    with pytest.raises(IssuerBroken, match=r'"pki/sign/web": give .* capability "update"'):
        await made(vault, stack).check()


async def test_a_policy_that_refuses_one_requests_parameters_breaks_no_issuer(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    def by_parameters(call: fake.Call) -> tuple[int, Any]:
        return fake.POLICY_DENIES if call.body["csr"] else fake.EMPTY_CSR

    vault.tell(fake.SIGN, by_parameters)
    with pytest.raises(Retry, match="allowed_parameters") as caught:
        await made(vault, stack).sign(asked())
    assert caught.value.reason == "PermissionDenied"


@pytest.mark.parametrize("page", [(403, "<html>"), (406, "<html>"), (404, {"blocked": True})])
async def test_a_page_that_answers_one_request_alone_breaks_no_issuer(
    vault: FakeVault, stack: AsyncExitStack, page: fake.Reply
) -> None:
    """A firewall before Vault takes a name for an attack; nobody knows what it does with Vault's answer."""

    def by_names(call: fake.Call) -> fake.Reply:
        return page if call.body["csr"] else fake.EMPTY_CSR

    vault.tell(fake.SIGN, by_names)
    with pytest.raises(Retry, match="this request itself") as caught:
        await made(vault, stack).sign(asked())
    assert (caught.value.reason, caught.value.may_have_signed) == ("VaultUnavailable", True)


@pytest.mark.parametrize(
    ("method", "login"),
    [(AppRole("role", "wrong"), fake.APPROLE_LOGIN), (StaticToken("s.bad"), fake.LOOKUP)],
)
async def test_a_refused_login_breaks_the_issuer(
    vault: FakeVault, stack: AsyncExitStack, method: AuthMethod, login: str
) -> None:
    vault.tell(login, fake.BAD_TOKEN)
    with pytest.raises(IssuerBroken) as caught:
        await made(vault, stack, method=method).check()
    assert caught.value.reason == "LoginFailed"


async def test_what_the_credentials_raise_passes_through(vault: FakeVault, stack: AsyncExitStack) -> None:
    async def jwt() -> str:
        raise IssuerBroken(SigningIssuerReason.SERVICE_ACCOUNT_NOT_FOUND, "gone")

    with pytest.raises(IssuerBroken, match="ServiceAccountNotFound"):
        await made(vault, stack, method=Kubernetes("web", jwt)).check()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((200, "<html>"), AnswerFault.UNREADABLE),
        ((200, '{"data": {"certificate": "-----BEGIN CERT'), AnswerFault.UNREADABLE),
        ((200, {"data": None, "wrap_info": {"token": "hvs.x"}}), AnswerFault.UNREADABLE),
        ((204, ""), AnswerFault.UNREADABLE),
        ((504, "<html>"), AnswerFault.LOST),
    ],
)
async def test_an_answer_that_hides_whether_it_was_signed_is_a_bad_answer(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, fault: AnswerFault
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(BadAnswer) as caught:
        await made(vault, stack).sign(asked())
    assert (caught.value.reason, caught.value.fault) == ("BadAnswer", fault)
    assert len(vault.made(fake.SIGN)) == 1


@pytest.mark.parametrize(
    ("answer", "may_have_signed"),
    [
        ((502, "<html>"), True),
        ((503, "<html>"), False),
        ((500, {"errors": ["internal error"]}), False),
        (fake.QUOTA, False),
    ],
)
async def test_a_proxys_error_may_hide_a_signature_and_vaults_own_does_not(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, may_have_signed: bool
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(Retry) as caught:
        await made(vault, stack).sign(asked())
    assert caught.value.may_have_signed is may_have_signed


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (fake.BRANCHED_CHAIN, "manual_chain"),
        ((500, {"errors": ["internal error"]}), "Vault's log"),
        ((502, "<html>"), "bound on its size"),
    ],
)
async def test_a_fault_says_what_to_change_should_it_always_come(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply, remedy: str
) -> None:
    vault.tell(fake.SIGN, answer)
    with pytest.raises(Retry) as caught:
        await made(vault, stack).sign(asked())
    assert remedy in caught.value.remedy


async def test_a_login_whose_answer_is_lost_is_no_bad_answer(vault: FakeVault, stack: AsyncExitStack) -> None:
    """Nothing was sent to be signed."""
    vault.tell(fake.APPROLE_LOGIN, (200, "<html>"))
    with pytest.raises(IssuerBroken):
        await made(vault, stack).sign(asked())
    assert not vault.made(fake.SIGN)


async def test_a_vault_that_holds_a_sign_open_may_have_signed_and_is_not_asked_again(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    async def hold() -> Any:
        await asyncio.sleep(60)

    vault.tell(fake.SIGN, lambda _: hold())
    signer = VaultSigner(Connection(vault.url, timeout=0.1), AppRole("r", "s"), "pki/sign/web")
    stack.push_async_callback(signer.close)
    with pytest.raises(BadAnswer) as caught:
        await signer.sign(asked())
    assert caught.value.fault is AnswerFault.LOST
    assert len(vault.made(fake.SIGN)) == 1


def every(kind: type[errors.VaultError]) -> list[type[errors.VaultError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every(below))]


@pytest.mark.parametrize("kind", every(errors.VaultError))
def test_every_vault_error_has_an_outcome_with_a_sentence(kind: type[errors.VaultError]) -> None:
    more: dict[str, Any] = {"sent": True} if kind is errors.Unreachable else {}
    more |= {"method": "token"} if kind is errors.LoginRefused else {}
    connection = Connection("https://v", namespace="n")
    mapped = outcome(kind("It broke", **more), SignPath.parse("pki/sign/web"), connection)
    assert isinstance(mapped, (Retry, Failed, IssuerUnavailable, IssuerBroken))
    assert mapped.reason.isalnum()
    assert mapped.reason[0].isupper()
    assert mapped.message.endswith((".", ")"))


def test_a_rate_limit_says_when_to_come_back() -> None:
    error = errors.VaultRateLimited("busy", retry_after=7.0)
    mapped = outcome(error, SignPath.parse("pki/sign/web"), Connection("https://v"))
    assert isinstance(mapped, RateLimited)
    assert mapped.after == 7.0


async def test_when_the_ca_ends_is_taken_from_vaults_refusal(vault: FakeVault, stack: AsyncExitStack) -> None:
    vault.tell(fake.SIGN, fake.CA_ENDS_FIRST)
    with pytest.raises(CAEndsTooSoon) as caught:
        await made(vault, stack).sign(asked())
    assert caught.value.ca_ends == datetime(2026, 11, 24, 10, 22, 38, tzinfo=UTC)
