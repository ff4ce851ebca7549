"""An apply that goes on takes certificates of its own signer, and takes back no other's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from issuer.pki.authorities.files import AuthorityFiles
from issuer.pki.authorities.identity import identify
from issuer.pki.authorities.making import AuthorityMaker
from issuer.pki.authorities.parts import serial_text
from issuer.pki.errors import OtherAuthority
from issuer.pki.file.authority import Authority
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead
from tests.pki.cas import FileCA, root

SUBJECT = {"commonName": "Web CA"}
AUTHORITIES = {
    "home": Authority.model_validate({"mount": "root", "existing": True}),
    "web": Authority.model_validate(
        {"mount": "int", "subject": SUBJECT, "lifetime": "24h", "signedBy": "home", "includeChain": False}
    ),
}


class TwoSigners(VaultCalls):
    """A Vault whose mount `root` has two CAs, and `int` a key: each read and write must be expected."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Web CA")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        self.csr = request.public_bytes(Encoding.PEM).decode()
        self.home, self.other = root("Home"), root("Other")
        self.certificates: list[str] = []
        self.issuers: dict[str, dict[str, Any]] = {}
        self.pems: dict[str, str] = {}
        self.writes: list[str] = []
        self.revoked: list[str] = []

    def sign(self, ca: FileCA) -> str:
        """Sign the request, and put the certificate into the signer's list."""
        pem = ca.sign(self.csr).removesuffix(ca.pem)
        self.certificates.append(pem)
        return pem

    def install(self, pem: str, name: str = "") -> None:
        """Make an issuer of the key."""
        number = f"i{len(self.issuers)}"
        self.issuers[number] = {"issuer_name": name, "key_id": "k"}
        self.pems[number] = pem

    def _serials(self) -> dict[str, str]:
        return {serial(pem): pem for pem in self.certificates}

    async def read(self, path: str) -> PathRead:
        if path.startswith("root/cert/"):
            return PathRead({"certificate": self._serials()[path.removeprefix("root/cert/")]})
        if path.startswith("int/issuer/"):
            return PathRead({"certificate": self.pems[path.removeprefix("int/issuer/")]})
        answers: dict[str, Mapping[str, Any]] = {
            "int/keys/": {"key_info": {"k": {"key_name": "web"}}},
            "int/issuers/": {"key_info": self.issuers},
            "int/config/issuers": {},
            "root/certs/": {"keys": list(self._serials())},
            "root/issuer/home/json": {"certificate": self.home.pem},
        }
        return PathRead(answers[path])

    async def read_all(self, paths: Iterable[str]) -> dict[str, PathRead]:
        return {path: await self.read(path) for path in paths}

    async def write(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> dict[str, Any]:
        self.writes.append(path)
        body = body or {}
        if path == "int/intermediate/generate/existing":
            return {"csr": self.csr}
        if path == "root/issuer/home/sign-intermediate":
            pem = self.sign(self.home)
            return {"certificate": pem, "serial_number": serial(pem)}
        if path == "int/intermediate/set-signed":
            self.install(str(body["certificate"]))
            return {"mapping": {f"i{len(self.issuers) - 1}": "k"}}
        if path == "root/revoke":
            self.revoked.append(body["serial_number"])
            return {}
        self.issuers[path.removeprefix("int/issuer/")]["issuer_name"] = body["issuer_name"]
        return {}

    async def delete(self, path: str) -> None:
        del self.issuers[path.removeprefix("int/issuer/")]

    def make(self) -> None:
        """Go on with the CA `web`."""
        maker = AuthorityMaker(self, AUTHORITIES, AuthorityFiles(Path()), lambda: datetime.now(UTC))
        asyncio.run(maker.make("web"))

    def signer_of(self, name: str) -> str:
        """The issuer of the certificate that the issuer of a name has."""
        number = next(one for one, info in self.issuers.items() if info["issuer_name"] == name)
        return read(self.pems[number]).issuer.rfc4514_string()


def read(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def serial(pem: str) -> str:
    return serial_text(read(pem))


def test_a_certificate_of_another_ca_of_the_mount_is_not_taken() -> None:
    vault = TwoSigners()
    vault.sign(vault.other)
    vault.make()
    assert "root/issuer/home/sign-intermediate" in vault.writes
    assert (vault.signer_of("web"), vault.revoked) == ("CN=Home", [])


def test_only_certificates_of_its_own_signer_are_taken_back() -> None:
    vault = TwoSigners()
    vault.sign(vault.other)
    first, second = vault.sign(vault.home), vault.sign(vault.home)
    vault.make()
    assert "root/issuer/home/sign-intermediate" not in vault.writes
    (revoked,) = vault.revoked
    assert revoked in (serial(first), serial(second))


def test_an_issuer_that_another_ca_signed_is_left_alone() -> None:
    vault = TwoSigners()
    vault.install(vault.sign(vault.other))
    for _ in range(2):
        vault.install(vault.sign(vault.home))
    vault.make()
    assert vault.signer_of("web") == "CN=Home"
    assert vault.signer_of("") == "CN=Other"
    assert len(vault.issuers) == 2
    assert len(vault.revoked) == 1


def test_a_key_with_a_certificate_of_another_ca_alone_is_told() -> None:
    vault = TwoSigners()
    vault.install(vault.sign(vault.other))
    with pytest.raises(OtherAuthority, match="has a certificate of another CA than home"):
        vault.make()
    assert (vault.writes, vault.revoked) == ([], [])


def test_a_named_issuer_of_the_key_is_none_too_many() -> None:
    issuers = {
        one: {"issuer_name": name, "key_id": "k"}
        for one, name in (("a", "web"), ("b", "web-cross"), ("c", ""))
    }
    keys = {"key_info": {"k": {"key_name": "web"}}}
    found = identify("web", AUTHORITIES["web"], keys, {"key_info": issuers})
    assert (found.issuers, found.others) == (("a", "c"), ("b",))
