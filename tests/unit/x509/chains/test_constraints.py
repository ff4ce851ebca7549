"""Name constraints, each forbidden name beside a twin that is permitted."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.x509.certificates import read_certificates
from issuer.x509.chains.chain import build_chain
from issuer.x509.chains.constraints import violations

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Make

DNS, URI, MAIL = x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name
OTHER = x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x01a")


def ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def network(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text))


def directory(**parts: str) -> x509.DirectoryName:
    return x509.DirectoryName(subject(**parts))


def subject(**parts: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(getattr(NameOID, kind), text) for kind, text in parts.items()])


def found(
    make: Make,
    name: x509.GeneralName | None,
    *,
    permitted: list[x509.GeneralName] | None = None,
    excluded: list[x509.GeneralName] | None = None,
    of: x509.Name | None = None,
) -> list[str]:
    """Return the violations of a leaf with that name below a CA with these constraints."""
    top = make.root()
    bound = top.authority("Bound", extra=[x509.NameConstraints(permitted, excluded)])
    template = make.Template(subject=of or x509.Name([]), sans=() if name is None else [name])
    (leaf,) = read_certificates(make.pem(bound.sign(template)))
    pool = read_certificates(make.pem(bound.certificate, top.certificate))
    return list(violations(build_chain(leaf, pool, make.NOW)))


CASES: list[tuple[x509.GeneralName, x509.GeneralName, x509.GeneralName]] = [
    (DNS("lab.example"), DNS("a.lab.example"), DNS("xlab.example")),
    (DNS("lab.example"), DNS("LAB.example"), DNS("example")),
    (DNS(".lab.example"), DNS("a.lab.example"), DNS("lab.example")),
    (DNS("lab.example"), DNS("*.lab.example"), DNS("*.else.example")),
    (network("192.0.2.0/24"), ip("192.0.2.9"), ip("192.0.3.9")),
    (network("2001:db8::/32"), ip("2001:db8::1"), ip("192.0.2.9")),
    (MAIL("lab.example"), MAIL("a@LAB.example"), MAIL("a@b.lab.example")),
    (MAIL(".lab.example"), MAIL("a@b.lab.example"), MAIL("a@lab.example")),
    (MAIL("a@lab.example"), MAIL("a@lab.example"), MAIL("b@lab.example")),
    (URI("lab.example"), URI("https://u@LAB.example:8/x"), URI("https://a.lab.example/")),
    (URI(".lab.example"), URI("https://a.lab.example/"), URI("https://a.lab.example.org/")),
    (
        directory(COUNTRY_NAME="DE", ORGANIZATION_NAME="The  Lab"),
        directory(COUNTRY_NAME="DE", ORGANIZATION_NAME="the lab", COMMON_NAME="x"),
        directory(ORGANIZATION_NAME="The Lab", COUNTRY_NAME="DE"),
    ),
]


@pytest.mark.parametrize(("subtree", "inside", "outside"), CASES)
def test_a_name_must_be_inside_the_permitted_subtrees(
    make: Make, subtree: x509.GeneralName, inside: x509.GeneralName, outside: x509.GeneralName
) -> None:
    assert found(make, inside, permitted=[subtree]) == []
    assert "outside the permitted" in found(make, outside, permitted=[subtree])[0]


@pytest.mark.parametrize(("subtree", "inside", "outside"), CASES)
def test_a_name_must_not_be_inside_an_excluded_subtree(
    make: Make, subtree: x509.GeneralName, inside: x509.GeneralName, outside: x509.GeneralName
) -> None:
    assert "inside an excluded" in found(make, inside, excluded=[subtree])[0]
    assert found(make, outside, excluded=[subtree]) == []


def test_a_wildcard_that_covers_an_excluded_host_is_forbidden(make: Make) -> None:
    assert found(make, DNS("*.example"), excluded=[DNS("lab.example")])
    assert found(make, DNS("*.example"), excluded=[DNS("a.lab.example")]) == []


def test_a_kind_of_name_that_is_not_constrained_is_free(make: Make) -> None:
    assert found(make, ip("192.0.2.9"), permitted=[DNS("lab.example")]) == []


@pytest.mark.parametrize(
    ("name", "subtree"),
    [
        (OTHER, OTHER),
        (URI("urn:x"), URI("lab.example")),
        (URI("https://192.0.2.9/"), URI("lab.example")),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), x509.RegisteredID(x509.ObjectIdentifier("1.2"))),
    ],
)
def test_what_cannot_be_compared_is_forbidden(
    make: Make, name: x509.GeneralName, subtree: x509.GeneralName
) -> None:
    assert "can't be compared" in found(make, name, permitted=[subtree])[0]
    assert "can't be compared" in found(make, name, excluded=[subtree])[0]


def test_the_subject_is_bound_too(make: Make) -> None:
    lab = directory(ORGANIZATION_NAME="Lab")
    assert found(make, None, permitted=[lab], of=subject(ORGANIZATION_NAME="Lab", COMMON_NAME="a")) == []
    assert found(make, None, permitted=[lab], of=subject(COMMON_NAME="a"))
    mail = subject(EMAIL_ADDRESS="a@else.example")
    assert found(make, DNS("a.lab.example"), permitted=[MAIL("lab.example")], of=mail)
    # A client that finds no other host name takes the common name for it.
    host = subject(COMMON_NAME="a.else.example")
    assert found(make, None, permitted=[DNS("lab.example")], of=host)
    # OpenSSL takes a part of a label for a wildcard, too.
    part = subject(COMMON_NAME="w*.lab.example")
    assert found(make, None, permitted=[DNS("lab.example")], of=part) == []
    assert found(make, None, permitted=[DNS("else.example")], of=part)
    assert found(make, None, excluded=[DNS("web.lab.example")], of=part)
    assert found(make, None, excluded=[DNS("web.else.example")], of=part) == []
    assert found(make, None, permitted=[DNS("lab.example")], of=subject(COMMON_NAME="Some Service")) == []


def test_constraints_of_every_ca_hold_and_for_the_cas_between(make: Make) -> None:
    lab = directory(ORGANIZATION_NAME="Lab")
    top = make.root()
    outer = top.authority("Outer", extra=[x509.NameConstraints([DNS("example"), lab], None)])
    inner = outer.authority("Inner", extra=[x509.NameConstraints([DNS("lab.example")], None)])
    template = make.Template(subject=subject(ORGANIZATION_NAME="Lab"), sans=[DNS("a.lab.test")])
    (leaf,) = read_certificates(make.pem(inner.sign(template)))
    pool = read_certificates(make.pem(inner.certificate, outer.certificate, top.certificate))
    told = list(violations(build_chain(leaf, pool, make.NOW)))
    assert [text for text in told if "CN=Inner may not sign DNS a.lab.test" in text]
    assert [text for text in told if "CN=Outer may not sign DNS a.lab.test" in text]
    assert [text for text in told if "CN=Outer may not sign directoryName" in text]


def test_a_ca_that_is_named_like_a_host_is_no_host(make: Make) -> None:
    top = make.root()
    bound = x509.NameConstraints([DNS("corp.test")], [DNS("else.test")])
    outer = top.authority("Outer", extra=[bound])
    inner = outer.authority("pki.acme.example")
    pool = read_certificates(make.pem(inner.certificate, outer.certificate, top.certificate))
    for sans, subject_of, forbidden in (
        ([DNS("a.corp.test")], x509.Name([]), False),
        ([], subject(COMMON_NAME="a.corp.test"), False),
        ([], subject(COMMON_NAME="a.else.test"), True),
        ([], subject(COMMON_NAME="pki.acme.example"), True),  # of a leaf it still counts
    ):
        (leaf,) = read_certificates(make.pem(inner.sign(make.Template(subject=subject_of, sans=sans))))
        assert bool(list(violations(build_chain(leaf, pool, make.NOW)))) is forbidden
    # One that is asked for by a Certificate with isCA is an intermediate, too.
    (asked,) = read_certificates(make.pem(inner.authority("shop.acme.example").certificate))
    assert not list(violations(build_chain(asked, pool, make.NOW)))
