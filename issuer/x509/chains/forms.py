"""Certificates in whatever form CAs hand them out: PEM, DER, PKCS #7, and PEM that was written as UTF-16.

Sources: RFC 5280 section 4.2.2.1 (what `caIssuers` URLs answer, DER or PKCS #7), RFC 7468 section 8; the
export of Windows (.cer, .p7b), and PowerShell's `>`.
"""

from __future__ import annotations

import codecs
from typing import Final

from cryptography import x509

from issuer.x509.encoding.pem import scan_blocks, write_pem
from issuer.x509.errors import LIBRARY_ERRORS

_SEQUENCE: Final = b"\x30"
_BEGIN: Final = b"-----BEGIN "
_PKCS7: Final = frozenset({"PKCS7", "CMS"})
_LIMIT: Final = 64
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def certificates_as_pem(data: bytes) -> bytes:
    """Return the certificates of a file as PEM; what is in no form that is known here comes back as it is.

    Nothing is decoded but the form: the certificates themselves are read by whoever reads PEM. The caller
    bounds the length.
    """
    if data.startswith(_UTF_16):
        data = data.decode("utf-16", "replace").encode("utf-8")
    if data.startswith(_SEQUENCE) and _BEGIN not in data:
        return _of_der(data)
    if not any(b"-----BEGIN %s-----" % label.encode() in data for label in _PKCS7):
        return data
    try:
        blocks = scan_blocks(data, _LIMIT)
    except ValueError:
        return data
    return b"".join(
        _of_der(one.der) if one.label in _PKCS7 and one.der else write_pem(one.label, one.der).encode()
        for one in blocks
    )


def _of_der(der: bytes) -> bytes:
    # Imported here, as hardly anybody hands these out, and an agent's memory is counted.
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    try:
        found = pkcs7.load_der_pkcs7_certificates(der)
        return b"".join(one.public_bytes(Encoding.PEM) for one in _lowest_first(found))
    except LIBRARY_ERRORS:
        return write_pem("CERTIFICATE", der).encode()


def _lowest_first(found: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return certificates of PKCS #7, those first that issued none of the others.

    They are a set, in the order of their bytes; whoever wants one of a file takes the first, as in PEM.
    """
    try:
        issuers = {one.issuer for one in found if one.issuer != one.subject}
        return sorted(found, key=lambda one: one.subject in issuers)
    except LIBRARY_ERRORS:  # names that the library doesn't read
        return found
