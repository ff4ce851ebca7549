"""Which roots an issuer's CAs lead to: all of a rotation, and never fewer for want of knowledge."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from issuer.controller.trust.reasons import TrustReason
from issuer.controller.trust.roots import NoRoots, roots_of
from issuer.x509.certificates import read_certificates
from issuer.x509.chains.anchors import Anchors
from issuer.x509.describe import fingerprint, subject_text
from tests.builders import NOW
from tests.unit.x509.conftest import CA, Authority, pem, root

DAY = timedelta(days=1)


def of(days: int, *, begins: int = -1) -> Authority:
    """A root that ends so many days after NOW."""
    return root(f"Root {days}", template=CA.but(begin=NOW + begins * DAY, end=NOW + days * DAY))


def found(*certificates: x509.Certificate, anchors: Anchors | None = None) -> tuple[x509.Certificate, ...]:
    return read_certificates(roots_of(pem(*certificates).decode(), anchors, NOW).pem)


def below(one: Authority, name: str = "Int") -> x509.Certificate:
    return one.authority(name).certificate


OLD, NEW = of(900, begins=-100), of(2000)


def test_both_roots_of_a_rotation_are_there_the_older_first_in_any_order() -> None:
    cas = (below(NEW, "Next"), NEW.certificate, OLD.certificate, below(OLD))
    assert found(*cas) == found(*cas[::-1]) == (OLD.certificate, NEW.certificate)


def test_a_root_without_a_ca_below_it_is_there_ahead_of_it() -> None:
    assert found(below(OLD), OLD.certificate, NEW.certificate) == (OLD.certificate, NEW.certificate)


def test_a_root_that_has_ended_leaves_and_so_do_cas_of_no_use() -> None:
    ended = of(-1, begins=-10)
    assert found(below(OLD), OLD.certificate, ended.certificate) == (OLD.certificate,)
    with pytest.raises(NoRoots, match="still valid"):
        found(ended.certificate)


def test_a_root_that_a_ca_needs_and_that_is_not_there_is_told() -> None:
    """What is left would take trust away that certificates of that CA need."""
    with pytest.raises(NoRoots, match="import its certificate") as error:
        found(below(OLD, "First"), below(NEW, "Second"), NEW.certificate)
    missing = subject_text(OLD.certificate)
    assert error.value.message.startswith(f"{missing}, on the way from CN=First to its root, is not among")
    assert error.value.reason is TrustReason.ROOT_MISSING


def test_a_cross_signed_root_counts_as_the_root_that_it_is() -> None:
    crossed = OLD.authority("Root 2000", key=NEW.key).certificate
    assert found(below(NEW), crossed, NEW.certificate) == (NEW.certificate,)


def test_with_an_anchor_other_roots_of_the_mount_are_left_out() -> None:
    anchors = Anchors(frozenset({fingerprint(OLD.certificate)}))
    assert found(below(OLD), OLD.certificate, below(NEW), NEW.certificate, anchors=anchors) == (
        OLD.certificate,
    )
    with pytest.raises(NoRoots, match="trustedCA"):
        found(below(NEW), NEW.certificate, anchors=anchors)


def test_what_cannot_be_read_is_told_and_never_left_out() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
    for text in ("", broken, pem(OLD.certificate).decode() + broken):
        with pytest.raises(NoRoots, match="can't be read"):
            roots_of(text, None, NOW)
