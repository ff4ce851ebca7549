"""CRLs as files and servers give them: one in DER, or any number in PEM, as HAProxy, nginx and OpenVPN want
those of all CAs of a chain."""

from __future__ import annotations

from typing import Final

from cryptography import x509

from issuer.x509.encoding.pem import scan_blocks
from issuer.x509.errors import LIBRARY_ERRORS

MAX_LISTS: Final = 1000
"""CRLs of one file; a CA has two at most, the whole one and a delta list."""
_LABEL: Final = "X509 CRL"
_PEM: Final = b"-----BEGIN X509 CRL-----"


def read_crls(content: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """Return all CRLs of a file, at least one.

    Raises ValueError if one can't be read, or there is none: what is on one that is passed over would be
    taken for good.
    """
    try:
        if _PEM not in content:
            return (_checked(x509.load_der_x509_crl(content)),)
        blocks = [one for one in scan_blocks(content, MAX_LISTS) if one.label == _LABEL]
        if not blocks:  # such as in Vault's JSON of cert/crl, whose line ends are escaped
            raise ValueError("it has no PEM block of a CRL at the beginning of a line")
        for number, block in enumerate(blocks, start=1):
            if block.problem:
                raise ValueError(f"list {number}: {block.problem}")
        return tuple(_checked(x509.load_der_x509_crl(one.der)) for one in blocks)
    except LIBRARY_ERRORS as error:
        raise ValueError(str(error)) from error


def _checked(crl: x509.CertificateRevocationList) -> x509.CertificateRevocationList:
    """Return it. Raises what the library raises over extensions, which it reads late."""
    list(crl.extensions)
    return crl
