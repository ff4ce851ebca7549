"""Links of chains: which certificate signed which, and roots, which signed themselves."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.x509.certificates import Certificate, extension, information, public_key_info
from issuer.x509.chains.signatures import is_made_by, read_signature
from issuer.x509.encoding.raw import RawCertificate
from issuer.x509.errors import LIBRARY_ERRORS
from issuer.x509.extensions import AUTHORITY_KEY_IDENTIFIER, SUBJECT_KEY_IDENTIFIER, may_be_self_signed


def signed_by(child: Certificate, signer: Certificate) -> bool:
    """Return True if `signer` has the name of `child`'s issuer, and its key made `child`'s signature."""
    if not isinstance(child, RawCertificate) and not isinstance(signer, RawCertificate):
        try:
            child.verify_directly_issued_by(signer)
            return True
        except InvalidSignature:
            return False
        except LIBRARY_ERRORS:
            pass  # other names, or such as the library doesn't read: their bytes tell
    try:
        return information(child).issuer == information(signer).subject and _is_made_by(child, signer) is True
    except LIBRARY_ERRORS:
        return False


def _is_made_by(child: Certificate, signer: Certificate, *, old: bool = False) -> bool | None:
    try:
        signature = read_signature(child.public_bytes(Encoding.DER))
    except ValueError:
        return False
    return is_made_by(signature, public_key_info(signer), old=old)


@lru_cache(maxsize=256)
def ca_signed_by(child: Certificate, signer: Certificate) -> bool:
    """Return what `signed_by` does for a CA, from memory where it was asked before.

    The same few CA links stand above every leaf; remembering them saves most of the chain's cost.
    """
    return signed_by(child, signer)


def is_self_issued(certificate: Certificate) -> bool:
    """Return True if issuer and subject have one name: path lengths don't count it (RFC 5280 section 6.1)."""
    found = information(certificate)
    return found.issuer == found.subject


def is_root(certificate: Certificate) -> bool:
    """Return True for a root: its own key made its signature.

    If its algorithm can't be verified any more, names and key identifiers decide: a root is trusted for its
    source, not for that signature. `ways_up` prefers roots whose signature could be verified."""
    if not is_self_issued(certificate):
        return False
    if ca_signed_by(certificate, certificate):
        return True
    made = _self_signature(certificate)
    return made is True or (made is None and not _names_another_key(certificate))


def is_proven(root: Certificate) -> bool:
    """Return True if a root's signature could be verified."""
    return ca_signed_by(root, root) or _self_signature(root) is True


@lru_cache(maxsize=256)
def _self_signature(certificate: Certificate) -> bool | None:
    return _is_made_by(certificate, certificate, old=True)


def _names_another_key(certificate: Certificate) -> bool:
    """Return True if the key identifiers say that another key signed it, or can't be read."""
    try:
        return not may_be_self_signed(
            extension(certificate, SUBJECT_KEY_IDENTIFIER), extension(certificate, AUTHORITY_KEY_IDENTIFIER)
        )
    except ValueError:
        return True
