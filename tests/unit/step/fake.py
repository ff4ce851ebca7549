"""A step-ca of fakes on a loopback socket with TLS: it checks tokens as the real one does, and signs.

It refuses a token in one sentence whatever the cause, as step-ca 0.30.2 does; `refusals` has the causes.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuer.duration import parse_duration
from tests.ca import TestCA, name, pem

PASSWORD = "a-provisioner's password"
NAME, KID = "admin", "the-key-id"
UNAUTHORIZED = (
    "The request lacked necessary authorization to be completed. Please see the logs for more info."
)
FORBIDDEN = "The request was forbidden by the certificate authority: "
BACKDATE = timedelta(minutes=1)
SIGN, REVOKE = "POST /1.0/sign", "POST /1.0/revoke"

Answer = tuple[int, Any]


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Base64url without padding, read."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwk(key: ec.EllipticCurvePrivateKey, *, private: bool, kid: str = KID) -> dict[str, Any]:
    """A P-256 key as a JWK."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    octets = {"x": public.x, "y": public.y, **({"d": numbers.private_value} if private else {})}
    return {
        "use": "sig",
        "kty": "EC",
        "kid": kid,
        "crv": "P-256",
        "alg": "ES256",
        **{part: encoded(value.to_bytes(32, "big")) for part, value in octets.items()},
    }


def encrypted(data: bytes, password: str, iterations: int = 1000, **changed: Any) -> str:
    """Data as a compact JWE, as step-ca writes it; `changed` are fields of its header."""
    salt, content_key, nonce = os.urandom(16), os.urandom(32), os.urandom(12)
    algorithm = "PBES2-HS256+A128KW"
    header = {
        "alg": algorithm,
        "cty": "jwk+json",
        "enc": "A256GCM",
        "p2c": iterations,
        "p2s": encoded(salt),
        **changed,
    }
    protected = encoded(json.dumps(header).encode())
    derived = PBKDF2HMAC(hashes.SHA256(), 16, algorithm.encode() + b"\0" + salt, iterations)
    wrapped = aes_key_wrap(derived.derive(password.encode()), content_key)
    sealed = AESGCM(content_key).encrypt(nonce, data, protected.encode())
    parts = (wrapped, nonce, sealed[:-16], sealed[-16:])
    return ".".join((protected, *map(encoded, parts)))


@dataclass
class FakeStepCA:
    """One CA with one JWK provisioner; attributes may be changed at any time.

    `dns` are its names, `skew` how far its clock is ahead, `started` when it began, `date` what it says
    for its clock instead. `answer` may answer a call in its place: it is told method and path, and returns
    None to let it be.
    """

    ca: TestCA = field(default_factory=lambda: TestCA.make(datetime.now(UTC)))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    password: str = PASSWORD
    kid: str = KID
    type: str = "JWK"
    claims: dict[str, str] | None = None
    longest: timedelta = timedelta(hours=24)
    dns: tuple[str, ...] = ("127.0.0.1", "localhost")
    skew: timedelta = timedelta()
    started: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    crl: bytes | None = None
    url: str = ""
    date: str = ""
    age: str = "0"
    calls: list[str] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    lives: list[str | None] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    answer: Callable[[str], Answer | None] = lambda _call: None
    cut_answers: bool = False
    lists_encrypted_key: bool = True
    connections: set[Any] = field(default_factory=set)
    _sealed: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def encrypted_key(self) -> str:
        """The provisioner's key under its password."""
        version = (self.password, self.kid)
        if version not in self._sealed:
            private = json.dumps(jwk(self.key, private=True, kid=self.kid)).encode()
            self._sealed[version] = encrypted(private, self.password)
        return self._sealed[version]

    @property
    def now(self) -> datetime:
        """Its clock."""
        return datetime.now(UTC) + self.skew

    @property
    def bundle(self) -> str:
        """Its root as `spec.caBundle` takes it."""
        return base64.b64encode(pem(self.ca.root).encode()).decode()

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of an issuer whose password is in the Secret `step`."""
        reference = {"name": "step", "key": "password"}
        return {
            "url": self.url,
            "caBundle": self.bundle,
            "provisioner": {"name": NAME, "kid": KID, "passwordRef": reference},
        }

    def made(self, what: str) -> int:
        """How many calls of `what` came so far."""
        return self.calls.count(what)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        call = f"{request.method} {request.path}"
        self.calls.append(call)
        self.connections.add(request.transport)
        body = json.loads(await request.text() or "{}")
        status, found = self.answer(call) or self._answered(call, body)
        headers = {"Date": self.date or self.now.strftime("%a, %d %b %Y %H:%M:%S GMT"), "Age": self.age}
        if isinstance(found, bytes):
            return web.Response(status=status, body=found, headers=headers)
        text = found if isinstance(found, str) else json.dumps(found)
        if self.cut_answers and call == SIGN and status == 201:
            text = text[: len(text) // 2]
        return web.Response(status=status, text=text, headers=headers, content_type="application/json")

    def _answered(self, call: str, body: dict[str, Any]) -> Answer:
        provisioner: dict[str, Any] = {"type": self.type, "name": NAME}
        if self.type == "JWK":
            provisioner["key"] = jwk(self.key, private=False, kid=self.kid)
            if self.lists_encrypted_key:
                provisioner["encryptedKey"] = self.encrypted_key
        if self.claims is not None:
            provisioner["claims"] = self.claims
        plain: dict[str, Answer] = {
            "GET /health": (200, {"status": "ok"}),
            "GET /provisioners": (200, {"provisioners": [provisioner], "nextCursor": ""}),
            f"GET /provisioners/{self.kid}/encrypted-key": (200, {"key": self.encrypted_key}),
            "GET /roots": (201, {"crts": [pem(self.ca.root)]}),
            "GET /intermediates": (200, {"crts": [pem(self.ca.intermediate)]}),
            "GET /crl": (404, refusal(404, "no CRL available")) if self.crl is None else (200, self.crl),
        }
        if call in plain:
            return plain[call]
        if call == SIGN and not body["csr"]:
            return 400, refusal(400, "The request could not be completed: missing csr.")
        if call in (SIGN, REVOKE):
            try:
                claims = self._claims(call.partition(" ")[2], body["ott"])
            except PermissionError as error:
                self.refusals.append(str(error))
                return 401, refusal(401, UNAUTHORIZED)
            return self._signed(body, claims) if call == SIGN else self._revoked(body, claims)
        return 404, "404 page not found\n"

    def _claims(self, path: str, token: str) -> dict[str, Any]:
        header, claims = (json.loads(decoded(part)) for part in token.split(".")[:2])
        self.tokens.append(claims)
        if (claims["iss"], header["kid"]) != (NAME, self.kid) or self.type != "JWK":
            raise PermissionError("provisioner not found")
        host = claims["aud"].removeprefix("https://").removesuffix(path).rpartition(":")[0]
        if host not in self.dns or not claims["aud"].endswith(path):
            raise PermissionError("invalid audience")
        if claims["iat"] < self.started.timestamp():
            raise PermissionError("token issued before the bootstrap of certificate authority")
        if claims["jti"] in self.used:
            raise PermissionError("token already used")
        self.used.add(claims["jti"])
        self._check_signature(token)
        now = self.now.timestamp()
        if not claims["nbf"] - 60 <= now <= claims["exp"] + 60:
            raise PermissionError("invalid jwk claims")
        return dict(claims)

    def _check_signature(self, token: str) -> None:
        data, _, signature = token.rpartition(".")
        raw = decoded(signature)
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        try:
            self.key.public_key().verify(encode_dss_signature(r, s), data.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise PermissionError("error parsing jwk claims") from error

    def _signed(self, body: dict[str, Any], claims: dict[str, Any]) -> Answer:
        csr = x509.load_pem_x509_csr(body["csr"].encode())
        granted = claims.get("sans") or [claims["sub"]]
        asked = _names(csr)
        if asked and set(asked) != set(granted):
            return 403, refusal(403, f"{FORBIDDEN}certificate request does not contain the valid DNS names")
        life = parse_duration(body["notAfter"]) if body.get("notAfter") else self.longest
        if life > self.longest:
            limit = _text(self.longest + BACKDATE)
            said = f"requested duration of {_text(life + BACKDATE)} is more than the authorized maximum"
            return 403, refusal(403, f"{FORBIDDEN}{said} certificate duration of {limit}.")
        made = self.ca.sign(body["csr"], now=self.now, life=life, names=map(_general_name, granted))
        self.signed.append(made.serial)
        self.lives.append(body.get("notAfter"))
        chain = [made.leaf_pem, pem(self.ca.intermediate)]
        return 201, {"crt": chain[0], "ca": chain[1], "certChain": chain}

    def _revoked(self, body: dict[str, Any], claims: dict[str, Any]) -> Answer:
        if not body["passive"]:
            return 501, refusal(501, "non-passive revocation not implemented")
        if body["serial"] != claims["sub"]:
            return 403, refusal(403, f"{FORBIDDEN}serial and subject do not match")
        if body["serial"] in self.revoked:
            return 400, refusal(400, f"certificate with serial number '{body['serial']}' is already revoked.")
        self.revoked.append(body["serial"])
        return 200, {"status": "ok"}


def refusal(status: int, message: str) -> dict[str, Any]:
    """An error in step-ca's form."""
    return {"status": status, "message": message}


def _text(life: timedelta) -> str:
    return f"{int(life.total_seconds())}s"


def _names(csr: x509.CertificateSigningRequest) -> list[str]:
    try:
        found = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(one.value) for one in found]


@asynccontextmanager
async def fake_step_ca(*names: str) -> AsyncIterator[FakeStepCA]:
    """Run a CA on loopback whose TLS certificate has these names; 127.0.0.1 and localhost without any."""
    fake = FakeStepCA()
    application = web.Application(client_max_size=1 << 20)
    application.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls(fake.ca, names or fake.dns))
    await site.start()
    server: Any = site._server
    fake.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        for connection in fake.connections:
            with suppress(AttributeError):  # of one that is closed already, on Python 3.11.2
                connection.abort()  # a client that stays would keep it open
        await runner.cleanup()


def _tls(ca: TestCA, names: tuple[str, ...]) -> ssl.SSLContext:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    sans = [_general_name(one) for one in names]
    leaf = (
        x509.CertificateBuilder(ca.intermediate.subject, name("step-ca"), key.public_key(), 4711)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .sign(ca.key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.write_bytes(pem(leaf).encode() + pem(ca.intermediate).encode() + secret)
        context.load_cert_chain(file)
    return context


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)
