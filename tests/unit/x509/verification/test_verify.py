"""Differences between a CA's certificate and the request. Each refusal stands beside a twin that is fine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.x509.describe import fingerprint, serial_hex, subject_text
from issuer.x509.request import read_request
from tests.unit.x509.signed_case import Case

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Make

DNS = x509.DNSName


def test_what_was_asked_for_has_no_findings(case: Case) -> None:
    assert case.check() == {}
    assert case.check(strict=True) == {}
    assert (
        case.check(duration=None, template=case.make.Template(end=case.make.NOW + 90 * case.make.DAY)) == {}
    )


def test_another_key_is_fatal(case: Case) -> None:
    assert case.check(same_key=False)["PublicKeyDiffers"].fatal


def test_a_name_nobody_asked_for_is_fatal(case: Case) -> None:
    sans = [DNS("web.example"), DNS("bank.example")]
    finding = case.check(case.make.Template(sans=sans))["NameNotAsked"]
    assert finding.fatal
    assert "DNS bank.example" in finding.message
    assert case.check(case.make.Template(sans=sans), csr=case.make.request(sans=sans)) == {}


def test_another_common_name_is_fatal_and_one_of_the_asked_names_is_told(case: Case) -> None:
    assert case.check(case.make.Template(subject=case.make.name("bank.example")))["NameNotAsked"].fatal
    csr = case.make.request(subject=x509.Name([]))
    found = case.check(case.make.Template(subject=case.make.name("web.example")), csr=csr)
    assert set(found) == {"SubjectAdded"}
    assert not found["SubjectAdded"].fatal


def test_a_common_name_copied_to_the_alternative_names_is_fine(case: Case) -> None:
    assert case.check(csr=case.make.request(sans=[])) == {}


@pytest.mark.parametrize(
    "extra",
    [
        x509.RFC822Name("root@example"),
        x509.UniformResourceIdentifier("spiffe://other/admin"),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x05admin"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")])),
    ],
)
def test_names_of_every_kind_are_held_against_the_request(case: Case, extra: x509.GeneralName) -> None:
    sans = [DNS("web.example"), extra]
    assert case.check(case.make.Template(sans=sans))["NameNotAsked"].fatal
    assert case.check(case.make.Template(sans=sans), csr=case.make.request(sans=sans)) == {}


def test_a_dropped_name_is_told_and_fatal_when_strict(case: Case) -> None:
    csr = case.make.request(sans=[DNS("web.example"), DNS("b.example")])
    assert not case.check(csr=csr)["NameDropped"].fatal
    assert case.check(csr=csr, strict=True)["NameDropped"].fatal


def test_a_ca_flag_is_fatal_unless_asked_for(case: Case) -> None:
    template = case.make.Template(ca=True, usages=["digital_signature", "key_encipherment", "key_cert_sign"])
    found = case.check(template)
    assert found["CANotAsked"].fatal
    assert found["CAUsageNotAsked"].fatal
    assert case.check(template.but(path_length=0), is_ca=True) == {}


def test_a_ca_that_was_asked_for_and_not_given_is_fatal(case: Case) -> None:
    assert case.check(is_ca=True)["CADropped"].fatal


def test_more_cas_below_than_asked_for_is_fatal_and_fewer_is_told(case: Case) -> None:
    template = case.make.Template(ca=True, usages=["digital_signature", "key_encipherment", "key_cert_sign"])
    for beyond in (None, 2):
        assert case.check(template.but(path_length=beyond), is_ca=True, path_length=1)[
            "PathLengthTooLong"
        ].fatal
    assert not case.check(template.but(path_length=0), is_ca=True, path_length=1)["PathLengthShorter"].fatal
    assert case.check(template.but(path_length=1), is_ca=True, path_length=1) == {}


def test_the_right_to_sign_is_fatal_without_the_flag_too(case: Case) -> None:
    usages = ["digital_signature", "key_encipherment", "crl_sign"]
    assert case.check(case.make.Template(usages=usages))["CAUsageNotAsked"].fatal
    asked = frozenset({"digital signature", "key encipherment", "crl sign"})
    assert case.check(case.make.Template(usages=usages), usages=asked) == {}


def test_times_that_make_no_sense_are_fatal(case: Case) -> None:
    now, minute = case.make.NOW, timedelta(minutes=1)
    ended = case.make.Template(begin=now - 2 * case.make.DAY, end=now)
    assert case.check(ended)["Expired"].fatal
    ahead = case.make.Template(begin=now + 6 * minute)
    assert case.check(ahead)["NotYetValid"].fatal
    assert case.check(case.make.Template(begin=now + 4 * minute)) == {}


def test_a_life_longer_than_asked_is_fatal_beyond_an_hour(case: Case) -> None:
    end, minute = case.make.NOW + case.make.DAY, timedelta(minutes=1)
    assert case.check(case.make.Template(end=end + 61 * minute))["LifeTooLong"].fatal
    assert case.check(case.make.Template(end=end + 59 * minute)) == {}


def test_without_a_duration_ninety_days_are_the_most(case: Case) -> None:
    end = case.make.NOW + 90 * case.make.DAY
    hour = timedelta(hours=1)
    assert "LifeTooLong" not in case.check(case.make.Template(end=end + hour / 2), duration=None)
    assert case.check(case.make.Template(end=end + 2 * hour), duration=None)["LifeTooLong"].fatal


def test_one_backdated_so_far_that_it_is_due_for_renewal_at_once_is_fatal(case: Case) -> None:
    now, hour = case.make.NOW, timedelta(hours=1)
    assert case.check(case.make.Template(begin=now - 240 * hour))["TooShortToRenew"].fatal
    assert case.check(case.make.Template(begin=now - 48 * hour))["TooShortToRenew"].fatal
    assert case.check(case.make.Template(begin=now - 40 * hour)) == {}


def test_a_shorter_life_is_told_beyond_five_minutes(case: Case) -> None:
    end, minute = case.make.NOW + case.make.DAY, timedelta(minutes=1)
    assert not case.check(case.make.Template(end=end - 6 * minute))["LifeShorter"].fatal
    assert case.check(case.make.Template(end=end - 4 * minute)) == {}


def test_a_certificate_delivered_late_is_still_the_one_asked_for(case: Case) -> None:
    assert case.check(late=timedelta(hours=3)) == {}


def test_a_chain_that_does_not_hold_now_is_fatal(case: Case) -> None:
    make = case.make
    for change in ({"end": make.NOW}, {"begin": make.NOW + timedelta(minutes=6)}):
        inter = case.root.authority("Off", template=make.CA.but(**change))
        found = Case(make, inter, case.root).check()
        assert found["ChainNotValid"].fatal
        assert "CN=Off" in found["ChainNotValid"].message


def ending(case: Case, ca_ends: timedelta) -> Case:
    """The same with a CA that ends so much from now."""
    template = case.make.CA.but(end=case.make.NOW + ca_ends)
    return Case(case.make, case.root.authority("Short", template=template), case.root)


def test_a_leaf_that_outlives_its_ca_is_fatal_whatever_is_allowed(case: Case) -> None:
    short = ending(case, timedelta(hours=23))
    for shorten in (False, True):
        assert short.check(shorten=shorten)["OutlivesCA"].fatal


def test_a_life_cut_off_by_the_ca_is_fatal_unless_shortening_is_allowed(case: Case) -> None:
    short, cut = ending(case, timedelta(hours=10)), case.make.NOW + timedelta(hours=10)
    for end in (cut, cut - timedelta(minutes=5)):
        template = case.make.Template(end=end)
        assert set(short.check(template)) == {"EndsWithCA"}
        assert short.check(template)["EndsWithCA"].fatal
        assert not short.check(template, shorten=True, strict=True)["EndsWithCA"].fatal
    # Not the CA's doing: the role's.
    assert set(short.check(case.make.Template(end=cut - timedelta(hours=1)))) == {"LifeShorter"}


def test_a_life_cut_off_so_short_that_it_would_be_renewed_at_once_is_fatal(case: Case) -> None:
    make, minute = case.make, timedelta(minutes=1)
    for left, begin in ((59 * minute, make.NOW), (70 * minute, make.NOW - 150 * minute)):
        template = make.Template(end=make.NOW + left, begin=begin)
        short = ending(case, left)
        assert short.check(template, shorten=True)["TooShortToRenew"].fatal
        assert short.check(template, duration=None)["TooShortToRenew"].fatal
    fine = make.Template(end=make.NOW + 61 * minute)
    assert not [one for one in ending(case, 61 * minute).check(fine, shorten=True).values() if one.fatal]
    # Asked for so: cert-manager knows what it does.
    asked = make.Template(end=make.NOW + 30 * minute)
    assert ending(case, 30 * minute).check(asked, duration=30 * minute) == {}


def test_name_constraints_in_a_leaf_are_fatal(case: Case) -> None:
    """Vault's sign-verbatim copies them; RFC 5280 allows them in CAs alone."""
    bound = case.make.Template(extra=[x509.NameConstraints([DNS("web.example")], None)])
    assert case.check(bound)["NameConstraintsInLeaf"].fatal
    assert "NameConstraintsInLeaf" not in case.check(case.make.CA.but(extra=bound.extra), is_ca=True)


def unknown(value: bytes = b"\x05\x00") -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), value)


def test_a_critical_extension_that_no_client_knows_is_fatal(case: Case) -> None:
    found = case.check(case.make.Template(extra=[unknown()]))
    assert set(found) == {"CriticalExtension"}
    assert "1.3.6.1.4.1.99999.1" in found["CriticalExtension"].message
    strange = Case(case.make, case.root.authority("Strange", extra=[unknown()]), case.root)
    # That any request would meet: the CA's certificate is at fault.
    assert set(strange.check()) == {"ChainNotValid"}
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/")], None, None, None)]
    )
    assert Case(case.make, case.root.authority("Usual", extra=[points]), case.root).check() == {}


def test_a_name_outside_the_chains_name_constraints_is_fatal(case: Case) -> None:
    constraints = x509.NameConstraints([DNS("lab.example")], None)
    bound = Case(case.make, case.root.authority("Bound", extra=[constraints]), case.root)
    finding = bound.check()["NameConstraints"]
    assert finding.fatal
    assert "CN=Bound may not sign DNS web.example" in finding.message
    sans = [DNS("web.lab.example")]
    named = case.make.name("web.lab.example")
    csr = case.make.request(subject=named, sans=sans)
    assert bound.check(case.make.Template(subject=named, sans=sans), csr=csr) == {}


def test_a_ca_below_one_that_allows_none_is_fatal(case: Case) -> None:
    make = case.make
    leaf = make.Template(
        ca=True, path_length=0, usages=["digital_signature", "key_encipherment", "key_cert_sign"]
    )
    for length, codes in ((0, {"NoRoomForCA"}), (1, set()), (None, set())):
        authority = case.root.authority("Bound", template=make.CA.but(path_length=length))
        assert set(Case(make, authority, case.root).check(leaf, is_ca=True)) == codes
    above = make.root("Top", template=make.CA.but(path_length=1))
    assert Case(make, above.authority("Bound"), above).check(leaf, is_ca=True)["NoRoomForCA"].fatal


def test_another_order_or_grouping_of_the_subject_is_told_and_fatal_when_strict(case: Case) -> None:
    one, two = (
        x509.NameAttribute(x509.NameOID.COMMON_NAME, "web.example"),
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Corp"),
    )
    single = [x509.RelativeDistinguishedName([attribute]) for attribute in (one, two)]
    csr = case.make.request(subject=x509.Name(single))
    for other in ([*reversed(single)], [x509.RelativeDistinguishedName([one, two])]):
        template = case.make.Template(subject=x509.Name(other))
        assert set(case.check(template, csr=csr)) == {"SubjectReordered"}
        assert not case.check(template, csr=csr)["SubjectReordered"].fatal
        assert case.check(template, csr=csr, strict=True)["SubjectReordered"].fatal
    # Within one group DER has an order of its own.
    together = x509.Name([x509.RelativeDistinguishedName([two, one])])
    asked = case.make.request(subject=x509.Name([x509.RelativeDistinguishedName([one, two])]))
    assert case.check(case.make.Template(subject=together), csr=asked, strict=True) == {}


def test_subject_changes_are_told(case: Case) -> None:
    make = case.make
    added = make.Template(subject=make.name("web.example", organization="Corp"))
    assert case.check(added)["SubjectAdded"].message == "subject attributes were added: O=Corp"
    csr = make.request(subject=make.name("web.example", organization="Corp"))
    assert set(case.check(csr=csr)) == {"SubjectDropped"}
    assert case.check(added, csr=csr) == {}


def test_long_lists_are_cut(case: Case) -> None:
    sans = [DNS(f"{n}.example") for n in range(50)]
    message = case.check(case.make.Template(sans=sans))["NameNotAsked"].message
    assert message.endswith("and 45 more")


def test_serials_are_written_as_vault_does(make: Make) -> None:
    root = make.root()
    for serial, text in [(1, "01"), (0xFF, "ff"), (0x1F0AC3, "1f:0a:c3"), (0x100, "01:00")]:
        assert serial_hex(root.sign(make.Template(serial=serial))) == text


def test_certificates_are_described(make: Make) -> None:
    certificate = make.root("R\u00f6\u00f6t").certificate
    assert len(fingerprint(certificate)) == 64
    assert subject_text(certificate) == "CN=R\\xf6\\xf6t"


def test_the_key_is_compared_as_subject_public_key_info(make: Make) -> None:
    csr = make.request()
    encoded = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read_request(make.pem(csr)).public_key == encoded
