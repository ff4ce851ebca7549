"""Stars in patterns of names: they stand for text, a part of a host name or of an e-mail address."""

from __future__ import annotations

import pytest

from issuer.policy.patterns.names import NamePatterns
from issuer.x509.contents import RequestPart
from issuer.x509.names import COMMON_NAME

CN = (RequestPart.ATTRIBUTE, COMMON_NAME)
DNS = (RequestPart.DNS, "")
ORG = (RequestPart.ATTRIBUTE, "2.5.4.10")


@pytest.mark.parametrize(
    ("pattern", "text", "allowed"),
    [
        ("*.shop.example.com", "x.shop.example.com", True),
        ("*.shop.example.com", "*.shop.example.com", True),
        ("*.shop.example.com", "bank.com,x.shop.example.com", False),
        ("*.shop.example.com", "bank.com x.shop.example.com", False),
        ("web-*.lab.test", "web-1.lab.test", True),
        ("web-*.lab.test", "web-1 or bank.com/.lab.test", False),
        ("*.ec2.internal", "system:node:a.ec2.internal", False),
        ("system:node:*", "system:node:a.ec2.internal", True),
        ("system:*.internal", "system:node:a.ec2.internal", True),
        ("*", "bank.com,x.shop.example.com", True),
        ("* CA", "Lab Shop CA", True),
        ("Lab * CA", "Lab Shop, or not. CA", True),
        ("v1.*", "v1.2 (beta)", True),
        ("*.", "a b.", True),
        ("*@lab.test", "ann@lab.test", True),
        ("*@lab.test", "Ann, ann@lab.test", False),
        ("web.lab.test", "web.lab.test", True),
        ("*.lab.test", "my_app.lab.test", False),
        ("my_*.lab.test", "my_app.lab.test", True),
        ("*_*", "my_app.lab.test", True),
        ("*", "my_app.lab.test", False),
        ("*", "my_app", True),
        ("*", "my_app of Ann", True),
    ],
)
def test_a_common_name_is_what_its_pattern_means(pattern: str, text: str, allowed: bool) -> None:
    assert NamePatterns.parse(CN, [pattern]).match(text) is allowed


def test_one_of_several_patterns_is_enough() -> None:
    found = NamePatterns.parse(CN, ["*.lab.test", "Ann*", "_dmarc.*"])
    assert found.match("Ann, x.lab.test")
    assert found.match("_dmarc.lab.test")
    assert found.refusal("Ben, x.lab.test") == (
        "is no host name: it has ',' in it; a host name is made of letters, digits, hyphens and dots"
    )
    assert found.refusal("_acme.lab.test") == "has an underscore, and no pattern that has one allows it"
    assert found.refusal("Ben") == ""


def test_underscores_are_meant_in_host_names_alone() -> None:
    assert not NamePatterns.parse(DNS, ["*"]).match("a_b")
    assert NamePatterns.parse(DNS, ["*", "a_*"]).match("a_b")
    assert NamePatterns.parse(DNS, ["a_b"]).match("a_b")
    assert NamePatterns.parse(ORG, ["*"]).match("a_b.c")
    assert NamePatterns.parse(ORG, ["*.lab.test"]).match("Ann, x.lab.test")


URI = (RequestPart.URI, "")


@pytest.mark.parametrize(
    ("pattern", "text", "allowed"),
    [
        ("https://*.lab.test/*", "https://a.lab.test/x?y#z", True),
        ("https://*.lab.test/*", "https://a.b.lab.test/", True),
        ("https://*.lab.test/*", "https://bank.test/.lab.test/x", False),
        ("https://*.lab.test/*", "https://bank.test?.lab.test/x", False),
        ("https://*.lab.test/*", "https://bank.test#.lab.test/x", False),
        ("https://*.lab.test", "https://bank.test/.lab.test", False),
        ("https://*.lab.test", "https://a.lab.test", True),
        ("https://*.lab.test*", "https://a.lab.test:8443/x", True),
        ("https://*.lab.test*", "https://bank.test/.lab.test/x", False),
        ("https://lab.test*/x", "https://lab.test@bank.test/x", False),
        ("https://*@lab.test/", "https://ann@lab.test/", True),
        ("*://lab.test/*", "https://lab.test/x", True),
        ("*://lab.test/*", "https://bank.test/://lab.test/x", False),
        ("http*://lab.test/x", "https://bank.test/://lab.test/x", False),
        ("*://*.lab.test/x", "https://bank.test/://a.lab.test/x", False),
        ("*://*.lab.test/x", "urn:x://a.lab.test/x", False),
        ("spiffe://*/ns/shop/*", "spiffe://td/ns/shop/sa/web", True),
        ("spiffe://*/ns/shop/*", "spiffe://bank/x/ns/shop/sa/web", False),
        ("spiffe://td/ns/*/sa/web", "spiffe://td/ns/a/b/sa/web", True),
        ("spiffe://*", "spiffe://td/ns/shop/sa/web", True),
        ("spiffe://td*", "spiffe://td/ns/shop/sa/web", True),
        ("urn:uuid:*", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", True),
        ("*", "https://ann@lab.test/x", True),
    ],
)
def test_a_star_in_a_uris_host_stays_in_the_host(pattern: str, text: str, allowed: bool) -> None:
    assert NamePatterns.parse(URI, [pattern]).match(text) is allowed
