from __future__ import annotations

import asyncio

import pytest

from issuer.vault.errors import (
    LoginRefused,
    Sealed,
    ServerError,
    UnexpectedAnswer,
    Unreachable,
    VaultError,
    VaultForbidden,
)
from issuer.vault.login.methods import AppRole, AuthMethod, Kubernetes, StaticToken, Token
from issuer.vault.login.tokens import TokenSource
from issuer.vault.session import VaultSession
from issuer.vault.transport import VaultClient
from tests.unit.vault import fake
from tests.unit.vault.fake import Clock, FakeVault

ROLE = AppRole("role", "secret")


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def jwt() -> str:
    return "a.jwt"


async def test_approle_sends_its_ids_without_a_token(vault: FakeVault, client: VaultClient) -> None:
    vault.tell("POST /v1/auth/team/approle/login", fake.login("s.one", ttl=60, renewable=False))
    token = await AppRole(" role ", "secret\n", "team/approle").login(client)
    assert token == Token("s.one", 60.0, renewable=False, accessor="acc")
    assert vault.calls[0].body == {"role_id": "role", "secret_id": "secret"}
    assert vault.calls[0].token is None


async def test_a_role_without_secret_ids_is_told_what_it_lacks(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.BAD_APPROLE)
    with pytest.raises(LoginRefused, match="bind_secret_id=false"):
        await AppRole("role", None).login(client)
    assert vault.calls[0].body == {"role_id": "role", "secret_id": ""}


async def test_kubernetes_asks_a_fresh_jwt_and_takes_cert_managers_mount(
    vault: FakeVault, client: VaultClient
) -> None:
    vault.tell("POST /v1/auth/kubernetes/login", fake.login("s.one"))
    await Kubernetes("web", jwt).login(client)
    assert vault.calls[0].body == {"role": "web", "jwt": "a.jwt"}


async def test_what_the_jwt_callable_raises_passes_through(client: VaultClient) -> None:
    async def missing() -> str:
        raise LookupError("no ServiceAccount")

    with pytest.raises(LookupError):
        await TokenSource(client, Kubernetes("web", missing)).get()


async def test_a_static_token_is_looked_up(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.LOOKUP, fake.lookup(0, False))
    assert await StaticToken(" s.root\n").login(client) == Token("s.root", 0.0, False, "acc")
    assert vault.calls[0].token == "s.root"


async def test_a_static_token_that_may_not_look_itself_up_is_used_as_it_is(
    vault: FakeVault, client: VaultClient
) -> None:
    vault.tell(fake.LOOKUP, fake.POLICY_DENIES)
    assert (await StaticToken("s.x").login(client)).value == "s.x"


@pytest.mark.parametrize(
    ("method", "what", "answer", "says"),
    [
        (ROLE, fake.APPROLE_LOGIN, fake.BAD_APPROLE, "invalid role or secret ID"),
        (ROLE, fake.APPROLE_LOGIN, fake.BAD_TOKEN, "mounted there"),
        (ROLE, fake.APPROLE_LOGIN, fake.NO_NAMESPACE, "namespace not found"),
        (Kubernetes("nope", jwt), "POST /v1/auth/kubernetes/login", fake.NO_KUBERNETES_ROLE, 'role "nope"'),
        (Kubernetes("web", jwt), "POST /v1/auth/kubernetes/login", fake.BAD_TOKEN, "TokenReviews"),
        (Kubernetes("web", jwt), "POST /v1/auth/kubernetes/login", fake.BAD_TOKEN, "token_reviewer_jwt"),
        (
            Kubernetes("web", jwt),
            "POST /v1/auth/kubernetes/login",
            fake.KUBERNETES_NOT_CONFIGURED,
            "not configured",
        ),
        (StaticToken("s.x"), fake.LOOKUP, fake.BAD_TOKEN, "expired or revoked"),
    ],
)
async def test_a_refused_login_says_what_to_check(
    vault: FakeVault, client: VaultClient, method: AuthMethod, what: str, answer: fake.Reply, says: str
) -> None:
    vault.tell(what, answer)
    with pytest.raises(LoginRefused, match=says) as caught:
        await method.login(client)
    assert caught.value.method == method.name


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("service account name not authorized", "Add this ServiceAccount to bound_service_account_names of"),
        ("namespace not authorized", "Add the ServiceAccount's namespace to bound_service_account_namesp"),
        ("invalid audience (aud) claim: none matches", "Set the audience of"),
        ('invalid role name "web"', "There is no"),
    ],
)
async def test_vaults_words_come_first_and_narrow_the_cure(
    vault: FakeVault, client: VaultClient, words: str, cure: str
) -> None:
    vault.tell("POST /v1/auth/kubernetes/login", (403, {"errors": [words]}))
    with pytest.raises(LoginRefused) as caught:
        await Kubernetes("web", jwt, audiences=("vault://web",)).login(client)
    text = str(caught.value)
    assert text.startswith(f"Kubernetes login at auth/kubernetes was refused: {words}. {cure}")
    assert 'auth role "web"' in text
    assert "token_reviewer_jwt" not in text


@pytest.mark.parametrize(("answer", "kind"), [(fake.SEALED, Sealed), ((500, {"errors": ["x"]}), ServerError)])
async def test_an_outage_is_no_refused_login(
    vault: FakeVault, client: VaultClient, answer: fake.Reply, kind: type[VaultError]
) -> None:
    vault.tell(fake.APPROLE_LOGIN, answer)
    with pytest.raises(kind):
        await ROLE.login(client)


@pytest.mark.parametrize(
    "answer", [{}, {"auth": None}, {"auth": {"client_token": ""}}, {"auth": {"client_token": 1}}]
)
async def test_a_login_without_a_token_is_unexpected(
    vault: FakeVault, client: VaultClient, answer: object
) -> None:
    vault.tell(fake.APPROLE_LOGIN, (200, answer))
    with pytest.raises(UnexpectedAnswer):
        await ROLE.login(client)


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "ключ"])
async def test_what_is_no_token_is_refused_without_a_call(client: VaultClient, text: str) -> None:
    with pytest.raises(LoginRefused, match="not a token"):
        await StaticToken(text).login(client)


def test_secrets_are_in_no_repr() -> None:
    shown = repr(
        [StaticToken("TOP"), AppRole("TOP", "TOP"), Token("TOP", 0, False, "TOP"), Kubernetes("r", jwt)]
    )
    assert "TOP" not in shown


async def test_many_waiters_share_one_login(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one"))
    source = TokenSource(client, ROLE)
    assert set(await asyncio.gather(*(source.get() for _ in range(50)))) == {"s.one"}
    assert len(vault.calls) == 1


async def test_one_login_lasts_until_three_fifths_of_its_life(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one", ttl=100))
    vault.tell(fake.RENEW, fake.login("s.one", ttl=100))
    source = TokenSource(client, ROLE, clock)
    assert source.renew_in() is None
    await source.get()
    assert source.renew_in() == pytest.approx(60)
    clock.now += 59
    await source.get()
    assert vault.made(fake.RENEW) == []
    clock.now += 2
    assert source.renew_in() == 0
    await asyncio.gather(*(source.get() for _ in range(20)))
    assert (len(vault.made(fake.RENEW)), len(vault.made(fake.APPROLE_LOGIN))) == (1, 1)
    assert source.renew_in() == pytest.approx(60)


async def test_a_token_that_never_ends_is_left_alone(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.LOOKUP, fake.lookup(0, False))
    source = TokenSource(client, StaticToken("s.root"), clock)
    await source.get()
    clock.now += 10**9
    await source.get()
    assert (len(vault.calls), source.renew_in(), source.ends_in()) == (1, None, None)


@pytest.mark.parametrize("renewal", [fake.NOT_RENEWABLE, fake.BAD_TOKEN, fake.login("s.one", ttl=49)])
async def test_a_renewal_that_brings_little_or_nothing_becomes_a_login(
    vault: FakeVault, client: VaultClient, clock: Clock, renewal: fake.Reply
) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one", ttl=100), fake.login("s.two", ttl=100))
    vault.tell(fake.RENEW, renewal)
    source = TokenSource(client, ROLE, clock)
    await source.get()
    clock.now += 61
    assert await source.get() == "s.two"


async def test_a_token_that_is_not_renewable_is_replaced_by_a_login(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("b.1", ttl=100, renewable=False), fake.login("b.2", ttl=100))
    source = TokenSource(client, ROLE, clock)
    await source.get()
    clock.now += 61
    assert await source.get() == "b.2"


async def test_an_outage_leaves_the_token_in_use_until_it_ends(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one", ttl=100), fake.SEALED)
    vault.tell(fake.RENEW, fake.SEALED)
    source = TokenSource(client, ROLE, clock)
    await source.get()
    clock.now += 61
    assert await source.get() == "s.one"
    assert await source.get() == "s.one"
    assert len(vault.made(fake.RENEW)) == 1, "tried again only after a while"
    clock.now += 3
    assert await source.get() == "s.one"
    assert len(vault.made(fake.RENEW)) == 2
    clock.now += 40
    with pytest.raises(Sealed):
        await source.get()


async def test_a_refused_secret_id_is_sent_again_so_seldom_that_vault_locks_no_role(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.APPROLE_LOGIN, *[fake.BAD_TOKEN] * 3, fake.login("s.one"))
    source = TokenSource(client, ROLE, clock)
    sent_at: list[float] = []
    begun = clock.now
    while len(sent_at) < 3:
        with pytest.raises(LoginRefused, match="locked-users"):
            await source.get()
        if len(vault.made(fake.APPROLE_LOGIN)) > len(sent_at):
            sent_at.append(clock.now - begun)
        clock.now += 10
    assert sent_at == [0, 60, 360]
    changed = TokenSource(client, ROLE, clock)
    assert await changed.get() == "s.one", "a changed Secret makes a new source, which tries at once"


async def test_credentials_that_cannot_be_had_now_leave_the_token_in_use_until_it_ends(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell("POST /v1/auth/kubernetes/login", fake.login("s.one", ttl=100, renewable=False))
    answers = iter(["a.jwt"])

    async def once() -> str:
        for answer in answers:
            return answer
        raise ConnectionError("no API server")

    source = TokenSource(client, Kubernetes("web", once), clock)
    await source.get()
    clock.now += 61
    assert await source.get() == "s.one"
    clock.now += 40
    with pytest.raises(ConnectionError):
        await source.get()


async def test_a_dropped_token_is_replaced_and_an_older_drop_changes_nothing(
    vault: FakeVault, client: VaultClient
) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one"), fake.login("s.two"))
    source = TokenSource(client, ROLE)
    source.drop(await source.get())
    assert await source.get() == "s.two"
    source.drop("s.one")
    assert await source.get() == "s.two"


async def test_a_cancelled_waiter_leaves_the_login_to_the_others(
    vault: FakeVault, client: VaultClient
) -> None:
    came, go = asyncio.Event(), asyncio.Event()

    async def slow() -> tuple[int, object]:
        came.set()
        await go.wait()
        return fake.login("s.one")

    vault.tell(fake.APPROLE_LOGIN, lambda _: slow())
    source = TokenSource(client, ROLE)
    first, second = asyncio.create_task(source.get()), asyncio.create_task(source.get())
    await came.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await second == "s.one"
    assert len(vault.calls) == 1


async def test_closing_lets_waiters_go_with_an_error_not_a_cancellation(
    vault: FakeVault, client: VaultClient
) -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    source = TokenSource(client, Kubernetes("web", never))
    waiter = asyncio.create_task(source.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await source.close()
    with pytest.raises(Unreachable, match="closed"):
        await waiter


async def test_a_failed_login_is_tried_anew_by_the_next(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.SEALED, fake.login("s.one"))
    source = TokenSource(client, ROLE)
    with pytest.raises(Sealed):
        await source.get()
    assert await source.get() == "s.one"


async def test_each_login_is_told_with_its_result_and_renewals_are_none(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    told: list[tuple[str, float]] = []
    vault.tell(fake.APPROLE_LOGIN, fake.SEALED, fake.BAD_APPROLE, fake.login("s.one", ttl=100))
    source = TokenSource(client, ROLE, clock, lambda *one: told.append(one))
    for error in (Sealed, LoginRefused):
        with pytest.raises(error):
            await source.get()
    clock.now += 3600
    assert await source.get() == "s.one"
    vault.tell(fake.RENEW, fake.login("s.one", ttl=100))
    clock.now += 61
    assert await source.get() == "s.one"
    assert [result for result, _ in told] == ["error", "refused", "success"]
    assert all(seconds > 0 for _, seconds in told)


async def test_a_403_logs_in_anew_and_repeats_once(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one"), fake.login("s.two"))
    vault.tell("GET /v1/x", fake.BAD_TOKEN, (200, {"data": {}}))
    session = VaultSession(client, ROLE)
    await session.call(lambda token: client.adapter(token).get("/v1/x"))
    assert [call.token for call in vault.made("GET /v1/x")] == ["s.one", "s.two"]


async def test_a_403_on_a_fresh_token_is_raised(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one"), fake.login("s.two"))
    vault.tell("GET /v1/x", fake.BAD_TOKEN)
    session = VaultSession(client, ROLE)
    with pytest.raises(VaultForbidden):
        await session.call(lambda token: client.adapter(token).get("/v1/x"))
    assert len(vault.made("GET /v1/x")) == 2


async def test_a_policy_that_keeps_refusing_costs_no_login_each_time(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.APPROLE_LOGIN, *(fake.login(f"s.{n}") for n in range(9)))
    vault.tell("GET /v1/x", fake.POLICY_DENIES)
    session = VaultSession(client, ROLE, clock)
    for _ in range(5):
        with pytest.raises(VaultForbidden):
            await session.call(lambda token: client.adapter(token).get("/v1/x"))
    assert len(vault.made(fake.APPROLE_LOGIN)) == 2
    clock.now += 31
    with pytest.raises(VaultForbidden):
        await session.call(lambda token: client.adapter(token).get("/v1/x"))
    assert len(vault.made(fake.APPROLE_LOGIN)) == 3


async def test_a_token_revoked_after_a_policys_refusal_is_still_replaced(
    vault: FakeVault, client: VaultClient, clock: Clock
) -> None:
    vault.tell(fake.APPROLE_LOGIN, *(fake.login(f"s.{n}") for n in range(9)))
    vault.tell("GET /v1/refused", fake.POLICY_DENIES)
    vault.tell("GET /v1/x", fake.BAD_TOKEN, (200, {"data": {}}))
    session = VaultSession(client, ROLE, clock)
    with pytest.raises(VaultForbidden):
        await session.call(lambda token: client.adapter(token).get("/v1/refused"))
    assert await session.call(lambda token: client.adapter(token).get("/v1/x")) == {"data": {}}


async def test_closing_revokes_no_token(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.one"))
    session = VaultSession(client, ROLE)
    await session.tokens.get()
    await session.close()
    assert [call.what for call in vault.calls] == [fake.APPROLE_LOGIN]
