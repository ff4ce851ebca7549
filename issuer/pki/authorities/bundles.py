"""PEM of existing CAs: certificates and a key in any order, the key maybe encrypted. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from issuer.pki.secret import SecretText

_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----.+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----",
    re.DOTALL,
)
_KEY: Final = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
MAX_CERTIFICATES: Final = 16
"""Certificates of one bundle: a chain has two to four."""


class BadBundle(Exception):
    """A bundle can't be used; the message tells what is wrong with it, and what to do."""


@dataclass(frozen=True, slots=True)
class CAChain:
    """A CA certificate and the chain above it, up to a self-signed root."""

    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...]

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All of it, the CA first."""
        return (self.certificate, *self.above)

    @property
    def pem(self) -> str:
        """All of it as PEM, the CA first."""
        return "".join(pem_of(one) for one in self.certificates)


@dataclass(frozen=True, slots=True)
class KeyedCA:
    """A CA with its key as unencrypted PKCS #8, to be sent once."""

    chain: CAChain
    key: SecretText = field(repr=False)


def keyed_ca(bundle: bytes, key: bytes | None = None, passphrase: SecretText | None = None) -> KeyedCA:
    """Return the CA of a bundle whose key is in it or in `key`. Raises BadBundle."""
    certificates = _certificates(bundle)
    private = _private_key(bundle if key is None else key, passphrase)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = [one for one in certificates if _spki(one) == spki]
    if not own:
        raise BadBundle("the key belongs to none of the certificates; bring the key of the CA itself")
    plain = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return KeyedCA(_chained(own[0], certificates), SecretText(plain))


def signed_chain(pem: bytes, spki: bytes) -> CAChain:
    """Return the CA certificate for the key `spki` (DER) and its chain, from what an offline CA gave back.

    Raises BadBundle.
    """
    certificates = _certificates(pem)
    own = [one for one in certificates if _spki(one) == spki]
    if not own:
        raise BadBundle("no certificate in it is for the key in Vault; bring the one made from this request")
    return _chained(own[0], certificates)


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def _certificates(pem: bytes) -> list[x509.Certificate]:
    blocks = _CERTIFICATE.findall(pem)
    if not blocks:
        raise BadBundle("it holds no certificate in PEM")
    if len(blocks) > MAX_CERTIFICATES:
        raise BadBundle(f"it holds more than {MAX_CERTIFICATES} certificates; leave only the CA's chain")
    try:
        return [x509.load_pem_x509_certificate(block) for block in blocks]
    except ValueError as error:
        raise BadBundle(f"a certificate in it can't be read: {error}") from error


def _private_key(pem: bytes, passphrase: SecretText | None) -> Any:
    found = [match.group(0) for match in _KEY.finditer(pem)]
    if len(found) != 1:
        many = "no private key" if not found else "several private keys"
        raise BadBundle(f"it holds {many}; leave the CA's own alone")
    encrypted = b"ENCRYPTED" in found[0]
    if encrypted and not passphrase:
        raise BadBundle("its key is encrypted; give import.passphrase as ${VARIABLE}")
    try:
        return load_pem_private_key(
            found[0], passphrase.reveal().encode() if encrypted and passphrase else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's words could quote nothing secret, but tell little.
        raise BadBundle(
            "its key can't be decrypted; the passphrase is wrong, or the file is damaged"
            if encrypted
            else "its key can't be read; write it again as PKCS #8 (openssl pkcs8 -topk8)"
        ) from error


def _chained(own: x509.Certificate, certificates: Sequence[x509.Certificate]) -> CAChain:
    _must_be_ca(own)
    above: list[x509.Certificate] = []
    last = own
    while last.subject != last.issuer:
        signer = next((one for one in certificates if one not in above and _signed(last, one)), None)
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


def _signed(child: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
