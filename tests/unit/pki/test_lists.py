"""Problems of CRLs, by their dates, signer and size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from issuer.pki.lists.described import RAFT_ENTRY, DescribedList, NamedAuthority, read_list
from tests.ca import TestCA

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CA = TestCA.make()


def crl(ends: timedelta, begins: timedelta = timedelta(days=-1)) -> x509.CertificateRevocationList:
    """A list of the CA around NOW."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.intermediate.subject)
    return builder.last_update(NOW + begins).next_update(NOW + ends).sign(CA.key, hashes.SHA256())


def problems(found: x509.CertificateRevocationList, authority: TestCA = CA, size: int = 400) -> list[str]:
    """Return what is wrong with it for who knows one CA."""
    known = NamedAuthority("pki/int", authority.intermediate)
    return list(DescribedList("file", found, size, (known,), NOW).problems())


def test_dates_signers_and_sizes_make_problems() -> None:
    day = timedelta(days=1)
    assert problems(crl(day)) == []
    assert "it ended at 2026-11-28T00:00:00Z" in problems(crl(timedelta()))[0]
    assert "a clock is wrong" in problems(crl(2 * day, day))[0]
    assert "none of the CAs" in problems(crl(day), TestCA.make())[0], "a CA of the same name"
    assert "raft stores" in problems(crl(day), size=RAFT_ENTRY)[0]


def test_what_is_no_list_is_a_value_error() -> None:
    for content in (b"", b"text", b"-----BEGIN X509 CRL-----\n", b"\x30\x03\x02\x01\x01"):
        with pytest.raises(ValueError, match=r"\w"):
            read_list(content)
