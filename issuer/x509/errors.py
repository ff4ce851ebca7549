"""Errors of this package, and those that the cryptography library raises below it."""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

LIBRARY_ERRORS: Final = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""All errors that the library raises over bad input; half of them only when a part is first looked at."""


class X509Error(ValueError):
    """Input that is not what it should be. The message is for people and never holds the input itself."""


class InvalidRequest(X509Error):
    """A certificate signing request that can't be used; the message says which step failed."""


class InvalidCertificate(X509Error):
    """A certificate, or a bundle of them, that can't be read."""


class InvalidPrivateKey(X509Error):
    """A private key that can't be used; the message completes "the private key ..."."""


class EncryptedPrivateKey(InvalidPrivateKey):
    """A private key that wants a password."""


class ChainError(X509Error):
    """The certificates at hand don't make a valid chain for the leaf; the message says at which link."""
