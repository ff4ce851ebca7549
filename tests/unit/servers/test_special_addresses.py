"""Spellings of addresses, and addresses where no signing server is meant to be."""

from __future__ import annotations

import contextlib
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.servers.addresses import ends_in_a_number, literal, special_range

METADATA = "cloud metadata"
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
SPECIAL = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("169.254.20.10", "link-local"),
    ("169.254.169.254", METADATA),
    ("169.254.170.23", METADATA),
    ("100.100.100.200", METADATA),
    ("168.63.129.16", METADATA),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("255.255.255.255", "broadcast"),
]
UNICAST = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "169.253.255.255", "240.0.0.1"]


def forms(address: IPv4Address) -> list[IPv6Address]:
    """Every IPv6 form that a gateway, or the kernel, may take for that IPv4 address."""
    number = int(address)
    top, low = number >> 16, number & 0xFFFF
    local = 0x0064_FF9B_0001 << 80
    return [
        IPv6Address(0xFFFF << 32 | number),  # IPv4-mapped
        IPv6Address(0xFFFF << 48 | number),  # IPv4-translated
        IPv6Address(0x0064_FF9B << 96 | number),  # NAT64, well-known prefix
        IPv6Address(local | number),  # NAT64, a local prefix of 96 bits
        IPv6Address(local | 0xFFFE << 64 | number),
        IPv6Address(local | top << 64 | low << 40),  # of 48 bits
        IPv6Address(local | 0xAB << 72 | (number >> 24) << 64 | (number & 0xFFFFFF) << 32),  # of 56 bits
        IPv6Address(local | 0xABCD << 64 | number << 24),  # of 64 bits
        IPv6Address(0x2002 << 112 | number << 80 | 1),  # 6to4
        IPv6Address(0x2001_0000 << 96 | 0x0A000001 << 64 | (~number & 0xFFFFFFFF)),  # Teredo, the client
        IPv6Address(0x2001_0000 << 96 | number << 64 | 0xF5FFFFFE),  # Teredo, the server
        IPv6Address(0x2001_0DB8 << 96 | 0x5EFE << 32 | number),  # ISATAP
        IPv6Address(0xFD00 << 112 | 0x0200_5EFE << 32 | number),
    ]


@pytest.mark.parametrize(("text", "special"), SPECIAL)
def test_special_addresses_stay_special_in_every_ipv6_form(text: str, special: str) -> None:
    address = IPv4Address(text)
    assert special_range(address) == special
    for form in forms(address):
        # No NAT64 leads to what is no unicast address, so those readings of a local prefix are padding.
        padding = form in LOCAL_NAT64 and special in ("unspecified", "multicast", "broadcast")
        assert special_range(form) == special or padding, form


@pytest.mark.parametrize("text", UNICAST)
def test_unicast_addresses_are_not_special_in_any_form(text: str) -> None:
    address = IPv4Address(text)
    assert special_range(address) is None
    assert [str(one) for one in forms(address) if special_range(one) is not None] == []


@pytest.mark.parametrize(
    ("text", "special"),
    [
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "loopback"),  # IPv4-compatible
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("febf::1", "link-local"),
        ("ff02::1", "multicast"),
        ("fd00:ec2::254", METADATA),
        ("fd00:ec2::23", METADATA),
        ("fd20:ce::254", METADATA),
        ("fd00:a9fe:a9fe::1", METADATA),
        ("fd00::1", None),
        ("2001:db8::1", None),
        ("fec0::1", None),
    ],
)
def test_ipv6_ranges(text: str, special: str | None) -> None:
    assert special_range(ip_address(text)) == special


@given(V4)
def test_no_form_hides_loopback_link_local_or_metadata(address: IPv4Address) -> None:
    special = special_range(address)
    if special in ("loopback", "link-local", METADATA):
        assert {special_range(one) for one in forms(address)} == {special}


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.1",
        "0X7F.0x0.0.0x1",
        "0x7f000001",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "::ffff:7f00:1",
        "0" * 40 + "177.0.0.1",
    ],
)
def test_loopback_is_read_however_it_is_written(text: str) -> None:
    assert literal(text) == IPv4Address("127.0.0.1")


@pytest.mark.parametrize(
    "text", ["vault", "vault.example.com", "127.0.0.1.example.com", "1.2.3.4.5", "256.1.1.1", "08.1", "", "-"]
)
def test_names_and_broken_addresses_are_no_addresses(text: str) -> None:
    assert literal(text) is None


def test_a_zone_does_not_change_an_address() -> None:
    assert literal("[fe80::1%25eth0]") == literal("fe80::1%eth0") == IPv6Address("fe80::1")


@given(st.lists(st.sampled_from(["0", "1", "127", "0x7f", "0177", "255", "65535", "256", "08"]), max_size=5))
def test_ipv4_is_read_as_the_c_library_reads_it(parts: list[str]) -> None:
    text = ".".join(parts)
    expected = None
    with contextlib.suppress(OSError):
        expected = IPv4Address(socket.inet_aton(text)) if text else None
    assert literal(text) == expected


@pytest.mark.parametrize("text", ["1.2.3.4.5", "vault.1", "256.256.256.256", "0x", "a.0x1f", "1."])
def test_what_ends_in_a_number_is_no_name(text: str) -> None:
    assert ends_in_a_number(text)
    assert not ends_in_a_number(text + "x" if not text.endswith(("0x", "1f")) else text + "g")
