"""E-mail addresses (RFC 5280 section 4.2.1.6: a Mailbox of RFC 5321 section 4.1.2)."""

from __future__ import annotations

from typing import Final

from issuer.x509.syntax.hosts import host_problem

MAX_MAILBOX: Final = 64
"""Characters before the @ (RFC 5321 section 4.5.3.1.1)."""
MAX_ADDRESS: Final = 254
"""Characters of a whole address: 256 octets of a path less its brackets (RFC 5321 section 4.5.3.1.3)."""

_ATOM: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~")
_QUOTED: Final = _ATOM | {" ", "."}


def mail_problem(text: str) -> str | None:
    """Return why `text` is no `mailbox@host`, or None if it is one.

    A mailbox in quotes may also hold spaces and dots, and no more: half of the readers see two addresses
    where there is an @ or a comma in quotes.
    """
    mailbox, at, domain = text.partition("@")
    if not at or "@" in domain:
        return "must have exactly one @, and none in quotes"
    if len(text) > MAX_ADDRESS or len(mailbox) > MAX_MAILBOX:
        return f"is longer than {MAX_ADDRESS} characters, or than {MAX_MAILBOX} before the @"
    if problem := _mailbox_problem(mailbox):
        return problem
    if domain.endswith("."):
        return "has a host that ends in a dot"
    if problem := host_problem(domain, wildcard=False):
        return f"has a host behind the @ that {problem}"
    return "has an underscore in its host" if "_" in domain else None


def _mailbox_problem(mailbox: str) -> str | None:
    if len(mailbox) > 2 and mailbox[0] == mailbox[-1] == '"':
        allowed, parts = _QUOTED, [mailbox[1:-1]]
    else:
        allowed, parts = _ATOM, mailbox.split(".")
    if not all(parts):
        return "has nothing before the @, or a dot at an end or two in a row there"
    bad = next((char for part in parts for char in part if char not in allowed), None)
    return None if bad is None else f"has {bad!a} before the @"
