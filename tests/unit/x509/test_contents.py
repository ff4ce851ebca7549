"""A CSR's bytes are read without loss, and a part that can't be read is a defect, never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.x509.contents import Contents, RequestPart, Value, read_contents
from issuer.x509.encoding.der import Extension
from issuer.x509.names import COMMON_NAME, SUBJECT_ALTERNATIVE_NAME
from tests.examples import examples
from tests.unit.policy.forge import attribute, dns, other_name, sequence, subject, tlv, utf8


def read(*names: bytes, name: bytes = b"\x30\x00") -> Contents:
    return read_contents(
        name, [Extension(SUBJECT_ALTERNATIVE_NAME, False, sequence(*names))] if names else []
    )


def test_values_keep_order_spelling_and_repeats() -> None:
    found = read(dns("B.test"), dns("a.test."), dns("B.test"))
    assert found.values == {
        (RequestPart.DNS, ""): (
            Value("B.test", "b.test"),
            Value("a.test.", "a.test"),
            Value("B.test", "b.test"),
        )
    }
    assert found.defects == ()


def test_a_subject_is_read_across_multi_valued_names() -> None:
    name = subject([attribute(COMMON_NAME, "a"), attribute("2.5.4.10", "o")], attribute(COMMON_NAME, "b"))
    assert read(name=name).values == {
        (RequestPart.ATTRIBUTE, COMMON_NAME): (Value("a", "a"), Value("b", "b")),
        (RequestPart.ATTRIBUTE, "2.5.4.10"): (Value("o", "o"),),
    }


@pytest.mark.parametrize(
    ("general_name", "value"),
    [
        (tlv(0x81, b"Ann@LAB.test"), Value("Ann@LAB.test", "Ann@lab.test")),
        (tlv(0x86, b"HTTPS://A.test/X"), Value("HTTPS://A.test/X", "https://a.test/X")),
        (tlv(0x87, b"\x7f\0\0\1"), Value("127.0.0.1", "127.0.0.1")),
        (tlv(0x87, bytes(10) + b"\xff\xff\x7f\0\0\1"), Value("127.0.0.1", "127.0.0.1")),
        (tlv(0x87, bytes(15) + b"\1"), Value("::1", "::1")),
        (other_name("1.2.3", utf8("x")), Value("x", "x")),
        (other_name("1.2.3", b"\x02\x01\x05"), Value("020105", "020105")),
    ],
)
def test_alternative_names_are_text(general_name: bytes, value: Value) -> None:
    assert list(read(general_name).values.values()) == [(value,)]


@pytest.mark.parametrize(
    ("uri", "good"),
    [
        ("spiffe://td/ns/a", True),
        ("urn:uuid:1", True),
        ("https://u:p@h:1/p?q#f", True),
        ("http://[::1]:80", True),
        ("mailto:a@b", True),
        ("https://a/%20", True),
        ("file:///x", True),
        ("https://a/%2", False),
        ("/relative", False),
        ("a b:c", False),
        ("https://a b/", False),
        ("https://a./x", False),
        ("https://a..b/", False),
        ("https://a\\@b/", False),
        ("http://[::1", False),
        ('x:"', False),
    ],
)
def test_uris_are_those_of_rfc_3986(uri: str, good: bool) -> None:
    found = read(tlv(0x86, uri.encode()))
    assert bool(found.values) is good
    assert bool(found.defects) is not good


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (tlv(0x13, b"a_b"), "characters that its string type doesn't have"),
        (tlv(0x12, b"a"), "characters that its string type doesn't have"),
        (tlv(0x0C, b"\xff"), "is not UTF-8"),
        (tlv(0x16, b"\xff"), "is not ASCII"),
        (tlv(0x1B, b"a"), "GeneralString"),
        (tlv(0x1C, b"\0\0\0a"), "UniversalString"),
        (tlv(0x05), "value with tag 0x05"),
        (utf8("a\x7fb"), "control characters"),
        (utf8("a\x85b"), "control characters"),
    ],
)
def test_text_that_readers_read_differently_is_a_defect(value: bytes, says: str) -> None:
    (defect,) = read(name=subject(attribute(COMMON_NAME, value))).defects
    assert defect.place == (RequestPart.ATTRIBUTE, COMMON_NAME)
    assert says in defect.problem


@pytest.mark.parametrize("name", [b"", b"\x31\x00", sequence(b"\x30\x00"), sequence(tlv(0x31, b"\x05\x00"))])
def test_a_subject_that_is_no_name_is_a_defect(name: bytes) -> None:
    (defect,) = read(name=name).defects
    assert defect.place == (RequestPart.SUBJECT, "")


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=60), st.sampled_from([0x81, 0x82, 0x86, 0x87, 0xA0, 0xA4, 0x88, 0x02]))
def test_no_bytes_raise(data: bytes, tag: int) -> None:
    read_contents(data, [Extension(SUBJECT_ALTERNATIVE_NAME, False, data)])
    found = read(tlv(tag, data), name=subject(attribute(COMMON_NAME, data or b"\x05\x00")))
    assert all(len(defect.problem) < 200 for defect in found.defects)
    assert found.defects or found.values
