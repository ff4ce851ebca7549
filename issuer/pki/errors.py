"""Failures of a PKI command. Each message names the cause first, then the exact change or command."""

from __future__ import annotations


class PkiError(Exception):
    """The command can't go on; what was done before stays and is found again by the next run."""


class VaultNotUsable(PkiError):
    """Vault is sealed, not initialised, without an active node, or can't be reached."""


class NotPermitted(PkiError):
    """The token may not read or write a path."""


class PathNotFound(PkiError):
    """A path that was written to, and at which there is nothing."""


class UnexpectedWarning(PkiError):
    """Vault did what was asked and warned about it, and the file doesn't expect the warning."""


class OtherAuthority(PkiError):
    """Vault holds another CA, key or issuer under the name that the file gives to its own.

    `key` is the key of the authority in the file that it is about, "" if none alone is.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class StalePlan(PkiError):
    """A saved plan doesn't fit what is read now, or the file."""


class NeedsCertificate(PkiError):
    """An offline CA has to sign first; the request was written out."""
