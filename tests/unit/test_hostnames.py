"""Hosts that are IP addresses in their usual form."""

from __future__ import annotations

import pytest

from issuer.hostnames import is_ip_address


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "fe80::1%eth0", "2001:db8::ffff:10.0.0.1"])
def test_an_address_is_told_from_a_name(host: str) -> None:
    assert is_ip_address(host)


@pytest.mark.parametrize("host", ["", "vault", "10.0.0", "0177.0.0.1", "[::1]", "10.0.0.1."])
def test_other_spellings_are_no_addresses(host: str) -> None:
    assert not is_ip_address(host)
