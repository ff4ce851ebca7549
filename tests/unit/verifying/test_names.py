"""Names of certificates are compared as OpenSSL compares them, whose verdict is asked for each."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509

from issuer.endpoint.dialing import DialOptions, dial
from issuer.endpoint.errors import DialFailed
from issuer.verifying.names import covers, names_of
from tests.ca import TestCA
from tests.unit.endpoint.support import listening, server_context

NAMES = (
    x509.DNSName("www.example.test"),
    x509.DNSName("*.wild.example.test"),
    x509.DNSName("*.test"),
    x509.DNSName("part*.example.test"),
    x509.DNSName("xn--bcher-kva.example.test"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)
ASKED = {
    "www.example.test": True,
    "WWW.Example.TEST": True,
    "www.example.test.": True,
    "example.test": False,
    "a.wild.example.test": True,
    "a.b.wild.example.test": False,
    "wild.example.test": False,
    "one.test": False,
    "partial.example.test": False,
    "bücher.example.test": True,
    "127.0.0.1": True,
    "127.0.0.2": False,
    "::1": True,
    "common": False,
}


async def test_names_are_compared_as_openssl_does(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    context = server_context(tmp_path, ca, now, names=NAMES)
    verdicts = {}
    async with listening(context) as endpoint:
        leaf = (await dial(endpoint)).leaf
        for asked in ASKED:
            try:
                await dial(endpoint, DialOptions(asked, (ca.root,)))
                verdicts[asked] = True
            except DialFailed:
                verdicts[asked] = False
    assert verdicts == ASKED
    assert {asked: covers(leaf, asked) for asked in ASKED} == verdicts
    assert names_of(leaf)[:2] == ["*.test", "*.wild.example.test"]


@pytest.mark.parametrize("asked", ["", ".", "a..b", "*.wild.example.test", "www.example.test:443"])
async def test_what_is_no_name_is_covered_by_none(
    tmp_path: Path, ca: TestCA, now: datetime, asked: str
) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        assert not covers((await dial(endpoint)).leaf, asked)
