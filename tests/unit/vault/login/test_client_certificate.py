"""Client certificates: real handshakes, every key type, and nothing left to read."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from issuer.transport.client_certificate import BadClientCertificate, ClientCertificate
from issuer.transport.failures import error_from_exception
from issuer.vault.connection import Connection
from issuer.vault.errors import ClientCertificateRefused, LoginRefused, UntrustedTLS
from issuer.vault.login.methods import CertificateLogin
from issuer.vault.transport import VaultClient
from testbed.certs import ClientCA, ClientPair, PrivateKey, write_server
from tests import odd_certificates as odd
from tests.rsa_keys import rsa_key
from tests.unit.vault import fake

TRUSTED = ClientCA("client CA")


def parsed(pair: ClientPair) -> ClientCertificate:
    return ClientCertificate.parse(pair.certificate.encode(), pair.key.encode())


class Listener:
    """A Vault's listener that notes the common name of each client, and answers as told."""

    def __init__(self, url: str, ca_pem: bytes) -> None:
        self.url, self.ca_pem = url, ca_pem
        self.clients: list[str | None] = []
        self.bodies: list[object] = []
        self.answer: tuple[int, object] = fake.login("s.one", renewable=True)

    async def handle(self, request: web.Request) -> web.Response:
        shown = request.transport.get_extra_info("peercert") if request.transport else None
        self.clients.append(shown["subject"][0][0][1] if shown else None)
        self.bodies.append(await request.json() if request.can_read_body else None)
        return web.json_response(self.answer[1], status=self.answer[0])


@pytest.fixture(params=[ssl.CERT_REQUIRED])
async def listener(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Listener]:
    files = write_server(tmp_path, "vault")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=TRUSTED.pem)
    context.load_cert_chain(files.cert, files.key)
    context.verify_mode = request.param
    found = Listener("", files.ca.read_bytes())
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def call(listener: Listener, certificate: ClientCertificate | None) -> None:
    client = VaultClient(Connection(listener.url, listener.ca_pem, client_certificate=certificate))
    try:
        await client.adapter().get("/v1/x")
    finally:
        await client.close()


async def test_the_certificate_is_shown(listener: Listener) -> None:
    await call(listener, parsed(TRUSTED.issue("controller")))
    assert listener.clients == ["controller"]


@pytest.mark.parametrize(
    "alert",
    [
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
    ],
)
def test_an_alert_about_our_certificate_is_told_from_distrust_of_the_server(alert: str) -> None:
    inner = ssl.SSLError(1, "alert")
    inner.reason = alert
    error = aiohttp.ClientOSError()
    error.__cause__ = inner
    found = error_from_exception("GET /v1/x", error, "Vault")
    assert isinstance(found, ClientCertificateRefused)
    assert alert.split("ALERT_")[1].replace("_", " ").lower() in str(found)
    inner.reason = "TLSV1_ALERT_INTERNAL_ERROR"
    assert isinstance(error_from_exception("GET /v1/x", error, "Vault"), UntrustedTLS)


@pytest.mark.parametrize("listener", [ssl.CERT_OPTIONAL], indirect=True)
async def test_a_login_with_a_certificate_of_its_own_uses_a_connection_of_its_own(listener: Listener) -> None:
    usual = parsed(TRUSTED.issue("usual"))
    client = VaultClient(Connection(listener.url, listener.ca_pem, client_certificate=usual))
    try:
        own = CertificateLogin("web", parsed(TRUSTED.issue("login")))
        token = await own.login(client)
        assert not token.renewable, "Vault renews it for that certificate alone, which isn't shown again"
        token = await CertificateLogin(None, None, "/v1/auth/team/cert").login(client)
        assert token.renewable
        await client.adapter("s.one").get("/v1/x")
        listener.answer = (400, {"errors": ["invalid certificate or no client certificate supplied"]})
        with pytest.raises(LoginRefused, match=r'invalid certificate.*role "web"'):
            await own.login(client)
    finally:
        await client.close()
    assert listener.clients == ["login", "usual", "usual", "login"]
    assert listener.bodies[:2] == [{"name": "web"}, {"name": ""}]


KEYS: dict[str, Callable[[], PrivateKey]] = {
    "rsa": rsa_key,
    "ec": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_key_type_loads_and_leaves_nothing_behind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = TRUSTED.issue("client", key=KEYS[kind]())
    opened: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context: ssl.SSLContext, certfile: str, *rest: object, **more: object) -> None:
        opened.append(os.readlink(certfile))  # noqa: PTH115
        assert oct(os.stat(certfile).st_mode & 0o777) == "0o600"  # noqa: PTH116
        load(context, certfile, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    found = parsed(pair)
    found.load_into(ssl.create_default_context())
    assert opened == ["/memfd:client-certificate (deleted)"]
    assert list(tmp_path.iterdir()) == []
    assert "PRIVATE" not in repr(found) + repr(Connection("https://x", client_certificate=found))
    assert "PRIVATE" not in repr(CertificateLogin("x", found))


def test_connections_that_show_and_trust_the_same_share_a_context_and_its_size_is_told() -> None:
    ca = ClientCA("clients")
    one, two = parsed(ca.issue("one")), parsed(ca.issue("two"))
    first = Connection("https://a:8200", client_certificate=one)
    context = first.tls()
    assert Connection("https://b:8200", client_certificate=one).tls() is context
    assert Connection("https://a:8200", client_certificate=two).tls() is not context
    assert Connection("https://a:8200").tls() is not context
    bundle = ca.pem.encode()
    assert Connection("https://a:8200", client_certificate=one, ca_pem=bundle).tls() is not context
    sizes = [
        Connection(f"{scheme}://a:8200", client_certificate=shown, ca_pem=ca_pem).tls_use().size
        for scheme, shown, ca_pem in (
            ("http", one, bundle),
            ("https", None, None),
            ("https", None, bundle),
            ("https", one, bundle),
            ("https", one, None),
        )
    ]
    assert sizes[:2] == [0, 0]
    assert sizes[2] == sizes[3] < 100_000 < 800_000 < sizes[4]


def test_no_descriptor_stays_open() -> None:
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        parsed(TRUSTED.issue("x")).load_into(ssl.create_default_context())
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


PAIR = TRUSTED.issue("one")


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        ("nothing", PAIR.key, "certificate is not readable"),
        (PAIR.key, PAIR.key, "certificate is not readable"),
        ("", PAIR.key, "certificate is not readable"),
        (PAIR.certificate, "nothing", "key is not readable"),
        (PAIR.certificate, PAIR.certificate, "key is not readable"),
        (PAIR.certificate, TRUSTED.issue("other").key, "does not belong"),
        (TRUSTED.pem + PAIR.certificate, PAIR.key, "does not belong"),
        (PAIR.certificate, "x" * 300_000, "larger"),
    ],
)
def test_what_cannot_be_used_is_told_without_repeating_it(certificate: str, key: str, says: str) -> None:
    with pytest.raises(BadClientCertificate, match=says) as caught:
        ClientCertificate.parse(certificate.encode(), key.encode())
    assert "BEGIN" not in str(caught.value)


def test_an_encrypted_key_is_told_rather_than_asked_for_at_the_terminal() -> None:
    plain = load_pem_private_key(PAIR.key.encode(), None)
    assert isinstance(plain, ec.EllipticCurvePrivateKey)
    locked = plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(BadClientCertificate, match="encrypted"):
        ClientCertificate.parse(PAIR.certificate.encode(), locked)


def test_intermediates_come_along_and_old_key_forms_are_read() -> None:
    plain = load_pem_private_key(PAIR.key.encode(), None)
    old = plain.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    found = ClientCertificate.parse((PAIR.certificate + TRUSTED.pem).encode(), b"# comment\n" + old)
    assert found.chain_pem.count(b"BEGIN CERTIFICATE") == 2
    found.load_into(ssl.create_default_context())


@pytest.mark.parametrize("shape", ["serial 0", "critical FALSE", "unsorted relative name"])
def test_an_odd_ca_behind_the_certificate_goes_along(shape: str) -> None:
    _, inter, leaf, key = odd.chain(shape, as_root=False)
    found = ClientCertificate.parse(odd.pem(leaf, inter).encode(), odd.key_pem(key).encode())
    assert found.chain_pem.decode() == odd.pem(leaf, inter)
    found.load_into(ssl.create_default_context())
    with pytest.raises(BadClientCertificate, match="certificate can't be read"):
        ClientCertificate.parse(odd.pem(inter).encode(), odd.key_pem(key).encode())
