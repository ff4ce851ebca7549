"""The operator's list of servers for issuers of namespaces (`--allowed-servers`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Final

from issuer.hostnames import MAX_HOST
from issuer.servers.addresses import (
    METADATA,
    Address,
    Network,
    ends_in_a_number,
    literal,
    plain,
    special_range,
)

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}([.]{_LABEL})*")
_FORMS: Final = 'host, host:port, "*.suffix", an address, a network such as 10.0.0.0/8, or [fd00::1]:8200'
# Names that a proxy would resolve: only the name is known here. Those of /etc/hosts in Debian and Red Hat.
_LOCAL_NAMES: Final = frozenset(
    {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}
    | {f"localhost{version}{domain}" for version in "46" for domain in ("", f".localdomain{version}")}
)
# Short ones are completed by the search list that a proxy on such a machine has.
_METADATA_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_METADATA_REGIONAL: Final = re.compile(r"instance-data[.][a-z0-9-]+[.]compute[.]internal")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")

_ASK: Final = (
    "ask who runs the controller to add it to --allowed-servers (chart: namespacedIssuers.allowedServers)"
)


@dataclass(frozen=True, slots=True)
class IssuerWords:
    """A backend's words for refusals: its kinds of issuers, in the plural, and its field for the server."""

    namespaced: str
    cluster: str
    field: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why a server may not be used; `template` has places for `IssuerWords`."""

    template: str

    def text(self, words: IssuerWords) -> str:
        """Return the reason for issuers of one backend, to complete "The server ... is not used: ..."."""
        return self.template.format(namespaced=words.namespaced, cluster=words.cluster, field=words.field)


NOT_LISTED: Final = Refusal(
    f"it is not among the servers that {{namespaced}} may use. Use one that is, or {_ASK}; "
    "{cluster} are not restricted"
)
NO_HOST: Final = Refusal(
    "its host is neither a name nor an address in their usual form. Write it so in {field}"
)


class BadEntry(ValueError):
    """An entry of the list that can't be read; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A host, or with `wildcard` every name below it; `port` None is any."""

    text: str
    wildcard: bool
    port: int | None

    def holds(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        return host.endswith(f".{self.text}") if self.wildcard else host == self.text


@dataclass(frozen=True, slots=True)
class _Range:
    """A network, or a single address; `port` None is any."""

    network: Network
    port: int | None

    def holds(self, address: Address, port: int) -> bool:
        if self.port not in (None, port):
            return False
        return address.version == self.network.version and address in self.network

    def means(self, special: str) -> bool:
        """Return True if the entry lies inside that special range: a wider one doesn't allow it."""
        return special_range(self.network[0]) == special == special_range(self.network[-1])


@dataclass(frozen=True, slots=True)
class AllowedServers:
    """The operator's entries. Without any, every server is allowed but those at special addresses
    (`special_range`).

    A server is allowed if an entry names its host, or the address that is dialled; a special address only if
    an entry lies inside its range: 127.0.0.0/8 allows loopback, 0.0.0.0/0 doesn't.
    """

    names: tuple[_Name, ...] = ()
    ranges: tuple[_Range, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowedServers:
        """Read entries, each possibly several with commas between. Raises BadEntry."""
        names: list[_Name] = []
        ranges: list[_Range] = []
        for entry in (one.strip() for text in entries for one in text.split(",")):
            found = _parse(entry)
            if isinstance(found, _Name):
                names.append(found)
            else:
                ranges.append(found)
        return cls(tuple(names), tuple(ranges))

    def __bool__(self) -> bool:
        """Return True if there are entries."""
        return bool(self.names or self.ranges)

    def names_host(self, host: str, port: int) -> bool:
        """Return True if an entry names the host by its name."""
        host = _canonical(host)
        return any(name.holds(host, port) for name in self.names)

    def lists(self, host: str, port: int) -> bool:
        """Return True if an entry names the host as it is written, by name or by address."""
        address = literal(host)
        if address is None:
            return self.names_host(host, port)
        return self._names_address(plain(address), port, special_range(address))

    def refusal(self, host: str, port: int, address: Address) -> Refusal | None:
        """Return why `address`, to which `host` leads, may not be dialled; None if it may."""
        special = special_range(address)
        if self._names_address(plain(address), port, special):
            return None
        if special is not None:
            return _leads_to(special)
        if not self or self.names_host(host, port):
            return None
        return NOT_LISTED

    def refusal_of_name(self, host: str, port: int, *, proxied: bool) -> Refusal | None:
        """Return why `host` may not be used, as far as that is known before a lookup; None if it may.

        With `proxied` the proxy looks it up, so this check is the only one.
        """
        address = literal(host)
        if address is not None:
            return self.refusal(host, port, address)
        name = _canonical(host)
        if not _NAME.fullmatch(name) or ends_in_a_number(name):
            return NO_HOST
        if proxied and (special := _special_name(name)) is not None:
            return _leads_to(special)
        if not self or self.names_host(name, port):
            return None
        if not proxied and any(one.port in (None, port) for one in self.ranges):
            return None
        return NOT_LISTED

    def _names_address(self, address: Address, port: int, special: str | None) -> bool:
        return any(
            one.holds(address, port) and (special is None or one.means(special)) for one in self.ranges
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """The servers that one issuer may use: any, or if `restricted` those that the list allows."""

    allowed: AllowedServers = field(default_factory=AllowedServers)
    restricted: bool = False


def _leads_to(special: str) -> Refusal:
    what = "a cloud metadata service" if special == METADATA else f"a {special} address"
    return Refusal(
        f"it leads to {what}, which {{namespaced}} may use only where that address is listed: {_ASK}"
    )


def _special_name(name: str) -> str | None:
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return "loopback"
    return METADATA if name in _METADATA_NAMES or _METADATA_REGIONAL.fullmatch(name) else None


def _canonical(host: str) -> str:
    return host.lower().removesuffix(".")


def _parse(entry: str) -> _Name | _Range:
    if not entry:
        raise BadEntry(f"an entry is empty: leave the option out to allow any server, or write {_FORMS}")
    if "://" in entry or "@" in entry:
        raise BadEntry(f"{entry!r} is a URL: write {_FORMS}")
    if "%" in entry:
        raise BadEntry(f"{entry!r} has a zone or an escape: write {_FORMS}")
    host, port = _split(entry)
    if "/" in host or ":" in host:
        return _Range(_network(host, entry), port)
    address = literal(host)
    if address is not None:
        if str(address) != host:
            raise BadEntry(f"{entry!r} is an odd way to write an address: write {address}")
        return _Range(_network(host, entry), port)
    wildcard = host.startswith("*.")
    name = _canonical(host.removeprefix("*."))
    if not _NAME.fullmatch(name) or len(name) > MAX_HOST or ends_in_a_number(name):
        hint = "its xn-- form, " if not host.isascii() else ""
        raise BadEntry(f"{entry!r} is no server: write {hint}{_FORMS}")
    return _Name(name, wildcard, port)


def _split(entry: str) -> tuple[str, int | None]:
    """Return the host, and the port behind it if there is one. Raises BadEntry."""
    if entry.startswith("["):
        host, closed, behind = entry[1:].partition("]")
        if not closed or ":" not in host or not (behind == "" or behind.startswith(":")):
            raise BadEntry(f"{entry!r} is no IPv6 address in brackets: write [fd00::1] or [fd00::1]:8200")
        return host, _port(behind[1:], entry) if behind else None
    if entry.count(":") > 1:  # IPv6 without brackets can have no port
        return entry, None
    host, colon, port = entry.partition(":")
    return host, _port(port, entry) if colon else None


def _port(text: str, entry: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise BadEntry(f"{entry!r}: the port must be a number from 1 to 65535")
    return int(text)


def _network(text: str, entry: str) -> Network:
    try:
        network = IPv6Network(text) if ":" in text else IPv4Network(text)
    except ValueError as error:
        raise BadEntry(f"{entry!r} is no address or network: {error}") from error
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = IPv6Address(int(network.network_address)).ipv4_mapped
        return IPv4Network(f"{mapped}/{network.prefixlen - 96}")
    return network
