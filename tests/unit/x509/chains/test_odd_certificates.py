"""CAs as old and careless software made them: what Go and OpenSSL take is carried, whatever else is odd."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.text import rfc3339
from issuer.x509.certificates import Certificate, basic_constraints, is_authority, public_key, usages
from issuer.x509.chains.bundle import read_bundle, read_delivered, read_leaf
from issuer.x509.chains.chain import build_chain, signing_ca
from issuer.x509.chains.constraints import violations
from issuer.x509.chains.links import is_root, signed_by
from issuer.x509.describe import fingerprint, serial_hex, subject_text
from issuer.x509.encoding.raw import read_raw
from issuer.x509.errors import ChainError, InvalidCertificate
from tests import odd_certificates as odd
from tests.examples import examples
from tests.rsa_keys import rsa_key

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PLAIN = "sorted relative name"


def der(certificate: Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize(("shape", "as_root"), odd.TAKEN)
def test_what_go_and_openssl_take_is_delivered_as_it_is(shape: str, as_root: bool, tmp_path: Path) -> None:
    root, inter, leaf, key = odd.chain(shape, as_root=as_root)
    bundle = read_bundle(odd.pem(inter, root), needed=2)
    assert bundle.left_out == ()
    chain = build_chain(read_leaf(odd.pem(leaf)), bundle.certificates, NOW)
    assert chain.complete
    assert [der(one) for one in (chain.leaf, *chain.cas)] == [leaf, inter, root]
    assert chain.certificate_pem == odd.pem(leaf, inter)
    assert list(violations(chain)) == []
    # And what is delivered is what a client takes.
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    file = tmp_path / "server.pem"
    file.write_text(chain.certificate_pem + odd.key_pem(key))
    server.load_cert_chain(file)
    client.load_verify_locations(cadata=root)
    handshake(server, client)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """TLS in memory. Raises SSLCertVerificationError."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname="leaf.example"),
        server.wrap_bio(up, down, server_side=True),
    ]
    while ends:
        for end in tuple(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


@pytest.mark.parametrize("shape", sorted(set(odd.ODD) - {PLAIN}))
@pytest.mark.parametrize("as_root", [True, False])
def test_one_odd_certificate_never_sinks_the_others(shape: str, as_root: bool) -> None:
    root, inter, *_ = odd.chain(shape, as_root=as_root)
    plain_root, plain, leaf, _ = odd.chain(PLAIN)
    one = root if as_root else inter
    bundle = read_bundle(odd.pem(plain, one, plain_root))
    assert len(bundle.certificates) + len(bundle.left_out) == 3
    chain = build_chain(read_leaf(odd.pem(leaf)), bundle.certificates, NOW)
    assert [der(ca) for ca in chain.cas] == [plain, plain_root]
    for ca in bundle.certificates:  # what is told of a CA can be told
        assert len(fingerprint(ca)) == 64
        _ = (serial_hex(ca), subject_text(ca), is_authority(ca), public_key(ca), hash(ca))
        assert rfc3339(ca.not_valid_before_utc) < rfc3339(ca.not_valid_after_utc)
        _ = ca.not_valid_after_utc - ca.not_valid_before_utc


def test_what_is_left_out_is_named_with_the_field_and_why() -> None:
    root, inter, *_ = odd.chain("time with fractions")
    (text,) = read_bundle(odd.pem(inter, root)).left_out
    assert text.startswith("certificate 2 (CN=Old Root, SHA-256 ")
    assert text.endswith("): its validity can't be read: a time is not in the form that RFC 5280 asks for")
    with pytest.raises(InvalidCertificate, match=r"certificate 1 .* its validity can't be read"):
        read_bundle(odd.pem(root, inter), needed=1)
    with pytest.raises(InvalidCertificate, match=r"certificate 1 .*certificate 2"):
        read_bundle(odd.pem(root, root))


def test_names_are_told_however_they_are_encoded() -> None:
    told = {}
    for shape in ("T61String in Latin-1", "BMPString", "unsorted relative name", "empty relative name"):
        (root,) = read_bundle(odd.pem(odd.chain(shape)[0])).certificates
        told[shape] = subject_text(root)
    assert told == {
        "T61String in Latin-1": r"O=\xdcbung & S\xf6hne",
        "BMPString": r"O=\xdcbung",
        "unsorted relative name": "CN=Old Root+OU=A" if "CN" < "OU" else "",
        "empty relative name": "O=Old Corp",
    }


@pytest.mark.parametrize("algorithm", ["pss", "ed25519", "p384"])
def test_an_odd_root_may_sign_by_any_usual_algorithm(algorithm: str) -> None:
    """Signatures of certificates that the library doesn't decode are verified here."""
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if algorithm == "pss":
        key = rsa_key()
    else:
        key = (
            ed25519.Ed25519PrivateKey.generate()
            if algorithm == "ed25519"
            else ec.generate_private_key(ec.SECP384R1())
        )
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if isinstance(key, ed25519.Ed25519PrivateKey):
        made = builder.sign(key, None)
    else:
        pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48) if isinstance(key, rsa.RSAPrivateKey) else None
        made = builder.sign(key, hashes.SHA384(), rsa_padding=pss)
    root = read_raw(made.public_bytes(Encoding.DER))
    assert is_root(root)
    assert signed_by(root, root)
    assert signed_by(made, root)
    damaged = bytearray(root.der)
    damaged[-1] ^= 1
    assert not is_root(read_raw(bytes(damaged)))


@pytest.mark.parametrize("shape", ["SHA-1", "MD5", "MD2", "ECDSA with SHA-1"])
def test_only_a_self_signature_may_be_of_an_old_algorithm(shape: str) -> None:
    root, inter, leaf, _ = odd.chain(shape, as_root=False)
    chain = build_chain(read_leaf(odd.pem(leaf)), read_bundle(odd.pem(inter, root)).certificates, NOW)
    assert not chain.complete
    assert der(chain.top) == inter


def test_a_forged_root_never_goes_before_the_one_whose_signature_holds() -> None:
    """Name and key of a root are public; that a root signed itself by MD2 can't be verified."""
    shape = odd.Shape(subject=odd.plain_name("Root"))
    key, inter_key = odd.new_key(rsa_key=True), odd.new_key()
    real = odd.certificate(shape.but(end=odd.utc_time(NOW + timedelta(days=30))), key, key)
    forged = odd.certificate(odd.ODD["MD2"].change(shape), key, odd.new_key(rsa_key=True))
    named = odd.plain_name("Int")
    inter = odd.certificate(odd.Shape(subject=named, issuer=shape.subject), inter_key, key)
    pool = read_bundle(odd.pem(inter, forged, real)).certificates
    found = signing_ca(pool, NOW)
    assert [der(way.top) for way in found.ways] == [real]
    # Made by another key for certain: no root at all, whatever the algorithm.
    for digest in ("sha256", "sha1"):
        wrong = odd.certificate(shape.but(digest=digest), key, odd.new_key(rsa_key=True))
        assert not signing_ca(read_bundle(odd.pem(inter, wrong)).certificates, NOW).roots
    # Nor one whose key identifiers say so.
    other = odd.extension("2.5.29.35", odd.tlv(0x30, odd.tlv(0x80, b"another")))
    own = odd.extension("2.5.29.14", odd.tlv(4, b"its own"))
    rolled = odd.ODD["MD2"].change(shape.but(extensions=(*shape.extensions, own, other)))
    pool = read_bundle(odd.pem(inter, odd.certificate(rolled, key, key))).certificates
    assert not signing_ca(pool, NOW).roots


def test_an_old_root_may_have_no_extensions_and_an_intermediate_may_not() -> None:
    old = ("version 1", "explicit default version")
    for shape in (*old, "version 1 with extensions", "version 2 with extensions"):
        root, inter, leaf, _ = odd.chain(shape, as_root=False)
        with pytest.raises(ChainError, match=r"CN=Intermediate signed .* is not a CA"):
            build_chain(read_leaf(odd.pem(leaf)), read_bundle(odd.pem(inter, root)).certificates, NOW)
    root, inter, leaf, _ = odd.chain("no basicConstraints")
    with pytest.raises(ChainError, match=r"CN=Old Root signed .* is not a CA"):
        build_chain(read_leaf(odd.pem(leaf)), read_bundle(odd.pem(inter, root)).certificates, NOW)


def test_rights_of_an_odd_ca_are_held() -> None:
    """A CA that the library can't decode is checked as strictly as others."""
    serial, key, leaf_key = odd.integer(0), odd.new_key(), odd.new_key()
    named, leaf_name = odd.plain_name("Old Root"), odd.plain_name("leaf.example")
    leaf = odd.certificate(odd.Shape(subject=leaf_name, issuer=named, extensions=()), leaf_key, key)
    cases = {
        "is not a CA": (odd.extension("2.5.29.19", odd.tlv(0x30), odd.TRUE),),
        "key usage doesn't allow": (odd.CA, odd.extension("2.5.29.15", odd.tlv(3, b"\x07\x80"), odd.TRUE)),
        "rights can't be read": (odd.extension("2.5.29.19", b"x", odd.TRUE),),
    }
    for problem, extensions in cases.items():
        shape = odd.Shape(subject=named, serial=serial, extensions=extensions)
        pool = read_bundle(odd.pem(odd.certificate(shape, key, key))).certificates
        with pytest.raises(ChainError, match=problem):
            build_chain(read_leaf(odd.pem(leaf)), pool, NOW)
    zero = odd.extension("2.5.29.19", odd.tlv(0x30, odd.TRUE, odd.integer(0)), odd.TRUE)
    root = odd.certificate(odd.Shape(subject=named, serial=serial, extensions=(zero,)), key, key)
    inter_key = odd.new_key()
    inter = odd.certificate(odd.Shape(subject=odd.plain_name("Int"), issuer=named), inter_key, key)
    below = odd.Shape(subject=leaf_name, issuer=odd.plain_name("Int"), extensions=())
    pool = read_bundle(odd.pem(inter, root)).certificates
    with pytest.raises(ChainError, match="allows 0 CAs below it"):
        build_chain(read_leaf(odd.pem(odd.certificate(below, leaf_key, inter_key))), pool, NOW)
    assert basic_constraints(pool[1]).path_length == 0  # type: ignore[union-attr]


def test_name_constraints_of_an_odd_ca_are_held() -> None:
    permitted = odd.tlv(0xA0, odd.tlv(0x30, odd.tlv(0x82, b"corp.test")))
    for value, problem in (
        (odd.tlv(0x30, permitted), "outside the permitted subtrees"),
        (
            odd.tlv(0x30, odd.tlv(0xA1, odd.tlv(0x30, odd.tlv(0x82, b"example")))),
            "inside an excluded subtree",
        ),
        (b"xx", "its name constraints can't be read"),
        (
            odd.tlv(0x30, odd.tlv(0xA0, odd.tlv(0x30, odd.tlv(0x82, b"example"), odd.tlv(0x81, b"\x09")))),
            "maximum",
        ),
    ):
        key, leaf_key, named = odd.new_key(), odd.new_key(), odd.plain_name("Old Root")
        extensions = (odd.CA, odd.extension("2.5.29.30", value, odd.TRUE))
        shape = odd.Shape(subject=named, serial=odd.integer(0), extensions=extensions)
        san = odd.extension("2.5.29.17", odd.tlv(0x30, odd.tlv(0x82, b"leaf.example")))
        leaf = odd.certificate(
            odd.Shape(subject=odd.plain_name("x"), issuer=named, extensions=(san,)), leaf_key, key
        )
        pool = read_bundle(odd.pem(odd.certificate(shape, key, key))).certificates
        (told,) = violations(build_chain(read_leaf(odd.pem(leaf)), pool, NOW))
        assert problem in told


STRICT = {
    "UniversalString",
    "VisibleString",
    "unknown critical extension",
    "no extensions in the list",
    "no basicConstraints",
    "e-mail name in UTF-8",
}
"""What the library decodes, and Go or OpenSSL doesn't."""


@pytest.mark.parametrize(
    "shape", [*sorted(odd.NOBODY), "serial 0", "critical FALSE", "unsorted relative name"]
)
def test_a_leaf_is_read_strictly(shape: str) -> None:
    """All of it but its issuer's name, which is its CA's."""
    one = odd.chain(shape)[0]
    if shape in STRICT:
        read_leaf(odd.pem(one))  # its names are judged as what they are
        return
    with pytest.raises(InvalidCertificate, match="certificate 1 "):
        read_leaf(odd.pem(one))


def test_a_delivered_chain_with_an_odd_issuer_is_read_again() -> None:
    for shape in ("unsorted relative name", "T61String in Latin-1", "critical FALSE"):
        _, inter, leaf, _ = odd.chain(shape, as_root=False)
        first, second = read_delivered(odd.pem(leaf, inter)).certificates
        assert subject_text(first) == "CN=leaf.example"
        assert der(second) == inter
        assert usages(first).key == frozenset()


TEXT = """Bag Attributes
    friendlyName: Müller -- old
subject=/CN=Old Root
"""


@contextmanager
def left_out(pem: str | bytes, *problems: str) -> Iterator[int]:
    """Assert that these are left out of a bundle; return the number of certificates that are not."""
    bundle = read_bundle(pem)
    assert len(bundle.left_out) == len(problems), bundle.left_out
    for text, problem in zip(bundle.left_out, problems, strict=True):
        assert problem in text
    yield len(bundle.certificates)


def test_a_bundle_is_read_around_what_does_not_belong_in_it() -> None:
    root, inter, _, key = odd.chain("serial 0")
    one, two, secret = odd.pem(root), odd.pem(inter), odd.key_pem(key)
    cases: list[tuple[str | bytes, tuple[str, ...], int]] = [
        (TEXT + one + TEXT + two, (), 2),
        ((TEXT + one + two).encode("latin-1"), (), 2),
        ((one + two).replace("\n", "\r\n"), (), 2),
        (("\ufeff" + one + two).encode(), (), 2),
        (one.strip() + two, (), 2),
        (one + one, (), 2),
        (one.replace("CERTIFICATE", "X509 CERTIFICATE") + two, (), 2),
        (one.replace("CERTIFICATE", "TRUSTED CERTIFICATE") + two, ("OpenSSL's own form",), 1),
        (secret + one, ("private key doesn't belong here",), 1),
        (one + secret.replace("PRIVATE KEY-", "RSA PRIVATE KEY-"), ("private key doesn't belong here",), 1),
        (one + two.replace("-----END CERTIFICATE-----\n", ""), ("no END line",), 1),
        (one.replace("-----END CERTIFICATE-----\n", "") + two, ("no END line",), 1),
        (one.replace("-----BEGIN CERTIFICATE-----\n", "") + two, ("no BEGIN line",), 1),
        (one.replace("MII", "M?I") + two, ("not base64",), 1),
        (one.replace("-\nMII", "-\nProc-Type: 4\n\nMII") + two, ("not base64",), 1),
        (one + odd.pem(b"\x30\x00"), ("its structure can't be read",), 1),
    ]
    for pem, problems, found in cases:
        with left_out(pem, *problems) as number:
            assert number == found
    assert secret.splitlines()[1] not in str(read_bundle(secret + one))
    for nothing in ("", TEXT, secret, "-----BEGIN CERTIFICATE-----"):
        with pytest.raises(InvalidCertificate):
            read_bundle(nothing)
    with pytest.raises(InvalidCertificate, match="more than 64"):
        read_bundle(one * 65)
    with pytest.raises(InvalidCertificate, match="larger than"):
        read_bundle("x" * (1 << 20))


CHAIN = odd.chain("unsorted relative name")


@settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_octet_that_is_changed_raises_anything_else(data: st.DataObject) -> None:
    root, inter, leaf, _ = CHAIN
    which = data.draw(st.integers(0, 2))
    changed = bytearray((root, inter, leaf)[which])
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    parts = [bytes(changed) if index == which else one for index, one in enumerate((root, inter, leaf))]
    try:
        bundle = read_bundle(odd.pem(parts[1], parts[0]))
        chain = build_chain(read_leaf(odd.pem(parts[2])), bundle.certificates, NOW)
        list(violations(chain))
        _ = [(subject_text(ca), serial_hex(ca), rfc3339(ca.not_valid_after_utc)) for ca in chain.cas]
        signing_ca(bundle.certificates, NOW)
    except (InvalidCertificate, ChainError):
        pass


OIDS = [f"2.5.29.{number}" for number in range(14, 60)] + [
    "1.3.6.1.5.5.7.1.1",
    "1.3.6.1.5.5.7.1.11",
    "1.3.6.1.5.5.7.1.24",
    "1.3.6.1.5.5.7.48.1.5",
    "1.3.6.1.4.1.11129.2.4.2",
    "1.3.6.1.4.1.11129.2.4.3",
    "1.3.6.1.4.1.311.21.7",
    "1.3.36.8.3.3",
]
TAGS = [1, 2, 3, 4, 5, 6, 0x0C, 0x16, 0x18, 0x30, 0x31, *range(0x80, 0x89), *range(0xA0, 0xA9)]
ELEMENT = st.recursive(
    st.builds(odd.tlv, st.sampled_from(TAGS), st.binary(max_size=5)),
    lambda inner: st.builds(
        lambda tag, some: odd.tlv(tag, *some), st.sampled_from(TAGS), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(OIDS), ELEMENT | st.binary(max_size=9), st.sampled_from([b"", odd.TRUE, odd.FALSE]))
def test_no_extension_raises_anything_else(which: str, value: bytes, critical: bytes) -> None:
    key = CHAIN[3]
    extensions = (*([odd.CA] if which != "2.5.29.19" else []), odd.extension(which, value, critical))
    shape = odd.Shape(subject=odd.plain_name("Root"), extensions=extensions)
    root = odd.certificate(shape, key, key)
    below = odd.Shape(subject=odd.plain_name("x"), issuer=shape.subject, extensions=extensions)
    leaf = odd.certificate(below, odd.new_key(), key)
    try:
        bundle = read_bundle(odd.pem(root), needed=1)
        list(violations(build_chain(read_leaf(odd.pem(leaf)), bundle.certificates, NOW)))
        signing_ca(bundle.certificates, NOW)
    except (InvalidCertificate, ChainError):
        pass
