"""Patterns of names: stars that stay within a host name, a mail address or a URI's host.

A star stands for any text, but a pattern such as `*.shop.example.com` means host names, and one such as
`*@example.com` e-mail addresses. Where the place itself doesn't say which (a common name), the pattern does:
a text that it matches must then be such a name. An underscore, which is for service records and not for
hosts, needs one in the pattern that matches. A star in a URI's host stays in the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from issuer.policy.patterns.uris import UriPattern
from issuer.policy.patterns.wildcard import Patterns
from issuer.x509.contents import Place, RequestPart
from issuer.x509.names import COMMON_NAME
from issuer.x509.syntax.common_names import is_host
from issuer.x509.syntax.hosts import host_problem, label_problem
from issuer.x509.syntax.mail import mail_problem

_COMMON_NAME: Final[Place] = (RequestPart.ATTRIBUTE, COMMON_NAME)
_DNS: Final[Place] = (RequestPart.DNS, "")
_URI: Final[Place] = (RequestPart.URI, "")
_URI_COST: Final = 4_000
"""Nanoseconds to take a URI apart and match its parts."""
_SHORT: Final = 256
"""Characters of a short text; a longer one takes longer in proportion."""
NO_UNDERSCORE: Final = "has an underscore, and no pattern that has one allows it"


@dataclass(frozen=True, slots=True)
class NamePatterns:
    """The patterns of one place, sorted by meaning: `hosts`, `mail` or any text."""

    texts: tuple[str, ...]
    place: Place
    _text: Patterns
    _hosts: Patterns
    _mail: Patterns
    _uris: tuple[UriPattern, ...]
    _underscored: Patterns

    @classmethod
    def parse(cls, place: Place, texts: Sequence[str]) -> NamePatterns:
        """Read `texts` as the patterns of this place."""
        hosts = [text for text in texts if place == _COMMON_NAME and _means_hosts(text)]
        mail = [text for text in texts if place == _COMMON_NAME and _means_mail(text)]
        uris = {text: found for text in texts if place == _URI and (found := UriPattern.parse(text))}
        others = [text for text in texts if text not in {*hosts, *mail, *uris}]
        underscored = [text for text in texts if "_" in text]
        return cls(
            tuple(texts),
            place,
            Patterns.parse(others),
            Patterns.parse(hosts),
            Patterns.parse(mail),
            tuple(uris.values()),
            Patterns.parse(underscored),
        )

    @property
    def cost(self) -> int:
        """The nanoseconds, roughly and rounded up, that matching a short text takes."""
        texts = sum(one.cost for one in (self._text, self._hosts, self._mail, self._underscored))
        return texts + _URI_COST * len(self._uris)

    def costs(self, texts: Sequence[str]) -> list[int]:
        """Return the nanoseconds, roughly and rounded up, that matching each of these texts takes."""
        cost = self.cost
        return [cost * (1 + len(text) // _SHORT) for text in texts]

    def match(self, text: str) -> bool:
        """Return True if one of them allows `text`."""
        return self.refusal(text) is None

    def refusal(self, text: str) -> str | None:
        """Return why no pattern allows `text` ("" if none matches); None if one does."""
        if needs_underscore(self.place, text) and not self._underscored.match(text):
            matches = self._text.match(text) or self._hosts.match(text)
            return NO_UNDERSCORE if matches else ""
        if self._text.match(text) or any(uri.matches(text) for uri in self._uris):
            return None
        if self._hosts.match(text):
            problem = host_problem(text)
            return None if problem is None else f"is no host name: it {problem}"
        if self._mail.match(text):
            problem = mail_problem(text)
            return None if problem is None else f"is no e-mail address: it {problem}"
        return ""


def needs_underscore(place: Place, text: str) -> bool:
    """Return True if `text` is a host name with an underscore, at a place where it is taken for one."""
    return "_" in text and (place == _DNS or (place == _COMMON_NAME and is_host(text)))


def _means_hosts(pattern: str) -> bool:
    """Return True for a wildcard that ends in a domain, and has nothing before it that no host has."""
    tail = pattern.rpartition("*")[2]
    return (
        "*" in pattern
        and "." in tail
        and is_host(f"a{tail}")
        and label_problem(f"a{tail}".removesuffix(".")) is None
        and is_host(f"{pattern}.a")
    )


def _means_mail(pattern: str) -> bool:
    """Return True for a wildcard that ends in an @ and a domain."""
    tail = pattern.rpartition("*")[2]
    return "*" in pattern and mail_problem(f"a{tail}") is None
