"""The path that signs each request, and requests that are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from issuer.api.issuers import VaultIssuerSpec
from issuer.signing.profile import Mismatch, SigningProfile, path_length
from issuer.signing.vault.profile import signing_profile
from issuer.x509.request import read_request
from issuer.x509.verification.requested import RequestedCertificate
from tests.builders import csr_with, issuer_object

AUTHORITY: dict[str, Any] = {
    "certificateAuthority": {"path": "pki/root/sign-intermediate", "maxPathLength": 1}
}
VERBATIM = "pki_int/sign-verbatim"


def profile(path: str = "pki_int/sign/lab", **own: Any) -> SigningProfile:
    return signing_profile(VaultIssuerSpec.parse(issuer_object(path=path, **own)["spec"]))


def asked(*extensions: x509.ExtensionType, is_ca: bool = True) -> RequestedCertificate:
    return RequestedCertificate(read_request(csr_with(*extensions)), is_ca, frozenset(), None)


def constraints(*, ca: bool, length: int | None = None) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca, length)


@pytest.mark.parametrize(
    ("extensions", "length"),
    [
        ((), 1),
        ((constraints(ca=True),), 1),
        ((constraints(ca=True, length=0),), 0),
        ((constraints(ca=True, length=1),), 1),
    ],
)
def test_a_ca_may_have_below_it_what_its_csr_asks_or_what_the_issuer_allows(
    extensions: tuple[x509.ExtensionType, ...], length: int
) -> None:
    assert path_length(profile(**AUTHORITY), asked(*extensions)) == length


@pytest.mark.parametrize(
    ("own", "wanted", "why"),
    [
        ({}, asked(), r"give the issuer a spec\.certificateAuthority"),
        (AUTHORITY, asked(constraints(ca=True, length=2)), r"maxPathLength is 1"),
        (AUTHORITY, asked(constraints(ca=False)), r"CA:FALSE"),
        (AUTHORITY, asked(constraints(ca=True), is_ca=False), r"CA:TRUE"),
        ({}, asked(constraints(ca=True), is_ca=False), r"CA:TRUE"),
        (
            AUTHORITY,
            asked(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\x05\x00")),
            r"can't be decoded",
        ),
    ],
)
def test_what_contradicts_itself_or_the_issuer_is_refused(
    own: dict[str, Any], wanted: RequestedCertificate, why: str
) -> None:
    with pytest.raises(Mismatch, match=why):
        path_length(profile(**own), wanted)


def test_a_leaf_that_asks_to_sign_certificates_is_refused() -> None:
    wanted = RequestedCertificate(
        read_request(csr_with()), False, frozenset({"cert sign", "digital signature"}), None
    )
    with pytest.raises(Mismatch, match=r"cert sign.*isCA"):
        path_length(profile(VERBATIM), wanted)


def test_a_path_length_of_thousands_of_digits_is_refused() -> None:
    number = b"\x02\x82\x08\x34" + b"\x7f" * 2100
    inner = b"\x01\x01\xff" + number
    value = b"\x30\x82" + len(inner).to_bytes(2, "big") + inner
    wanted = asked(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), value))
    with pytest.raises(Mismatch, match="larger than any chain"):
        path_length(profile(**AUTHORITY), wanted)


def test_a_leaf_has_none_below_it() -> None:
    assert path_length(profile(), asked(is_ca=False)) == 0
    assert path_length(profile(**AUTHORITY), asked(constraints(ca=False), is_ca=False)) == 0


def test_policy_is_the_only_guard_where_vault_signs_whatever_is_asked() -> None:
    assert profile().policy_only_paths == ()
    assert profile(VERBATIM, **AUTHORITY).policy_only_paths == (VERBATIM, "pki/root/sign-intermediate")
    assert not profile(**AUTHORITY).is_policy_only(is_ca=False)
    assert profile(**AUTHORITY).is_policy_only(is_ca=True)
    spellings = (f"{VERBATIM} ", f"{VERBATIM}\n", f"\u00a0/{VERBATIM}", f"//{VERBATIM}/")
    for path in (VERBATIM, "pki_int/sign-verbatim/lab", "pki_int/issuer/x/sign-verbatim", *spellings):
        assert profile(path).is_policy_only(is_ca=False)


def test_verbatim_is_verified_strictly_unless_told_otherwise() -> None:
    assert profile(VERBATIM).is_strict(is_ca=False)
    assert not profile(VERBATIM, verification="Standard").is_strict(is_ca=False)
    assert not profile(VERBATIM, **AUTHORITY).is_strict(is_ca=True)
    assert not profile().is_strict(is_ca=False)
    assert profile(verification="Strict", **AUTHORITY).is_strict(is_ca=True)


@pytest.mark.parametrize("is_ca", [False, True])
def test_name_constraints_are_refused_before_anything_is_sent(is_ca: bool) -> None:
    """Also where no policy is asked, and where a role would leave them out."""
    wanted = asked(x509.NameConstraints([x509.DNSName("lab.example")], None), is_ca=is_ca)
    with pytest.raises(Mismatch, match=r"take spec\.nameConstraints out") as caught:
        path_length(profile(**AUTHORITY), wanted)
    assert caught.value.reason == "NameConstraintsNotIssued"
