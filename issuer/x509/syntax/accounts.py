"""Names of accounts and services in otherNames, by their OID: those that say at which host they are.

Sources: Microsoft's user principal name; RFC 9598 (SmtpUTF8Mailbox); RFC 6120 section 13.7.1.4 (XmppAddr,
a JID of RFC 7622); RFC 4985 (SRVName, `_service.host`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from issuer.x509.syntax.hosts import label_problem


def _account_problem(text: str) -> str | None:
    """Refuse a second @: software reads the host behind the first, or behind the last."""
    return "has more than one @ in it" if text.count("@") > 1 else None


def _jabber_problem(text: str) -> str | None:
    """Refuse a resource, the text behind a /: it says nothing of the host."""
    return "has a / in it: it is more than an account" if "/" in text else _account_problem(text)


def _service_problem(text: str) -> str | None:
    return label_problem(text.removesuffix("."))


OTHER_NAMES: Final[Mapping[str, Callable[[str], str | None]]] = MappingProxyType(
    {
        "1.3.6.1.4.1.311.20.2.3": _account_problem,
        "1.3.6.1.5.5.7.8.9": _account_problem,
        "1.3.6.1.5.5.7.8.5": _jabber_problem,
        "1.3.6.1.5.5.7.8.7": _service_problem,
    }
)
"""The check of an otherName's text, by its type's OID."""
