"""Fields of a Vault role that decide about what it refused, found by Vault's own sentences. Pure.

Vault says that a name is "not allowed by this role", and not which of its ten fields about names it looked
at. Source: `builtin/logical/pki/cert_util.go`, and the answers of OpenBao 2.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_NAMES: Final = (
    "allowed_domains together with allow_bare_domains=true (these names themselves), allow_subdomains=true "
    "(names below them) or allow_glob_domains=true (patterns with *)"
)
_FIELDS: Final = (
    (
        re.compile(r"(?:common name|subject alternate name) \*\S* not allowed by this role"),
        f"{_NAMES}; a wildcard needs allow_wildcard_certificates=true, too",
    ),
    (re.compile(r"(?:common name|subject alternate name) .* not allowed by this role"), _NAMES),
    (
        re.compile(r"email address .* not allowed by this role"),
        "allowed_domains with the domain behind the @, and allow_bare_domains=true",
    ),
    (re.compile(r"serial_number .* not allowed by this role"), "allowed_serial_numbers"),
    (re.compile(r"IP Subject Alternative Names are not allowed"), "allow_ip_sans=true"),
    (re.compile(r"URI Subject Alternative Names .*this role"), "allowed_uri_sans"),
    (re.compile(r"other SAN .*by this role"), "allowed_other_sans"),
    (re.compile(r"role requires keys of type"), "key_type (any takes each)"),
    (re.compile(r"role requires .*key"), "key_bits"),
)


def role_fields(messages: Iterable[str]) -> str:
    """Return the fields of the role that one of Vault's sentences is about, "" if that isn't known."""
    for message in messages:
        for words, fields in _FIELDS:
            if words.search(message):
                return fields
    return ""
