"""Contents of a certificate's files. Pure: bytes out of certificates and a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    pkcs12,
)

FILE_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}$"
"""The names that a file of a set may have: none is a path, or begins with a dot."""
_TRIPLE_DES: Final = bytes.fromhex("060a2a864886f70d010c0103")
"""The object identifier pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292, appendix C), as DER."""
_LEGACY_ROUNDS: Final = 2048  # as of OpenSSL
SOURCE_NAME: Final = ".source.pem"
"""The file beside them from which the agent writes them again."""


class FileKind(StrEnum):
    """Kinds of file that a set can hold."""

    COMBINED = "combined"
    """Key, certificate and chain in one PEM, key first: one file, so always a key and its certificate."""
    KEY = "key"
    CERTIFICATE = "certificate"
    CHAIN = "chain"
    """The CAs between the certificate and the root, issuing CA first, as a server sends them."""
    FULL_CHAIN = "fullchain"
    """Certificate, then chain."""
    CA = "ca"
    """The roots that a client trusts."""
    PKCS12 = "pkcs12"
    CERTIFICATE_DER = "certificate-der"
    KEY_DER = "key-der"
    CA_DER = "ca-der"
    """The first root, as DER."""

    @property
    def is_secret(self) -> bool:
        """Return True if the file holds the private key."""
        return self in _SECRET


class StoreProfile(StrEnum):
    """Algorithms of a PKCS#12 file with a password, in cert-manager's words."""

    MODERN = "Modern2023"
    """AES-256, PBKDF2 and SHA-256."""
    LEGACY = "LegacyDES"
    """Triple DES and SHA-1, for readers that take nothing else, as Windows Server 2016 and the first Java 8.

    Who has the file finds out a weak password soon.
    """


class KeyEncoding(StrEnum):
    """Forms of a private key, in cert-manager's words (`privateKey.encoding`)."""

    PKCS8 = "PKCS8"
    """One form for every algorithm: `PRIVATE KEY` in PEM."""
    PKCS1 = "PKCS1"
    """The older form of the algorithm, for readers that take no other: PKCS #1 for RSA (`RSA PRIVATE KEY`),
    SEC 1 for ECDSA (`EC PRIVATE KEY`). Ed25519 has none, and stays PKCS #8."""


_SECRET: Final = frozenset({FileKind.COMBINED, FileKind.KEY, FileKind.PKCS12, FileKind.KEY_DER})
KEY_FORMS: Final = frozenset({FileKind.COMBINED, FileKind.KEY, FileKind.KEY_DER})
"""The kinds whose key has one of the forms of `KeyEncoding`."""
CHAIN_ONLY: Final = frozenset({FileKind.CHAIN, FileKind.CA, FileKind.CA_DER})
"""The kinds that need no certificate of one's own."""


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """A certificate with its key and CAs, or CAs alone.

    `key_der` is PKCS#8, and never shown; `chain` are the CAs that a server sends, issuing CA first, without
    roots; `roots` are what a client trusts.
    """

    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]
    certificate: x509.Certificate | None = None
    key_der: bytes | None = field(default=None, repr=False)

    def render(
        self,
        kind: FileKind,
        *,
        name: str = "",
        password: bytes | None = None,
        profile: StoreProfile = StoreProfile.MODERN,
        key_encoding: KeyEncoding = KeyEncoding.PKCS8,
    ) -> bytes:
        """Return the bytes of a file of `kind`; raises ValueError if the set doesn't have what it holds.

        `name` is the friendly name of a PKCS#12 file, `password` encrypts it as `profile` says; without one
        it is written unencrypted, as servers that read it unattended want it. `key_encoding` is for the
        kinds of KEY_FORMS.
        """
        if kind is FileKind.PKCS12:
            return self._pkcs12(name, _encryption(password, profile))
        if kind in (FileKind.KEY, FileKind.KEY_DER):
            return self._key(Encoding.PEM if kind is FileKind.KEY else Encoding.DER, key_encoding)
        if kind in (FileKind.CERTIFICATE_DER, FileKind.CA_DER):
            one = self.leaf if kind is FileKind.CERTIFICATE_DER else self._root()
            return one.public_bytes(Encoding.DER)
        key = self._key(Encoding.PEM, key_encoding) if kind is FileKind.COMBINED else b""
        return key + b"".join(one.public_bytes(Encoding.PEM) for one in self._certificates(kind))

    def _certificates(self, kind: FileKind) -> tuple[x509.Certificate, ...]:
        """Return the certificates of a file in PEM, in their order."""
        match kind:
            case FileKind.CERTIFICATE:
                return (self.leaf,)
            case FileKind.CHAIN:
                return self.chain
            case FileKind.CA:
                return self.roots
            case _:
                return (self.leaf, *self.chain)

    @property
    def leaf(self) -> x509.Certificate:
        """Return the certificate; raises ValueError if only CAs are kept."""
        if self.certificate is None:
            raise ValueError("only CAs are kept here: there is no certificate to write")
        return self.certificate

    def _root(self) -> x509.Certificate:
        if not self.roots:
            raise ValueError("no root is known")
        return self.roots[0]

    def _private(self) -> PrivateKeyTypes:
        if self.key_der is None:
            raise ValueError("only CAs are kept here: there is no key to write")
        return load_der_private_key(self.key_der, None)

    def _key(self, encoding: Encoding, form: KeyEncoding) -> bytes:
        if encoding is Encoding.DER and form is KeyEncoding.PKCS8 and self.key_der is not None:
            return self.key_der
        key = self._private()
        older = form is KeyEncoding.PKCS1 and isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        wanted = PrivateFormat.TraditionalOpenSSL if older else PrivateFormat.PKCS8
        return key.private_bytes(encoding, wanted, NoEncryption())

    def _pkcs12(self, name: str, encryption: KeySerializationEncryption) -> bytes:
        cas = [*self.chain, *self.roots]
        return pkcs12.serialize_key_and_certificates(
            name.encode() or None,
            self._private(),  # type: ignore[arg-type]  # RSA, EC and Ed25519 keys alone are made or read here
            self.leaf,
            cas or None,
            encryption,
        )


def is_legacy(store: bytes) -> bool:
    """Return True if a PKCS#12 file with a password is one of `StoreProfile.LEGACY`."""
    return _TRIPLE_DES in store


def _encryption(password: bytes | None, profile: StoreProfile) -> KeySerializationEncryption:
    if not password:
        return NoEncryption()
    if profile is StoreProfile.MODERN:
        return BestAvailableEncryption(password)
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_LEGACY_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(SHA1())  # noqa: S303  # that is what these readers take
        .build(password)
    )
