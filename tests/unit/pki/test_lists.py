"""Problems of CRLs, by their dates, signer and size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from issuer.cli.main import app
from issuer.pki.lists.described import RAFT_ENTRY, DescribedList, NamedAuthority, revoked_ones
from issuer.pki.lists.sources import mount_lists
from issuer.pki.server.reading import PathRead
from issuer.x509.crls import read_crls
from tests.ca import TestCA, key_usage

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CA = TestCA.make()
NO_SCOPE: dict[str, Any] = {
    "full_name": None, "relative_name": None, "only_contains_user_certs": False,
    "only_contains_ca_certs": False, "only_some_reasons": None, "indirect_crl": False,
    "only_contains_attribute_certs": False,
}  # fmt: skip


def crl(
    ends: timedelta,
    begins: timedelta = timedelta(days=-1),
    entries: dict[int, x509.ReasonFlags] | None = None,
    scope: dict[str, bool] | None = None,
) -> x509.CertificateRevocationList:
    """A list of the CA around NOW, of a `scope` if that is given."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.intermediate.subject)
    for serial, reason in (entries or {}).items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
        builder = builder.add_revoked_certificate(entry.add_extension(x509.CRLReason(reason), False).build())
    if scope is not None:
        point = x509.IssuingDistributionPoint(**{**NO_SCOPE, **scope})
        builder = builder.add_extension(point, critical=True)
    return builder.last_update(NOW + begins).next_update(NOW + ends).sign(CA.key, hashes.SHA256())


def described(
    found: x509.CertificateRevocationList, signer: x509.Certificate, size: int = 400, *serials: int
) -> DescribedList:
    """Return it for who knows one CA, and asks for serial numbers."""
    return DescribedList("file", found, size, (NamedAuthority("pki/int", signer),), NOW, serials)


def problems(found: x509.CertificateRevocationList, authority: TestCA = CA, size: int = 400) -> list[str]:
    """Return what is wrong with it for who knows one CA, and asks for the serial number 5."""
    return list(described(found, authority.intermediate, size, 5).problems())


def test_dates_signers_and_sizes_make_problems() -> None:
    day = timedelta(days=1)
    assert problems(crl(day)) == []
    assert "it ended at 2026-11-28T00:00:00Z" in problems(crl(timedelta()))[0]
    assert "a clock is wrong" in problems(crl(2 * day, day))[0]
    assert problems(crl(day, timedelta(seconds=9))) == [], "Vault's clock is a little ahead"
    assert "none of the CAs" in problems(crl(day), TestCA.make())[0], "a CA of the same name"
    assert "raft stores" in problems(crl(day), size=RAFT_ENTRY)[0]


def test_an_entry_that_takes_a_revocation_back_revokes_nothing() -> None:
    held, back = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl
    found = described(crl(timedelta(days=1), entries={5: back, 6: held}), CA.intermediate, 400, 5, 6)
    assert revoked_ones([found]) == {6}
    assert [one["revoked"] for one in found.to_json()["serials"]] == [False, True]


def test_a_list_that_says_nothing_of_some_certificates_is_told() -> None:
    day = timedelta(days=1)
    assert "of certificates of CAs alone" in problems(crl(day, scope={"only_contains_ca_certs": True}))[0]
    assert "it is indirect" in problems(crl(day, scope={"indirect_crl": True}))[0]


def test_a_list_of_a_ca_with_an_odd_name_is_shown() -> None:
    """A T61String in Latin-1, as old corporate CAs have it."""
    plain = crl(timedelta(days=1), entries={5: x509.ReasonFlags.key_compromise})
    old, odd = b"\x0c\x11Test Intermediate", b"\x14\x11T\xebst Int\xebrmediate"
    (found,) = read_crls(plain.public_bytes(Encoding.DER).replace(old, odd))
    shown = described(found, CA.intermediate, 400, 5).to_json()
    assert (shown["issuer"], shown["serials"][0]["revoked"]) == ("a name that can't be read", True)
    assert shown["problems"] == ["none of the CAs that are known signed it"], "its bytes were changed"


def test_a_signer_that_may_not_sign_lists_is_told() -> None:
    name, key = CA.intermediate.subject, CA.key
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(1), NOW + timedelta(1))
    signer = builder.add_extension(key_usage(ca=False), critical=True).sign(key, hashes.SHA256())
    assert "may not sign CRLs" in next(described(crl(timedelta(days=1)), signer).problems())


def test_what_is_no_list_is_a_value_error() -> None:
    in_json = b'{"data": {"certificate": "-----BEGIN X509 CRL-----\\nMAA=\\n-----END X509 CRL-----"}}'
    for content in (b"", b"text", b"-----BEGIN X509 CRL-----\n", b"\x30\x03\x02\x01\x01", in_json):
        with pytest.raises(ValueError, match=r"\w"):
            read_crls(content)


def test_each_list_of_a_file_is_looked_at(tmp_path: Path) -> None:
    """HAProxy, nginx and OpenVPN want the lists of all CAs of a chain in one file, so files hold several."""
    day, begins = timedelta(days=1), datetime.now(UTC) - NOW
    revoked = x509.ReasonFlags.key_compromise
    every = (crl(begins + day, begins - day), crl(begins + day, begins - day, entries={5: revoked}))
    pem, ca = b"".join(one.public_bytes(Encoding.PEM) for one in every), tmp_path / "ca.pem"
    (tmp_path / "all.crl").write_bytes(pem)
    ca.write_bytes(CA.intermediate.public_bytes(Encoding.PEM))
    words = ["crl", "verify", str(tmp_path / "all.crl"), "--ca", str(ca)]
    assert CliRunner().invoke(app, words).exit_code == 0
    ran = CliRunner().invoke(app, [*words, "--serial", "05"])
    assert (ran.exit_code, "(2 of 2)" in ran.stdout) == (1, True), ran.output
    (tmp_path / "all.crl").write_bytes(pem[:-40])
    cut = CliRunner().invoke(app, words)
    assert (cut.exit_code, "list 2: its PEM block has no END line" in cut.stderr) == (2, True), cut.output


async def test_a_ca_for_which_the_server_has_no_list_is_told() -> None:
    """Vault answers nothing, with 204: no list is not a good one."""
    ca = CA.intermediate.public_bytes(Encoding.PEM).decode()
    info = {"key_info": {"1": {"key_id": "2", "issuer_name": "lab"}}}
    answers: dict[str, dict[str, Any]] = {"pki/issuers/": info, "pki/issuer/1/json": {"certificate": ca}}
    calls, told = Mock(), list[str]()
    calls.read = AsyncMock(side_effect=lambda path: PathRead(answers.get(path)))
    assert [lists async for _, lists in mount_lists(calls, "pki", told.append)] == [[]]
    assert told == ["pki/lab/crl can't be had: the server has none; crl/rotate makes it"]
