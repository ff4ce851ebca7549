"""Name constraints of CAs as people write them, as the extension, and one set inside another.

Source: RFC 5280 section 4.2.1.10.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final

from cryptography import x509
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from issuer.hostnames import is_ip_address

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN: Final = re.compile(rf"\.?{_LABEL}(\.{_LABEL})*")
_MAILBOX: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _domain(text: str) -> str:
    domain = text.lower()
    if _DOMAIN.fullmatch(domain) is None or len(domain) > 253 or is_ip_address(domain.lstrip(".")):
        raise ValueError(f"{text[:64]!r} is not a domain; write it without * and without a dot at its end")
    return domain


def _whole_domain(text: str) -> str:
    if text.startswith("."):
        raise ValueError(f"{text[:64]!r} begins with a dot, which readers take differently; leave it out")
    return _domain(text)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text[:64]!r} is not a network; write for example 10.0.0.0/8") from error


def _mail(text: str) -> str:
    mailbox, at, host = text.rpartition("@")
    if at and _MAILBOX.fullmatch(f"{mailbox}@") is None:
        raise ValueError(f"{text[:64]!r} is not a mail address")
    return f"{mailbox}{at}{_domain(host)}"


class NameSet(BaseModel):
    """Names that a CA may, or may not, sign; a form without names is not constrained."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True)

    dns_names: tuple[Annotated[str, AfterValidator(_whole_domain)], ...] = ()
    ip_ranges: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    email_addresses: tuple[Annotated[str, AfterValidator(_mail)], ...] = ()
    uri_domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = ()

    def general_names(self) -> list[x509.GeneralName]:
        """Return the subtrees, in a fixed order."""
        return [
            *map(x509.DNSName, self.dns_names),
            *(x509.IPAddress(ipaddress.ip_network(one)) for one in self.ip_ranges),
            *map(x509.RFC822Name, self.email_addresses),
            *map(x509.UniformResourceIdentifier, self.uri_domains),
        ]

    def texts(self) -> list[str]:
        """Return its names, each with its form."""
        return [f"{_FORMS[type(one)]}:{one.value}" for one in self.general_names()]


class NameBounds(BaseModel):
    """Names that all CAs and certificates below a CA must, and must not, have."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True)

    permitted: NameSet = NameSet()
    excluded: NameSet = NameSet()

    def extension(self) -> x509.NameConstraints | None:
        """Return them as an extension, None if there are none."""
        permitted, excluded = self.permitted.general_names(), self.excluded.general_names()
        if not permitted and not excluded:
            return None
        return x509.NameConstraints(permitted or None, excluded or None)


def constraints_of(certificate: x509.Certificate) -> x509.NameConstraints | None:
    """Return the name constraints of a certificate, if it has any."""
    try:
        return certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def constraint_texts(constraints: x509.NameConstraints | None) -> list[str]:
    """Return constraints in words, such as "permitted DNS:example.test"."""
    if constraints is None:
        return []
    sides = (("permitted", constraints.permitted_subtrees), ("excluded", constraints.excluded_subtrees))
    return [f"{side} {_text(one)}" for side, subtrees in sides for one in subtrees or ()]


def wider_than(child: x509.NameConstraints | None, parent: x509.NameConstraints | None) -> Iterator[str]:
    """Yield the permitted subtrees of `child` that `parent` doesn't permit, or excludes as a whole."""
    if child is None or parent is None:
        return
    for one in child.permitted_subtrees or ():
        same_form = [other for other in parent.permitted_subtrees or () if type(other) is type(one)]
        inside = any(_covers(other, one) for other in same_form)
        excluded = any(_covers(other, one) for other in parent.excluded_subtrees or ())
        if (same_form and not inside) or excluded:
            yield _text(one)


def _covers(wide: x509.GeneralName, narrow: x509.GeneralName) -> bool:
    cover = _COVERS.get(type(wide))
    return type(wide) is type(narrow) and cover is not None and cover(wide.value, narrow.value)


def _covers_domain(wide: str, narrow: str) -> bool:
    wide, narrow = wide.lower(), narrow.lower()
    return not wide or narrow == wide or narrow.endswith(wide if wide.startswith(".") else f".{wide}")


def _covers_host(wide: str, narrow: str) -> bool:
    """Compare mail and URI constraints, where a domain without a leading dot is one host."""
    wide, narrow = wide.lower(), narrow.lower()
    return narrow == wide or (wide.startswith(".") and narrow.endswith(wide))


def _covers_mail(wide: str, narrow: str) -> bool:
    if "@" in wide:
        return wide == narrow
    return _covers_host(wide, narrow.rpartition("@")[2])


def _covers_network(wide: _Network, narrow: _Network) -> bool:
    if isinstance(wide, ipaddress.IPv4Network):
        return isinstance(narrow, ipaddress.IPv4Network) and narrow.subnet_of(wide)
    return isinstance(narrow, ipaddress.IPv6Network) and narrow.subnet_of(wide)


def _covers_name(wide: x509.Name, narrow: x509.Name) -> bool:
    return list(narrow.rdns)[: len(wide.rdns)] == list(wide.rdns)


def _text(name: x509.GeneralName) -> str:
    value = name.value.rfc4514_string() if isinstance(name.value, x509.Name) else name.value
    return f"{_FORMS.get(type(name), 'other')}:{value}"


def same_constraints(one: x509.NameConstraints | None, other: x509.NameConstraints | None) -> bool:
    """Return True if both constrain alike, whatever the order."""
    return sorted(constraint_texts(one)) == sorted(constraint_texts(other))


_FORMS: Final[dict[type[x509.GeneralName], str]] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.RFC822Name: "mail",
    x509.UniformResourceIdentifier: "URI",
    x509.DirectoryName: "directory",
}
_COVERS: Final[dict[type[x509.GeneralName], Callable[[Any, Any], bool]]] = {
    x509.DNSName: _covers_domain,
    x509.IPAddress: _covers_network,
    x509.RFC822Name: _covers_mail,
    x509.UniformResourceIdentifier: _covers_host,
    x509.DirectoryName: _covers_name,
}


def name_bounds(permitted: Sequence[str], excluded: Sequence[str]) -> NameBounds:
    """Return the constraints that options name, such as "DNS:example.test" or "IP:10.0.0.0/8".

    Raises ValueError.
    """
    return NameBounds(permitted=_name_set(permitted), excluded=_name_set(excluded))


def _name_set(texts: Sequence[str]) -> NameSet:
    found: dict[str, list[str]] = {}
    for text in texts:
        form, colon, value = text.partition(":")
        field = _FIELDS.get(form.lower())
        if not colon or field is None:
            raise ValueError(f"{text[:64]!r} lacks its form; write DNS:, IP:, mail: or URI: before it")
        found.setdefault(field, []).append(value)
    return NameSet(**{field: tuple(values) for field, values in found.items()})


_FIELDS: Final = {"dns": "dns_names", "ip": "ip_ranges", "mail": "email_addresses", "uri": "uri_domains"}
