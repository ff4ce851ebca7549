"""Certificates, signing plans and roots in words and as data, for a person and for `-o json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography import x509

from issuer.manifests.text import shown
from issuer.root.ceremony.crls import CRLPlan
from issuer.root.ceremony.roots import spki_hex
from issuer.root.ceremony.signing import SigningPlan, grouped
from issuer.root.certificates.constraints import constraint_texts, constraints_of
from issuer.root.certificates.keys import PublicKey, key_text
from issuer.root.certificates.lint import urls_of
from issuer.root.record.examine import RootFinding
from issuer.root.record.ledger import RootLedger, SignedCA
from issuer.text import ascii_text, counted, rfc3339
from issuer.x509.certificates import basic_constraints
from issuer.x509.describe import subject_text
from issuer.x509.request import CertificateSigningRequest

_LABELS: Final = {
    "subject": "Subject",
    "issuer": "Signed by",
    "serial": "Serial",
    "key": "Key",
    "spkiSHA256": "SHA-256 of the key",
    "notBefore": "Valid from",
    "notAfter": "Valid until",
    "pathLength": "CAs below it",
    "constraints": "Names",
    "urls": "URLs",
}
_WIDTH: Final = 20


def certificate_report(certificate: x509.Certificate) -> dict[str, Any]:
    """Return what a CA certificate says."""
    key = certificate.public_key()
    basic = basic_constraints(certificate)
    return {
        "subject": subject_text(certificate),
        "issuer": ascii_text(certificate.issuer.rfc4514_string()),
        "serial": f"{certificate.serial_number:x}",
        "key": key_text(key) if isinstance(key, PublicKey) else "unknown",
        "spkiSHA256": spki_hex(key),
        "notBefore": rfc3339(certificate.not_valid_before_utc),
        "notAfter": rfc3339(certificate.not_valid_after_utc),
        "pathLength": None if basic is None else basic.path_length,
        "constraints": constraint_texts(constraints_of(certificate)),
        "urls": urls_of(certificate),
    }


def request_report(request: CertificateSigningRequest) -> dict[str, Any]:
    """Return what a CSR says of subject and key."""
    key = request.key
    return {
        "subject": ascii_text(request.subject.rfc4514_string()),
        "key": f"{key.algorithm or 'unknown'} {key.size if key.size > 0 else ''}".rstrip(),
        "spkiSHA256": sha256(request.public_key).hexdigest(),
    }


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of a report, its hash in groups that are read aloud."""
    lines = []
    for name, label in _LABELS.items():
        if name not in report:
            continue
        for number, text in enumerate(_texts(name, report[name])):
            lines.append(f"  {label if number == 0 else '':{_WIDTH}}{shown(text, 1000)}")
    return lines


def _texts(name: str, value: Any) -> list[str]:
    if name == "spkiSHA256":
        half = len(value) // 2
        return [grouped(value[:half]), grouped(value[half:])]
    if name == "pathLength":
        return ["any number" if value is None else str(value)]
    if isinstance(value, list):
        return value or ["not constrained" if name == "constraints" else "none"]
    return [str(value)]


def signing_report(plan: SigningPlan) -> dict[str, Any]:
    """Return what would be signed, or is signed already."""
    return {
        **certificate_report(plan.shown),
        "existing": plan.existing is not None,
        "notes": list(plan.notes),
    }


def crl_report(plan: CRLPlan) -> dict[str, Any]:
    """Return what the next CRL says."""
    return {
        "number": plan.number,
        "thisUpdate": rfc3339(plan.this_update),
        "nextUpdate": rfc3339(plan.next_update),
        "revoked": plan.revoked,
        "revokes": [
            {"serial": one.serial, "subject": one.subject, "reason": one.reason.value} for one in plan.new
        ],
        "notes": list(plan.notes),
    }


def crl_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of a CRL's report."""
    lines = [f"  CRL number {report['number']}, until {report['nextUpdate']}, {report['revoked']} revoked"]
    lines += [
        f"  revokes {one['serial']} ({shown(one['subject'], 200)}): {one['reason']}"
        for one in report["revokes"]
    ]
    return lines


def root_report(ledger: RootLedger, now: datetime) -> dict[str, Any]:
    """Return what a root is, what it signed, and its last CRL."""
    crl = ledger.crl
    return {
        "root": certificate_report(ledger.root),
        "passphrases": ledger.settings.passphrases,
        "takenOver": ledger.settings.taken_over,
        "crlURLs": list(ledger.settings.crl_urls),
        "issuerURLs": list(ledger.settings.issuer_urls),
        "entries": len(ledger.entries),
        "head": ledger.head,
        "signed": [_signed_report(ledger, one, now) for one in ledger.signed],
        "crl": None
        if crl is None
        else {
            "number": ledger.crl_number,
            "nextUpdate": rfc3339(crl.next_update_utc) if crl.next_update_utc else None,
            "revoked": len(ledger.revoked),
        },
    }


def _signed_report(ledger: RootLedger, signed: SignedCA, now: datetime) -> dict[str, Any]:
    certificate = signed.certificate
    state = "valid" if certificate.not_valid_after_utc > now else "expired"
    return {
        "entry": signed.number,
        "subject": subject_text(certificate),
        "serial": f"{signed.serial:x}",
        "spkiSHA256": spki_hex(certificate.public_key()),
        "notAfter": rfc3339(certificate.not_valid_after_utc),
        "state": "revoked" if ledger.is_revoked(signed.serial) else state,
    }


def root_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of a root's report; without its head, that of a damaged one."""
    lines = ["Root", *report_lines(report["root"]), "", "Signed"]
    lines += [
        f"  {one['serial']}  {one['state']:8}until {one['notAfter']}  {shown(one['subject'], 200)}"
        for one in report["signed"]
    ] or ["  nothing yet"]
    crl = report["crl"]
    told = "none yet" if crl is None else f"number {crl['number']}, until {crl['nextUpdate']}"
    head = report["head"]
    if head is None:
        end = [f"Ledger  {report['entries']} entries; no head to write down: the root is damaged"]
    else:
        end = head_lines(report["entries"], head)
    return [*lines, "", f"CRL     {told}", *end]


def head_lines(entries: int, head: str) -> list[str]:
    """Return the lines that tell the head of a ledger, to be written down."""
    number, _, digest = head.partition(":")
    length = counted(entries, "entry", "entries")
    return [
        f"Ledger  {length}; the last one's number and hash, to be written down:",
        f"        {number}:{digest}",
    ]


def finding_report(finding: RootFinding) -> dict[str, str]:
    """Return a finding as data."""
    return {
        "code": finding.code.value,
        "level": finding.level.value,
        "path": finding.path,
        "message": finding.message,
    }
