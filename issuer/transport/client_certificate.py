"""A TLS client certificate with its key, loaded from a Secret's PEM into an `ssl` context without a file on
disk."""

from __future__ import annotations

import errno
import hashlib
import os
import ssl
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from issuer.transport.errors import CallError
from issuer.x509.certificates import MAX_CERTIFICATES, Certificate, decode_leaf, public_key
from issuer.x509.chains.bundle import certificate_blocks, certificate_der
from issuer.x509.encoding.pem import write_pem
from issuer.x509.errors import EncryptedPrivateKey, InvalidCertificate, InvalidPrivateKey
from issuer.x509.keys.private import read_private_key

_MAX_PEM_BYTES = 256 * 1024
# Linux 6.3's flag for memory that can't be made executable; some systems allow no other.
_MFD_NOEXEC_SEAL = 0x0008


class BadClientCertificate(CallError):
    """The certificate or key can't be used; the message says which and why, and repeats nothing of either."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate (and the intermediates that came with it) and its key, known to belong together."""

    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    not_after: datetime

    @classmethod
    def parse(cls, certificate: bytes, key: bytes) -> ClientCertificate:
        """Read PEM: the leaf first, then its intermediates, and an unencrypted key of any type TLS takes.

        Raises BadClientCertificate.
        """
        if max(len(certificate), len(key)) > _MAX_PEM_BYTES:
            raise BadClientCertificate(f"it is larger than {_MAX_PEM_BYTES} bytes")
        chain = _read_chain(certificate)
        leaf = _read_leaf(chain[0])
        key_pem, public = _read_key(key)
        if public_key(leaf) != public:
            raise BadClientCertificate("the private key does not belong to the (first) certificate")
        pem = "".join(write_pem("CERTIFICATE", der) for der in chain)
        return cls(pem.encode(), key_pem, leaf.not_valid_after_utc)

    def digest(self) -> bytes:
        """Return a hash that is unique for the certificate and key."""
        return hashlib.sha256(self.key_pem + self.chain_pem).digest()

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make `context` present this certificate.

        `ssl` wants a file's name. An anonymous file in memory has one below /proc/self/fd for the moment of
        the call: nothing reaches a disk, and a read-only root file system is no hindrance. Raises
        BadClientCertificate.
        """
        descriptor = _memory_file()
        try:
            os.fchmod(descriptor, 0o600)
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(self.key_pem + self.chain_pem)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
        except ssl.SSLError as error:
            reason = (error.reason or "it is not understood").replace("_", " ").lower()
            raise BadClientCertificate(f"TLS can't use the certificate: {reason}") from error
        finally:
            os.close(descriptor)


def _read_chain(pem: bytes) -> list[bytes]:
    """Return the certificates of a PEM text that may hold the key, too, as DER; the first is the client's
    own."""
    try:
        blocks = certificate_blocks(pem, _MAX_PEM_BYTES, MAX_CERTIFICATES)
        chain = [certificate_der(block) for block in blocks if block.label.endswith("CERTIFICATE")]
    except InvalidCertificate as error:
        raise BadClientCertificate(f"the certificate is not readable PEM: {error}") from error
    if not chain:
        raise BadClientCertificate("the certificate is not readable PEM")
    return chain


def _read_leaf(der: bytes) -> Certificate:
    try:
        return decode_leaf(der)
    except InvalidCertificate as error:
        raise BadClientCertificate(f"the (first) certificate can't be read: {error}") from error


def _read_key(pem: bytes) -> tuple[bytes, bytes]:
    """Return the key as PKCS #8 PEM, and its public half as DER."""
    try:
        key = read_private_key(pem)
    except EncryptedPrivateKey as error:
        raise BadClientCertificate("the private key is encrypted; store it without a password") from error
    except InvalidPrivateKey as error:
        raise BadClientCertificate(f"the private key {error}") from error
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _memory_file() -> int:
    try:
        return os.memfd_create("client-certificate", os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create("client-certificate", os.MFD_CLOEXEC)  # an older kernel


def _no_password() -> str:
    """Return no password: OpenSSL would ask at the terminal, and no key that comes here is encrypted."""
    raise BadClientCertificate("the private key is encrypted; store it without a password")
