from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from issuer.transport.connection import MAX_ANSWER_BYTES
from issuer.transport.failures import Answer, error_from_exception
from issuer.transport.sender import proxy_for
from issuer.vault.connection import Connection
from issuer.vault.errors import (
    GatewayError,
    InvalidConnection,
    Sealed,
    ServerError,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
    VaultRateLimited,
)
from issuer.vault.translate import cleaned, error_from_answer
from issuer.vault.transport import VaultClient
from tests.ca import TestCA
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault, client_of, fake_vault


@pytest.fixture
async def vault() -> AsyncIterator[FakeVault]:
    async with fake_vault() as running:
        yield running


async def test_a_call_carries_token_namespace_and_body(vault: FakeVault) -> None:
    vault.tell("POST /v1/a/b", (200, {"data": {}}))
    async with client_of(vault, namespace="team/a") as client:
        assert await client.adapter("t0ken").post("/v1//a/b", json={"x": 1}) == {"data": {}}
    (call,) = vault.calls
    assert (call.token, call.namespace, call.body) == ("t0ken", "team/a", {"x": 1})


async def test_a_login_leaves_no_token_in_the_adapter(vault: FakeVault) -> None:
    vault.tell("POST /v1/auth/x/login", fake.login("s.secret"))
    async with client_of(vault) as client:
        adapter = client.adapter()
        await adapter.login("/v1/auth/x/login", json={})
        assert adapter.token is None


async def test_an_empty_answer_is_none_and_raw_is_text(vault: FakeVault) -> None:
    vault.tell("GET /v1/empty", lambda _: web.Response(status=204))
    vault.tell("GET /v1/pem", (200, "text"))
    async with client_of(vault) as client:
        assert await client.adapter().get("/v1/empty") is None
        assert await client.adapter().get("/v1/pem", raw=True) == "text"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fake.NAME_NOT_ALLOWED, VaultBadRequest),
        (fake.POLICY_DENIES, VaultForbidden),
        (fake.NO_ROUTE, VaultNotFound),
        ((405, {"errors": []}), VaultNotFound),
        ((413, "<html>too large</html>"), VaultBadRequest),
        (fake.QUOTA, VaultRateLimited),
        (fake.NO_ISSUER, ServerError),
        ((502, "<html>"), GatewayError),
        ((503, "<html>no endpoints</html>"), GatewayError),
        (fake.SEALED, Sealed),
        ((500, {"errors": ["error: Vault is sealed"]}), Sealed),
        ((400, "Client sent an HTTP request to an HTTPS server."), UnexpectedAnswer),
        ((403, "<html>login here</html>"), UnexpectedAnswer),
        ((404, {"message": "not Vault"}), UnexpectedAnswer),
        ((418, {"errors": ["teapot"]}), UnexpectedAnswer),
        ((200, "<html>"), UnexpectedAnswer),
        ((200, ["a"]), UnexpectedAnswer),
    ],
)
async def test_each_answer_has_its_error(
    vault: FakeVault, answer: tuple[int, object], kind: type[VaultError]
) -> None:
    vault.tell("GET /v1/x", answer)
    async with client_of(vault) as client:
        with pytest.raises(VaultError) as caught:
            await client.adapter().get("/v1/x")
    assert type(caught.value) is kind
    assert "GET /v1/x" in str(caught.value)


def test_a_403_tells_a_policy_from_a_bad_token() -> None:
    def forbidden(text: str) -> bool:
        error = error_from_answer("x", Answer(403, {}, text.encode()))
        assert isinstance(error, VaultForbidden)
        return error.by_policy

    assert forbidden('{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}')
    assert not forbidden('{"errors":["permission denied"]}')
    # HashiCorp Vault says this of a bad token.
    assert not forbidden(
        '{"errors":["2 errors occurred:\\n\\t* permission denied\\n\\t* invalid token\\n\\n"]}'
    )


def test_retry_after_is_kept_and_bounded() -> None:
    def after(value: str) -> float | None:
        error = error_from_answer("x", Answer(429, {"Retry-After": value}, b""))
        assert isinstance(error, VaultRateLimited)
        return error.retry_after

    assert [after("7"), after("999999"), after("soon"), after("-1")] == [7.0, 300.0, None, None]


def test_messages_are_bounded_and_hold_no_tokens() -> None:
    secret = "hvs." + "A" * 24
    body = f'{{"errors":["bad {secret} eyJhbGciOiJSUzI1NiJ9.e30.sig","{"y" * 900}","c","d","e"]}}'
    error = error_from_answer("x", Answer(400, {}, body.encode()))
    assert secret not in str(error)
    assert "eyJ" not in str(error)
    assert len(error.messages) == 3
    assert max(map(len, error.messages)) <= 300


def test_words_stand_in_a_sentence_without_their_own_full_stop() -> None:
    assert cleaned("no handler for route. route entry not found.") == (
        "no handler for route. route entry not found"
    )


def test_of_a_message_only_its_beginning_is_read() -> None:
    assert cleaned(" " * 9000 + "late") == ""


async def test_an_answer_too_large_is_refused(vault: FakeVault) -> None:
    vault.tell("GET /v1/x", (200, "x" * (MAX_ANSWER_BYTES + 1)))
    async with client_of(vault) as client:
        with pytest.raises(UnexpectedAnswer, match="larger than"):
            await client.adapter().get("/v1/x", raw=True)


async def test_nothing_listening_is_unreachable_and_was_not_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = VaultClient(Connection(f"http://127.0.0.1:{closed.getsockname()[1]}"))
        with pytest.raises(Unreachable) as caught:
            await client.adapter().get("/v1/x")
        await client.close()
    assert caught.value.sent is False


async def test_a_vault_that_holds_a_request_open_times_out_as_sent(vault: FakeVault) -> None:
    async def hold() -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    vault.tell(fake.SIGN, lambda _: hold())
    async with client_of(vault, timeout=0.5) as client:  # a busy machine has sent it by then
        with pytest.raises(Unreachable, match="in time") as caught:
            await client.adapter("t").post("/v1/pki/sign/web", json={})
    assert caught.value.sent is True


async def test_a_connection_that_breaks_is_unreachable_and_the_post_is_not_repeated() -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = VaultClient(Connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    with pytest.raises(Unreachable) as caught:
        await client.adapter("t").post("/v1/pki/sign/web", json={})
    await client.close()
    server.close()
    assert (caught.value.sent, requests) == (True, 1)


async def test_a_closed_client_says_so_and_sends_nothing(vault: FakeVault) -> None:
    async with client_of(vault) as client:
        await client.close()
        with pytest.raises(Unreachable, match="closed"):
            await client.adapter().get("/v1/x")
    assert vault.calls == []


async def test_https_to_a_plain_port_is_told_as_tls(vault: FakeVault) -> None:
    client = VaultClient(Connection(vault.url.replace("http:", "https:")))
    with pytest.raises(UntrustedTLS, match="does not speak TLS") as raised:
        await client.adapter().get("/v1/x")
    assert "the scheme" in raised.value.remedy("caBundle")
    await client.close()


def test_an_untrusted_certificate_is_told_with_its_reason() -> None:
    inner = ssl.SSLCertVerificationError(1, "certificate verify failed")
    inner.verify_code, inner.verify_message = 20, "unable to get local issuer certificate"
    key = aiohttp.client_reqrep.ConnectionKey("h", 1, True, True, None, None, None)
    error = error_from_exception("GET /v1/x", aiohttp.ClientConnectorCertificateError(key, inner), "Vault")
    assert isinstance(error, UntrustedTLS)
    assert "unable to get local issuer certificate" in str(error)


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/v1/x", "https://elsewhere.test/v1/x", "::"])
async def test_a_redirect_elsewhere_is_refused_and_no_token_follows(vault: FakeVault, target: str) -> None:
    vault.tell("GET /v1/x", lambda _: web.Response(status=307, headers={"Location": target}))
    async with client_of(vault) as client:
        with pytest.raises(UnexpectedAnswer, match="redirected"):
            await client.adapter("t").get("/v1/x")
    assert len(vault.calls) == 1


async def test_a_redirect_to_the_same_host_over_tls_is_followed(vault: FakeVault) -> None:
    vault.tell(
        "POST /v1/x",
        lambda _: web.Response(
            status=307, headers={"Location": vault.url.replace("http:", "https:") + "/v1/x"}
        ),
    )
    async with client_of(vault) as client:
        with pytest.raises(UntrustedTLS):  # the fake has no TLS: what matters is that it was tried
            await client.adapter("t").post("/v1/x", json={})


@pytest.mark.parametrize(
    "server", ["", "vault:8200", "ftp://vault", "https://", "https://u:p@vault", "https://vault?x=1"]
)
def test_a_bad_address_is_refused_at_once(server: str) -> None:
    with pytest.raises(InvalidConnection, match="https://vault"):
        VaultClient(Connection(server))


@pytest.mark.parametrize(
    "bundle", [b"not pem", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"]
)
def test_a_bad_ca_bundle_is_refused_at_once(bundle: bytes) -> None:
    with pytest.raises(InvalidConnection, match="CA bundle"):
        VaultClient(Connection("https://vault:8200", ca_pem=bundle))


def test_tls_is_always_verified() -> None:
    context = Connection("https://vault:8200").tls()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_connections_that_trust_the_same_share_a_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    ca, other = (TestCA.make().ca_pems.encode() for _ in range(2))
    first = Connection("https://one:8200", ca_pem=ca).tls()
    assert Connection("https://two:8200", ca_pem=ca, server_name="x").tls() is first
    assert Connection("https://one:8200", ca_pem=other).tls() is not first
    system = Connection("https://one:8200").tls()
    assert Connection("https://two:8200").tls() is system is not first
    monkeypatch.setattr("issuer.transport.connection._system_store", lambda: (1.0, 2.0))
    assert Connection("https://one:8200").tls() is not system, "the store has changed"


def test_the_ca_bundle_is_not_in_the_repr() -> None:
    assert "PEM-TEXT" not in repr(Connection("https://v", ca_pem=b"PEM-TEXT"))


def test_the_proxy_variables_are_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", ".svc,10.0.0.0/8")
    assert proxy_for(URL("https://vault.example.com")) == URL("http://proxy:3128")
    assert proxy_for(URL("https://vault.x.svc:8200")) is None
    assert proxy_for(URL("https://10.1.2.3:8200")) is None
    assert proxy_for(URL("http://vault.example.com")) is None
    monkeypatch.setenv("https_proxy", "socks5://proxy:1080")
    with pytest.raises(InvalidConnection, match="HTTPS_PROXY of this process is no http proxy"):
        proxy_for(URL("https://vault.example.com"))
