"""The operator's list of servers: what it reads, and what it says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.servers.addresses import special_range
from issuer.servers.allowed import NOT_LISTED, AllowedServers, BadEntry, IssuerWords, Refusal

ANY = AllowedServers()


WORDS = IssuerWords("StepIssuers", "StepClusterIssuers", "step.url")


def text(refusal: Refusal | None) -> str:
    """Return the reason in the words of a made-up backend, nothing where there is none."""
    return "" if refusal is None else refusal.text(WORDS)


def of(*entries: str) -> AllowedServers:
    """The list with these entries."""
    return AllowedServers.parse(entries)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "vault.example.com,",
        "https://vault.example.com",
        "vault.example.com/v1",
        "user@vault",
        "*",
        "*.",
        "vault.*.com",
        "va*lt.com",
        "vault..example.com",
        "-vault.com",
        "vault.com:0",
        "vault.com:65536",
        "vault.com:",
        "vault.com:https",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "127.1",
        "0x7f000001",
        "1.2.3.4.5",
        "[fd00::1",
        "[vault]:8200",
        "[fd00::1]8200",
        "fe80::1%eth0",
        "fd00::g",
        "bücher.example",
        "a" * 64 + ".com",
        "vault.example.com:٣",
        "vault\n.com",
    ],
)
def test_an_entry_that_cannot_be_read_is_refused(entry: str) -> None:
    with pytest.raises(BadEntry, match=r"write|port|network"):
        of("vault.example.com", entry)


def test_no_entry_is_an_empty_list() -> None:
    assert not of()
    assert of("vault")


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("vault.example.com", "vault.example.com", 8200, True),
        ("Vault.Example.com.", "vault.example.com", 1, True),
        ("vault.example.com", "VAULT.example.com.", 1, True),
        ("vault.example.com:8200", "vault.example.com", 8200, True),
        ("vault.example.com:8200", "vault.example.com", 8201, False),
        ("vault.example.com", "evil-vault.example.com", 8200, False),
        ("vault.example.com", "x.vault.example.com", 8200, False),
        ("*.example.com", "vault.example.com", 8200, True),
        ("*.example.com", "a.b.example.com", 8200, True),
        ("*.example.com", "example.com", 8200, False),
        ("*.example.com", "evilexample.com", 8200, False),
        ("*.example.com:8200", "vault.example.com", 443, False),
        ("other,vault", "vault", 8200, True),
        ("10.1.2.3", "vault", 8200, True),  # once it is looked up
        ("10.1.2.3:8200", "vault", 443, False),
    ],
)
def test_names_match_by_name_and_port(entry: str, host: str, port: int, allowed: bool) -> None:
    found = of(entry)
    assert (found.refusal_of_name(host, port, proxied=False) is None) is allowed
    by_address = found.refusal(host, port, IPv4Address("10.1.2.3"))
    assert (by_address is None) is allowed


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("10.0.0.0/8", "10.1.2.3", 8200, True),
        ("10.0.0.0/8:8200", "10.1.2.3", 8200, True),
        ("10.0.0.0/8:8200", "10.1.2.3", 443, False),
        ("10.0.0.0/8", "11.1.2.3", 8200, False),
        ("10.1.2.3", "::ffff:10.1.2.3", 8200, True),
        ("::ffff:10.1.2.3", "10.1.2.3", 8200, True),
        ("[::ffff:10.0.0.0/104]:8200", "10.1.2.3", 8200, True),
        ("[fd00::1]:8200", "fd00::1", 8200, True),
        ("[fd00::1]:8200", "fd00::1", 443, False),
        ("fd00::1", "fd00::1", 443, True),
        ("fd00::/8", "fd12::1", 443, True),
        ("127.0.0.0/8", "127.0.0.1", 8200, True),
        ("127.0.0.1", "0x7f.1", 8200, True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 8200, True),
        ("127.0.0.0/8", "::1", 8200, False),
        ("127.0.0.0/8", "64:ff9b::127.0.0.1", 8200, False),
        ("::1", "::1", 8200, True),
        ("169.254.169.254", "169.254.169.254", 80, True),
        ("169.254.0.0/16", "169.254.1.1", 80, True),
        ("169.254.0.0/16", "169.254.169.254", 80, False),
        ("0.0.0.0/0", "127.0.0.1", 8200, False),
        ("0.0.0.0/0", "169.254.169.254", 80, False),
        ("0.0.0.0/0", "192.0.2.1", 80, True),
        ("0.0.0.0/0", "2001:db8::1", 80, False),
        ("::/0", "::1", 80, False),
        ("100.64.0.0/10", "100.100.100.200", 80, False),
        ("fd00::/8", "fd00:ec2::254", 80, False),
        ("vault.example.com", "10.0.0.1", 8200, False),
    ],
)
def test_addresses_match_by_address_and_port(entry: str, host: str, port: int, allowed: bool) -> None:
    found = of(entry)
    assert (found.refusal_of_name(host, port, proxied=False) is None) is allowed
    assert found.lists(host, port) is allowed


def test_without_entries_any_server_but_special_addresses_is_allowed() -> None:
    assert ANY.refusal_of_name("vault.example.com", 8200, proxied=False) is None
    assert ANY.refusal_of_name("10.0.0.1", 8200, proxied=False) is None
    for host in ("127.0.0.1", "2130706433", "[::1]", "169.254.169.254", "[::ffff:a9fe:a9fe]", "0", "0.0.0.0"):
        problem = ANY.refusal_of_name(host, 80, proxied=False)
        assert problem is not None, host
        assert "--allowed-servers" in text(problem)
        assert "namespacedIssuers.allowedServers" in text(problem)


def test_a_refusal_speaks_of_the_backends_own_issuers() -> None:
    unlisted = text(of("10.0.0.0/8").refusal_of_name("192.168.0.1", 443, proxied=True))
    assert "servers that StepIssuers may use" in unlisted
    assert "StepClusterIssuers are not restricted" in unlisted
    assert "Write it so in step.url" in text(ANY.refusal_of_name("a b", 443, proxied=True))


def test_a_listed_name_that_leads_to_a_special_address_is_refused() -> None:
    found = of("vault.example.com", "*.internal")
    assert found.refusal("vault.example.com", 443, IPv4Address("10.0.0.1")) is None
    for address in ("127.0.0.1", "169.254.169.254", "::1", "fe80::1", "64:ff9b::a9fe:a9fe"):
        assert "leads to" in text(found.refusal("vault.example.com", 443, ip_address(address)))
    both = of("vault.example.com", "127.0.0.1")
    assert both.refusal("vault.example.com", 443, IPv4Address("127.0.0.1")) is None


def test_a_name_is_allowed_by_the_listed_address_that_it_leads_to() -> None:
    found = of("10.0.0.0/8")
    assert found.refusal("vault.example.com", 443, IPv4Address("10.0.0.1")) is None
    assert found.refusal("vault.example.com", 443, IPv4Address("192.168.0.1")) == NOT_LISTED


def test_behind_a_proxy_a_name_is_judged_as_it_is_written() -> None:
    assert ANY.refusal_of_name("vault.example.com", 443, proxied=True) is None
    for host in (
        "localhost",
        "a.LOCALHOST.",
        "localhost4",
        "localhost6.localdomain6",
        "metadata.google.internal",
        "Metadata.",
        "instance-data",
        "instance-data.eu-west-1.compute.internal",
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
    ):
        assert "leads to" in text(ANY.refusal_of_name(host, 443, proxied=True)), host
    assert ANY.refusal_of_name("metadata.example.com", 443, proxied=True) is None
    assert of("10.0.0.0/8").refusal_of_name("vault.example.com", 443, proxied=True) == NOT_LISTED
    assert of("10.0.0.0/8").refusal_of_name("10.0.0.1", 443, proxied=True) is None


@pytest.mark.parametrize("host", ["127%2e0%2e0%2e1", "a b", "1.2.3.4.5", "127.0.0.256", "vault..com", ""])
@pytest.mark.parametrize("proxied", [True, False])
def test_a_host_that_somebody_else_may_read_otherwise_is_refused(host: str, proxied: bool) -> None:
    for found in (ANY, of("10.0.0.0/8"), of("*.com")):
        assert found.refusal_of_name(host, 443, proxied=proxied) is not None


ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.integers(0, 2**32 - 1).map(lambda n: IPv6Address(0x0064_FF9B << 96 | n)),
)


@given(ADDRESSES, st.sampled_from([ANY, of("vault.example.com"), of("0.0.0.0/0", "::/0"), of("10.0.0.0/8")]))
def test_no_list_that_does_not_name_it_opens_a_special_address(
    address: IPv4Address | IPv6Address, allowed: AllowedServers
) -> None:
    if special_range(address) is not None:
        assert allowed.refusal("vault.example.com", 443, address) is not None
        assert allowed.refusal_of_name(str(address), 443, proxied=False) is not None
