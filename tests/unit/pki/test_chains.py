"""A CA's chain as Vault gives it: what is wrong with it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

from issuer.pki.authorities.chains import chain_problems, crl_urls, pointer_problems
from issuer.pki.health.checks.successor import end_above
from issuer.pki.health.facts import IssuerFacts
from tests.pki.cas import FileCA, root


def problems(*chain: FileCA, key: str = "a key", now: datetime | None = None) -> list[str]:
    """What is wrong with a CA of this chain."""
    return list(
        chain_problems(
            {"key_id": key, "ca_chain": [one.pem for one in chain]}, now or datetime.now(UTC), whole=True
        )
    )


def test_a_whole_chain_has_no_problem() -> None:
    top = root("Root")
    assert problems(top.below("CA"), top) == []


def test_a_chain_without_its_root_is_told() -> None:
    (found,) = problems(root("Root").below("CA"))
    assert "which is no root" in found


def test_a_chain_of_another_root_is_told() -> None:
    (found,) = problems(root("Root").below("CA"), root("Root"))
    assert "CN=CA is not signed by CN=Root" in found


def test_a_cross_signed_chain_has_two_certificates_above_one() -> None:
    top, other = root("Root"), root("Root 2")
    assert problems(other.below("CA"), top.crossed(other), top, other) == []
    assert problems(other.below("CA"), other, top.crossed(other), top) == []
    (found,) = problems(other.below("CA"), other, top)
    assert "CN=Root 2 is not signed by CN=Root" in found


def test_a_root_that_was_renewed_with_its_key_replaces_the_one_that_ended() -> None:
    """Vault's ca_chain has both, above a CA, and each behind the other."""
    ended, later = root("Root"), datetime.now(UTC) + timedelta(days=4000)
    renewed = ended.renewed(days=5000)
    assert problems(renewed, ended, now=later) == []
    assert problems(renewed.below("CA", days=4500), ended, renewed, now=later) == []
    (found,) = problems(ended, renewed, now=later)
    assert "CN=Root expired at" in found
    for certificate, end in ((renewed, None), (renewed.below("CA"), renewed.certificate.not_valid_after_utc)):
        entry = {"ca_chain": [certificate.pem, ended.pem, renewed.pem]}
        facts = IssuerFacts("1", "ca", "key", certificate.certificate, entry)
        assert end_above(Mock(now=later), facts) == end


def test_an_expired_and_a_future_ca_are_told() -> None:
    top = root("Root")
    (expired,) = problems(top, now=datetime.now(UTC) + timedelta(days=4000))
    assert "CN=Root expired at" in expired
    (future,) = problems(top, now=datetime.now(UTC) - timedelta(days=1))
    assert "check the clocks" in future


def test_a_ca_without_its_key_or_chain_is_told() -> None:
    assert problems(root("Root"), key="") == ["Vault doesn't hold its key, so it can sign nothing"]
    assert problems() == ["Vault gives no chain for it"]


def test_pointers_are_those_of_the_mount_that_signed() -> None:
    certificate = root("Root").certificate
    assert crl_urls(certificate) == []
    assert list(pointer_problems(certificate, {"crl_distribution_points": []})) == []
    (found,) = pointer_problems(certificate, {"crl_distribution_points": ["http://ca.test/crl"]})
    assert "crl_distribution_points none, and the mount that signed has http://ca.test/crl now" in found
    templated = {"crl_distribution_points": ["{{cluster_aia_path}}"], "enable_templating": True}
    assert list(pointer_problems(certificate, templated)) == []
