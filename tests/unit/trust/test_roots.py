"""Which certificates may be trusted as roots, and which of a source are meant."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from issuer.trust.errors import RootRefused
from issuer.trust.roots import TrustRoot, choose_roots, parse_fingerprint, read_source, root_problems
from issuer.trust.stores.store import roots_of
from tests import odd_certificates
from tests.builders import NOW
from tests.ca import DAY, TestCA
from tests.unit.trust.roots import make_root


def test_fingerprint_is_read_as_openssl_and_browsers_write_it() -> None:
    sha256 = make_root().sha256
    colons = ":".join(sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    assert [parse_fingerprint(one) for one in (sha256, colons, f" SHA256:{colons}")] == [sha256] * 3


@pytest.mark.parametrize("text", ["", "ab" * 20, "g" * 64, "ab" * 33])
def test_other_fingerprints_are_refused(text: str) -> None:
    with pytest.raises(RootRefused, match="64 hex digits"):
        parse_fingerprint(text)


@pytest.mark.parametrize(
    ("root", "why"),
    [
        (make_root(ca=False), "no CA's by its basicConstraints"),
        (make_root(signs=False), "may not sign certificates"),
        (make_root(days=10), "ended at 2025-12-02"),
        (make_root(begins=NOW + DAY), "begins at 2026-11-23"),
        (make_root(bits=1024), "RSA key of 1024 bits"),
        (TrustRoot(TestCA.make().intermediate), "not signed by its own key"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_must_not_be_trusted_is_named(root: TrustRoot, why: str) -> None:
    assert any(why in one for one in root_problems(root.certificate, NOW))
    with pytest.raises(RootRefused, match=why):
        choose_roots([root.certificate], [root.sha256], NOW, "file")


def test_without_fingerprints_the_good_roots_are_meant() -> None:
    ca = TestCA.make()
    ended = make_root(days=10)
    found = choose_roots([ca.intermediate, ca.root, ended.certificate], [], NOW, "file")
    assert found == (TrustRoot(ca.root),)


def test_chain_without_its_root_is_refused_with_the_reason() -> None:
    with pytest.raises(RootRefused, match="trust the root above it"):
        choose_roots([TestCA.make().intermediate], [], NOW, "pki")


def test_other_root_than_the_pinned_one_is_refused_by_name() -> None:
    wanted, served = make_root(), make_root(number=1)
    with pytest.raises(
        RootRefused, match=f"no certificate with the SHA-256 {wanted.sha256}.*{served.sha256}"
    ):
        choose_roots([served.certificate], [wanted.sha256], NOW, "https://ca")


def test_only_the_pinned_one_of_several_is_taken() -> None:
    mine, other = make_root(), make_root("Slipped in")
    assert choose_roots([other.certificate, mine.certificate], [mine.sha256], NOW, "https://ca") == (mine,)


def test_certificates_are_read_in_each_form_that_cas_hand_out() -> None:
    """DER and PKCS #7, as of a caIssuers URL and of Windows' export; UTF-16, as of PowerShell's `>`."""
    found = (TestCA.make().intermediate, make_root().certificate)
    texts = [one.public_bytes(Encoding.PEM) for one in found]
    for data, count in (
        (b"0 s:CN = text above, as openssl s_client prints it\n" + texts[0] + texts[1], 2),
        (found[0].public_bytes(Encoding.DER), 1),
        (pkcs7.serialize_certificates(list(found), Encoding.DER), 2),
        (pkcs7.serialize_certificates(list(found), Encoding.PEM), 2),
        (b"".join(texts).decode().encode("utf-16"), 2),
    ):
        assert {*read_source(data, "file").certificates} == {*found[:count]}, data
    for junk in (b"", b"0", b"\xff\xfe", b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n"):
        with pytest.raises(RootRefused, match="can't be read"):
            read_source(junk, "file")


def test_private_key_in_a_source_is_not_taken_for_a_root() -> None:
    with pytest.raises(RootRefused, match="private key"):
        read_source(b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "file")


def test_an_odd_certificate_of_a_store_leaves_the_others_to_be_read() -> None:
    """A truststore has those of others, too."""
    odd = odd_certificates.chain("version 2 with extensions", as_root=True)[0]
    root = make_root()
    assert list(roots_of((odd_certificates.pem(odd) + root.pem).encode())) == [root]
