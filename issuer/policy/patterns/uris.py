"""Patterns of URIs: a star in the host stands for a part of the host, never for a path.

Otherwise `https://*.lab.test/*` would allow `https://bank.test/.lab.test/x`, whose host is bank.test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from issuer.policy.patterns.wildcard import Pattern

# What ends an authority (RFC 3986 section 3.2).
_END: Final = re.compile(r"[/?#]")


@dataclass(frozen=True, slots=True)
class UriPattern:
    """A pattern with a star in its scheme or authority, taken apart as a URI is."""

    _scheme: Pattern
    _authority: Pattern
    _rest: Pattern
    _user: bool
    """True if the pattern allows a user before the host."""

    @classmethod
    def parse(cls, text: str) -> UriPattern | None:
        """Read `text`; None if neither scheme nor authority has a star, or the authority is one star that
        ends it."""
        found = _taken_apart(text)
        if found is None or "*" not in found[0] + found[1] or found[1:] == ("*", ""):
            return None
        scheme, authority, rest = found
        open_end = not rest and authority.endswith("*")
        return cls(
            Pattern.parse(scheme),
            Pattern.parse(authority),
            Pattern.parse("*" if open_end else rest),
            "@" in authority,
        )

    def matches(self, text: str) -> bool:
        """Return True if scheme, authority and rest of the URI each match."""
        found = _taken_apart(text)
        if found is None:
            return False
        scheme, authority, rest = found
        return (
            ":" not in scheme
            and (self._user or "@" not in authority)
            and self._scheme.matches(scheme)
            and self._authority.matches(authority)
            and self._rest.matches(rest)
        )


def _taken_apart(text: str) -> tuple[str, str, str] | None:
    """Return scheme, authority and the rest; None without an authority."""
    scheme, slashes, tail = text.partition("://")
    if not slashes:
        return None
    end = _END.search(tail)
    at = len(tail) if end is None else end.start()
    return scheme, tail[:at], tail[at:]
