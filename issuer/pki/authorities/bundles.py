"""PEM of existing CAs: certificates and a key in any order, the key maybe encrypted. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from issuer.pki.authorities.parts import UNDECODABLE, spki
from issuer.pki.secret import SecretText
from issuer.x509.certificates import unread_part
from issuer.x509.chains.links import signed_by

_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----.+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----",
    re.DOTALL,
)
_KEY: Final = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
MAX_CERTIFICATES: Final = 16
"""Certificates of one bundle: a chain has two to four."""


_BEGIN: Final = b"-----BEGIN "
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


class BadBundle(Exception):
    """A bundle can't be used; the message tells what is wrong with it, and what to do.

    `line` is the line of the block that is wrong, 0 if it is none alone; `of_key` is True if it is about the
    key, which may be a file of its own.
    """

    def __init__(self, message: str, line: int = 0, *, of_key: bool = False) -> None:
        super().__init__(message)
        self.line = line
        self.of_key = of_key

    def at(self, path: object) -> str:
        """Return the message with the file that it is about, and its line."""
        return f"{path}:{self.line}: {self}" if self.line else f"{path}: {self}"


@dataclass(frozen=True, slots=True)
class CAChain:
    """A CA certificate and the chain above it, up to a self-signed root."""

    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...]

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates, the CA first."""
        return (self.certificate, *self.above)

    @property
    def pem(self) -> str:
        """The certificates as PEM, the CA first."""
        return "".join(pem_of(one) for one in self.certificates)


@dataclass(frozen=True, slots=True)
class KeyedCA:
    """A CA with its key as unencrypted PKCS #8, to be sent once."""

    chain: CAChain
    key: SecretText = field(repr=False)


def keyed_ca(bundle: bytes, key: bytes | None = None, passphrase: SecretText | None = None) -> KeyedCA:
    """Return the CA of a bundle whose key is in it or in `key`. Raises BadBundle."""
    certificates = certificates_of(bundle)
    private = _private_key(bundle if key is None else key, passphrase)
    own_key = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = [one for one in certificates if spki(one) == own_key]
    if not own:
        raise BadBundle(
            "the key belongs to none of the certificates; bring the key of the CA itself", of_key=True
        )
    plain = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return KeyedCA(_chained(own[0], certificates), SecretText(plain))


def signed_chain(pem: bytes, own_key: bytes) -> CAChain:
    """Return the CA certificate for `own_key` (SPKI, DER) and its chain, from what an offline CA gave back.

    Raises BadBundle.
    """
    certificates = certificates_of(pem)
    own = [one for one in certificates if spki(one) == own_key]
    if not own:
        raise BadBundle("no certificate in it is for the key in Vault; bring the one made from this request")
    return _chained(own[0], certificates)


def roots_in(pem: bytes) -> list[x509.Certificate]:
    """Return the roots of a text. Raises BadBundle, also for a certificate that isn't self-signed."""
    certificates = certificates_of(pem)
    for one in certificates:
        if not signed_by(one, one):
            raise BadBundle(f"{one.subject.rfc4514_string()} in it is no root: another CA signed it")
    return certificates


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def certificates_of(pem: bytes) -> list[x509.Certificate]:
    """Return all certificates of a text. Raises BadBundle."""
    _must_end(pem)
    blocks = list(_CERTIFICATE.finditer(pem))
    if not blocks:
        raise BadBundle("it holds no certificate in PEM")
    if len(blocks) > MAX_CERTIFICATES:
        raise BadBundle(f"it holds more than {MAX_CERTIFICATES} certificates; leave only the CA's chain")
    certificates = []
    for block in blocks:
        try:
            certificate = x509.load_pem_x509_certificate(block[0])
        except UNDECODABLE as error:
            line = _line(pem, block.start())
            raise BadBundle("the certificate that begins here can't be read; copy it again", line) from error
        part = unread_part(certificate)
        if part:
            raise BadBundle(
                f"of the certificate that begins here {part}. If Vault takes it, import it by hand, and "
                "write existing: true",
                _line(pem, block.start()),
            )
        certificates.append(certificate)
    return certificates


def _must_end(pem: bytes, *, of_key: bool = False) -> None:
    """Raise BadBundle for a block that begins and doesn't end: the rest of a file that was cut."""
    blank = _BLOCK.sub(lambda block: b"\n" * block[0].count(b"\n"), pem)
    at = blank.find(_BEGIN)
    if at >= 0:
        raise BadBundle("a block begins here and doesn't end; copy it again", _line(blank, at), of_key=of_key)


def _line(text: bytes, at: int) -> int:
    return text.count(b"\n", 0, at) + 1


def _private_key(pem: bytes, passphrase: SecretText | None) -> Any:
    _must_end(pem, of_key=True)
    found = list(_KEY.finditer(pem))
    if len(found) != 1:
        many = "no private key" if not found else "several private keys"
        raise BadBundle(f"it holds {many}; leave the CA's own alone", of_key=True)
    block, line = found[0][0], _line(pem, found[0].start())
    encrypted = b"ENCRYPTED" in block
    if encrypted and not passphrase:
        raise BadBundle("its key is encrypted; give import.passphrase as ${VARIABLE}", line, of_key=True)
    try:
        return load_pem_private_key(block, passphrase.reveal().encode() if encrypted and passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's words could quote nothing secret, but tell little.
        sentence = (
            "its key can't be decrypted; the passphrase is wrong, or the file is damaged"
            if encrypted
            else "its key can't be read; write it again as PKCS #8 (openssl pkcs8 -topk8)"
        )
        raise BadBundle(sentence, line, of_key=True) from error


def _chained(own: x509.Certificate, certificates: Sequence[x509.Certificate]) -> CAChain:
    _must_be_ca(own)
    above: list[x509.Certificate] = []
    last = own
    while last.subject != last.issuer:
        signer = next((one for one in certificates if one not in above and signed_by(last, one)), None)
        if signer is None:
            raise BadBundle(
                f"the CA that signed {last.subject.rfc4514_string()} is missing "
                f"({last.issuer.rfc4514_string()}); add the certificates up to the root"
            )
        _must_be_ca(signer)
        above.append(signer)
        last = signer
    return CAChain(own, tuple(above))


def _must_be_ca(certificate: x509.Certificate) -> None:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        basic = None
    if basic is None or not basic.ca:
        raise BadBundle(f"{certificate.subject.rfc4514_string()} is no CA (basic constraints)")
