"""Special addresses, where no signing server is meant to be, in all their spellings."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from issuer.hostnames import MAX_HOST

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA: Final = "cloud metadata"
# The first that holds an address names it, so single addresses stand before the range around them.
_RANGES: Final[tuple[tuple[str, Network], ...]] = (
    (METADATA, IPv4Network("169.254.169.254/32")),  # AWS, Google, Azure, Oracle, OpenStack and others
    (METADATA, IPv4Network("169.254.170.2/32")),  # AWS ECS: credentials of a task
    (METADATA, IPv4Network("169.254.170.23/32")),  # AWS EKS Pod Identity
    (METADATA, IPv4Network("169.254.42.42/32")),  # Scaleway
    (METADATA, IPv4Network("100.100.100.200/32")),  # Alibaba Cloud
    (METADATA, IPv4Network("168.63.129.16/32")),  # Azure's WireServer
    (METADATA, IPv4Network("192.0.0.192/32")),  # Oracle Cloud Classic
    (METADATA, IPv6Network("fd00:ec2::/32")),  # AWS: metadata, Pod Identity, and other services of a node
    (METADATA, IPv6Network("fd20:ce::254/128")),  # Google, machines with IPv6 alone
    (METADATA, IPv6Network("fd00:c1::a9fe:a9fe/128")),  # Oracle
    (METADATA, IPv6Network("fd00:a9fe:a9fe::1/128")),  # Linode
    (METADATA, IPv6Network("fd00:42::42/128")),  # Scaleway
    ("loopback", IPv4Network("127.0.0.0/8")),
    ("loopback", IPv6Network("::1/128")),
    ("unspecified", IPv4Network("0.0.0.0/8")),  # Linux takes 0.0.0.0 for itself
    ("unspecified", IPv6Network("::/128")),
    ("link-local", IPv4Network("169.254.0.0/16")),
    ("link-local", IPv6Network("fe80::/10")),
    ("multicast", IPv4Network("224.0.0.0/4")),
    ("multicast", IPv6Network("ff00::/8")),
    ("broadcast", IPv4Network("255.255.255.255/32")),
)
_WELL_KNOWN_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_6TO4: Final = IPv6Network("2002::/16")  # RFC 3056
_TEREDO: Final = IPv6Network("2001::/32")  # RFC 4380
# IPv4 in the last 32 bits: compatible (RFC 4291) and translated (RFC 2765) addresses.
_IN_THE_END: Final = (IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), _WELL_KNOWN_NAT64)
_ISATAP: Final = 0x00005EFE  # RFC 5214; the bit of 02005efe tells whether the IPv4 address is unique
_PART: Final = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
# As the URL standard has it (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_ENDS_IN_A_NUMBER: Final = re.compile(r"([^.]*[.])*([0-9]+|0[xX][0-9a-fA-F]*)[.]?")


def literal(host: str) -> Address | None:
    """Return the address that `host` is, or None if it is a name.

    Reads what the C library reads: IPv4 in one to four parts, each decimal, octal (`0177`) or hexadecimal
    (`0x7f`); IPv6 with or without brackets and zone. IPv4-mapped IPv6 becomes IPv4, as the kernel dials that.
    """
    host = host.strip("[]").partition("%")[0].rstrip(".")
    if ":" not in host:
        return _ipv4(host)
    try:
        address = IPv6Address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def plain(address: Address) -> Address:
    """Return `address` without a zone, and as IPv4 if it is IPv4-mapped."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def ends_in_a_number(host: str) -> bool:
    """Return True if some software takes `host` for an IPv4 address: no name's last label is a number."""
    return _ENDS_IN_A_NUMBER.fullmatch(host) is not None


def special_range(address: Address) -> str | None:
    """Return the kind of a special address ("loopback", "cloud metadata", ...), or None for any other.

    An IPv6 address that carries an IPv4 address (NAT64, 6to4, Teredo, ISATAP, ...) counts as that one: some
    gateway may unpack it. Prefixes of a network's own NAT64 (RFC 6052, section 3.2) can't be known here.
    """
    for one in (plain(address), *embedded(address)):
        for name, network in _RANGES:
            if one.version == network.version and one in network:
                return name
    return None


def embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses inside an IPv6 address, by each form that fits it."""
    if isinstance(address, IPv4Address):
        return ()
    number = int(address)
    address = IPv6Address(number)  # without a zone
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    found = []
    if any(address in network for network in _IN_THE_END) and number > 1:  # not :: and ::1
        found.append(_low(number))
    if address in _LOCAL_NAT64:
        found += _translated(number)
    if address in _6TO4:
        found.append(_low(number >> 80))
    if address in _TEREDO:
        found += [_low(number >> 64), _low(~number)]
    if (number >> 32) & 0xFDFFFFFF == _ISATAP:
        found.append(_low(number))
    return tuple(found)


def _translated(number: int) -> list[IPv4Address]:
    """Return the IPv4 addresses that `number`, of a local NAT64 prefix, may stand for.

    RFC 6052, section 2.2: prefixes of 48, 56 and 64 bits leave bits 64 to 71 zero, and all behind the IPv4
    address. A reading that gives no unicast address is padding that was read as digits.
    """
    found = []
    for before in (16, 8, 0):  # bits of the IPv4 address in front of bits 64 to 71
        behind = 32 - before
        rest = number & ((1 << 56) - 1)  # bits 72 to 127
        if (number >> 56) & 0xFF == 0 and rest & ((1 << (56 - behind)) - 1) == 0:
            found.append(_low((number >> 64) << behind | rest >> (56 - behind)))
    return [one for one in found or [_low(number)] if 0 < int(one) >> 24 < 224]


def _low(number: int) -> IPv4Address:
    return IPv4Address(number & 0xFFFFFFFF)


def _ipv4(host: str) -> IPv4Address | None:
    """Read an address as inet_aton does: the last part fills what the parts before it leave."""
    parts = host.split(".")
    if len(host) > MAX_HOST or len(parts) > 4 or not all(_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 1 << (8 * (4 - len(leading))):
        return None
    for position, number in enumerate(leading):
        last |= number << (8 * (3 - position))
    return IPv4Address(last)


def _number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part, 16)
    return int(part, 8 if part.startswith("0") else 10)
