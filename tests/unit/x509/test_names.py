"""Names compare by what they mean."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.x509.encoding.der import certificate_information, read_oid, request_information
from issuer.x509.names import (
    Name,
    NameKind,
    common_name,
    dns,
    email,
    ip,
    read_general_names,
    unasked,
    uri,
)
from issuer.x509.request import read_request
from tests.examples import examples

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Make


def test_dns_names_lose_case_and_one_trailing_dot() -> None:
    assert dns("WEB.example.") == dns("web.example")
    assert dns("web.example..") != dns("web.example")
    assert dns(".").value == "."


def test_only_ascii_letters_are_lowered() -> None:
    assert dns("ban\u212a.example") != dns("bank.example")
    assert unasked(frozenset({dns("bank.example")}), frozenset({common_name("ban\u212a.example")}))


def test_addresses_are_octets_and_mapped_ones_are_ipv4() -> None:
    assert ip(bytes(10) + b"\xff\xff\x7f\0\0\1") == ip(b"\x7f\0\0\1")
    assert ip(bytes(15) + b"\1").text() == "::1"
    with pytest.raises(ValueError, match=r"octets|appear"):
        ip(b"\1\2\3\4\5")


def test_mail_domains_and_uri_hosts_have_no_case() -> None:
    assert email("Ann@EXAMPLE.com") == email("Ann@example.com")
    assert email("Ann@example.com") != email("ann@example.com")
    assert uri("SPIFFE://Trust.Example/Path") == uri("spiffe://trust.example/Path")
    assert uri("spiffe://t/Path") != uri("spiffe://t/path")
    assert uri("https://User@HOST/") == uri("https://User@host/")
    assert uri("urn:UUID:x") != uri("urn:uuid:x")
    assert uri("no uri").value == "no uri"


def test_every_kind_of_general_name_is_read(make: Make) -> None:
    other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x02hi")
    directory = x509.DirectoryName(make.name("dir"))
    sans = [
        x509.DNSName("a.example"),
        x509.RFC822Name("a@b.example"),
        x509.UniformResourceIdentifier("https://a.example/x"),
        x509.IPAddress(IPv4Address("10.0.0.1")),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        other,
        directory,
    ]
    assert read_request(make.pem(make.request(sans=sans))).sans == {
        dns("a.example"),
        email("a@b.example"),
        uri("https://a.example/x"),
        ip(b"\x0a\0\0\1"),
        Name(NameKind.REGISTERED_ID, "1.2.3"),
        Name(NameKind.OTHER, b"\x0c\x02hi", "1.3.6.1.4.1.311.20.2.3"),
        Name(NameKind.DIRECTORY, make.name("dir").public_bytes()),
    }


@pytest.mark.parametrize(
    "general_name",
    [
        b"\x82\x02\xc3\xa4",
        b"\x87\x05\1\2\3\4\5",
        b"\xa3\x02\x05\x00",
        b"\xa5\x02\x05\x00",
        b"\xa0\x02\x05\x00",
    ],
)
def test_what_has_no_form_of_its_own_stays_raw(general_name: bytes) -> None:
    value = b"\x30" + bytes([len(general_name)]) + general_name
    assert read_general_names(value) == {Name(NameKind.RAW, general_name)}


@pytest.mark.parametrize(
    "value", [b"", b"\x30\x05\x82", b"\x31\x00", b"\x30\x80\0\0", b"\x30\x81\x01\x82", b"\x30\0\0"]
)
def test_a_list_of_names_that_is_not_der_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="element"):
        read_general_names(value)


@pytest.mark.parametrize("content", [b"", b"\x80\x01", b"\x81", b"\x01" * 200])
def test_malformed_object_identifiers_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="object identifier"):
        read_oid(content)


def test_object_identifiers_are_dotted() -> None:
    assert read_oid(b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e") == "1.2.840.113549.1.9.14"
    assert read_oid(b"\x88\x37\x03") == "2.999.3"


def test_a_common_name_and_the_same_alternative_name_cover_each_other() -> None:
    assert not unasked(frozenset({dns("a.example")}), frozenset({common_name("A.example")}))
    assert not unasked(frozenset({common_name("A.example")}), frozenset({dns("a.example")}))
    assert not unasked(frozenset({common_name("10.0.0.1")}), frozenset({ip(b"\x0a\0\0\1")}))
    assert not unasked(frozenset({ip(b"\x0a\0\0\1")}), frozenset({common_name("10.0.0.1")}))
    assert not unasked(frozenset({ip(b"\x0a\0\0\1")}), frozenset({common_name("::ffff:10.0.0.1")}))
    assert unasked(frozenset({ip(b"\xfe\x80" + bytes(13) + b"\1")}), frozenset({common_name("fe80::1%eth0")}))
    assert not unasked(frozenset({common_name("a@b.c")}), frozenset({email("a@B.c")}))
    assert not unasked(frozenset({common_name("spiffe://t/P")}), frozenset({uri("spiffe://t/P")}))
    assert unasked(frozenset({common_name("b.example")}), frozenset({dns("a.example")}))
    assert unasked(frozenset({dns("a.example")}), frozenset({email("x@a.example")}))


def test_a_name_in_a_message_is_short_and_forges_nothing() -> None:
    shown = str(common_name("a\nlevel=error\x1b[31m" + "x" * 500))
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert len(shown) < 200


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_read_as_der_or_raise_a_value_error(data: bytes) -> None:
    wrapped = b"\x30" + bytes([len(data)]) + data
    for read in (read_general_names, request_information, certificate_information):
        for value in (data, wrapped):
            try:
                read(value)
            except ValueError as error:
                assert len(str(error)) < 100  # noqa: PT017 - either answer is right
