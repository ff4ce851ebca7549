"""TLS against a real handshake: the bundle decides, and so does the name."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection, UntrustedTLS
from issuer.vault.transport import VaultClient
from issuer.x509.encoding.pem import write_pem
from tests import odd_certificates as odd


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    begins: timedelta = timedelta(0),
    signer: tuple[str, ec.EllipticCurvePrivateKey] | None = None,
) -> x509.Certificate:
    """A certificate for 127.0.0.1 and one DNS name, valid for an hour from `begins` on; self-signed without
    a signer."""
    now = datetime.now(UTC) + begins
    issuer, signing_key = signer or (name, key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[str, bytes]]:
    """The URL of a TLS server and the PEM that it should be trusted by."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = certificate("vault.lab.example.test", key).public_bytes(Encoding.PEM)
    async with serving(tmp_path, pem, key) as url:
        yield url, pem


@asynccontextmanager
async def serving(tmp_path: Path, pem: bytes, key: ec.EllipticCurvePrivateKey) -> AsyncIterator[str]:
    """The URL of a TLS server that shows this certificate."""
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "server.pem").write_bytes(pem + secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"data": {}})

    app = web.Application()
    app.router.add_get("/v1/x", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def get(connection: Connection) -> object:
    """One call on a client of its own."""
    client = VaultClient(connection)
    try:
        return await client.adapter().get("/v1/x")
    finally:
        await client.close()


async def test_the_bundle_of_the_issuer_is_trusted(served: tuple[str, bytes]) -> None:
    url, pem = served
    bundle = "# comment, ключ\n".encode() + pem
    assert await get(Connection(url, ca_pem=bundle)) == {"data": {}}


async def test_the_server_name_is_what_the_certificate_must_hold(served: tuple[str, bytes]) -> None:
    url, pem = served
    assert await get(Connection(url, ca_pem=pem, server_name="vault.lab.example.test")) == {"data": {}}
    with pytest.raises(UntrustedTLS, match=r"(?i)hostname mismatch"):
        await get(Connection(url, ca_pem=pem, server_name="other.example.test"))


async def test_another_ca_or_the_systems_store_is_not_enough(served: tuple[str, bytes]) -> None:
    url, _ = served
    other = certificate("other.test", ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.PEM)
    for bundle in (other, None):
        with pytest.raises(UntrustedTLS, match=r"self.signed|local issuer"):
            await get(Connection(url, ca_pem=bundle))


async def refused(
    tmp_path: Path, shown: x509.Certificate, key: ec.EllipticCurvePrivateKey, bundle: bytes
) -> str:
    """Return what to do where a server shows a certificate that the bundle doesn't make good."""
    async with serving(tmp_path, shown.public_bytes(Encoding.PEM), key) as url:
        with pytest.raises(UntrustedTLS) as raised:
            await get(Connection(url, ca_pem=bundle))
    return raised.value.remedy("caBundle")


async def test_what_has_expired_is_told_apart(tmp_path: Path) -> None:
    key, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    day = timedelta(days=1)
    old, new = (certificate("Lab Root", key, begins) for begins in (-day, timedelta(0)))
    good, over, early = (
        certificate("a.test", own, begins, ("Lab Root", key)) for begins in (timedelta(0), -day, day)
    )
    trusted = new.public_bytes(Encoding.PEM)
    said = await refused(tmp_path, good, own, old.public_bytes(Encoding.PEM))
    assert "Of caBundle has expired: CN=Lab Root (at " in said
    said = await refused(tmp_path, over, own, trusted)
    assert "renew it there" in said
    assert "caBundle" not in said
    assert "Compare the clocks" in await refused(tmp_path, early, own, trusted)
    other = certificate("Other", own).public_bytes(Encoding.PEM)
    assert await refused(tmp_path, good, own, other) == ""


def test_the_end_of_the_bundles_last_ca_is_told_ahead() -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    first, last = (
        certificate("CA", key, begins).public_bytes(Encoding.PEM)
        for begins in (timedelta(0), timedelta(minutes=50))
    )
    both = Connection("https://v", ca_pem=first + last)
    assert both.bundle_warning(now + timedelta(minutes=70)) == ""
    assert "TLS to Vault ends at" in both.bundle_warning(now + timedelta(minutes=95))
    assert Connection("https://v", ca_pem=first).bundle_warning(now) == ""
    assert Connection("https://v", ca_pem=first).bundle_warning(now + timedelta(minutes=45))
    for other in (None, b"none"):
        assert Connection("https://v", ca_pem=other).bundle_warning(now) == ""


async def test_one_odd_certificate_in_the_bundle_does_not_keep_the_right_one_out(
    served: tuple[str, bytes],
) -> None:
    url, pem = served
    key = odd.new_key()
    secret = odd.key_pem(key)
    bundles = [odd.pem(odd.chain(name)[0]) for name in (*odd.ODD, "serial 0")]  # and one of them twice
    bundles += [secret, write_pem("CERTIFICATE", b"\x30\x00"), write_pem("TRUSTED CERTIFICATE", b"x")]
    for before, after in (
        (bundles, []),
        ([], bundles),
        (["# Müller ----\r\n"], ["-----END X-----\n"]),
    ):
        connection = Connection(url, ca_pem="".join(before).encode("latin-1") + pem + "".join(after).encode())
        assert await get(connection) == {"data": {}}
        told = "; ".join(connection.left_out())
        if bundles in (before, after):
            assert "a private key doesn't belong here" in told
            assert "OpenSSL can't read it" in told or "its structure can't be read" in told
        assert secret.splitlines()[1] not in told + repr(connection)
    with pytest.raises(InvalidConnection, match="certificate 1: a private key doesn't belong here") as caught:
        Connection(url, ca_pem=secret.encode()).tls()
    assert secret.splitlines()[1] not in str(caught.value)
