"""Roots, CSRs and certificates shown, and a root checked; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from issuer.cli.passphrases import ask_passphrase
from issuer.cli.root.results import RootResult
from issuer.manifests.errors import BadInput
from issuer.root.certificates.keys import read_private_key
from issuer.root.errors import RootRefusal
from issuer.root.folder import read_file
from issuer.root.reasons import RefusalReason
from issuer.root.record.examine import RootFinding, RootFindingLevel, head_finding, is_head, key_finding
from issuer.root.record.files import KEY
from issuer.root.session import all_findings
from issuer.root.show import (
    certificate_report,
    finding_report,
    head_lines,
    report_lines,
    request_report,
    root_lines,
    root_report,
)
from issuer.x509.errors import LIBRARY_ERRORS, InvalidRequest
from issuer.x509.request import read_request


def inspected(folder: Path, what: Path | None, now: datetime) -> RootResult:
    """Show a root, or a CSR or certificate. Raises RootRefusal."""
    if what is None:
        return _inspected_root(folder, now)
    pem = read_file(what)
    try:
        if b"REQUEST-----" in pem:
            report = request_report(read_request(pem))
        else:
            report = certificate_report(x509.load_pem_x509_certificate(pem))
    except InvalidRequest as error:
        raise RootRefusal(RefusalReason.REQUEST, f"{what} can't be used: {error}.") from error
    except LIBRARY_ERRORS as error:
        message = f"{what} holds no CSR or certificate in PEM that can be read."
        raise RootRefusal(RefusalReason.UNREADABLE, message) from error
    return RootResult(report, report_lines(report))


def _inspected_root(folder: Path, now: datetime) -> RootResult:
    """Show a root with what is found in its folder; if that is damage, without the head of its ledger.

    A head that is written down is what later copies are held against, so it must be of a whole root.
    """
    root, findings = all_findings(folder, now)
    if root is None:
        raise RootRefusal(RefusalReason.DAMAGED, "\n".join(_finding_lines(findings)))
    damaged = _is_damaged(findings)
    report = root_report(root.ledger, now) | {"findings": [finding_report(one) for one in findings]}
    if damaged:
        report["head"] = None
    return RootResult(report, [*root_lines(report), *_finding_lines(findings)], 1 if damaged else 0)


def verified(
    folder: Path, head: str | None, with_key: bool, passphrase_files: Sequence[Path], now: datetime
) -> RootResult:
    """Check all of a root. Raises RootRefusal if there is none or for a wrong passphrase, BadInput."""
    if head is not None and not is_head(head):
        message = (
            "--head is no head of a ledger: write it as root inspect prints it, the entry's number, a colon, "
            "and at least 16 digits of its hash."
        )
        raise BadInput(message)
    root, findings = all_findings(folder, now)
    found = list(findings)
    if root is not None and head is not None:
        found += filter(None, [head_finding(root.ledger, head)])
    if root is not None and with_key:
        passphrase = ask_passphrase(passphrase_files, root.ledger.settings.passphrases)
        key = read_private_key(root.files.get(KEY, b""), passphrase).public_key()
        found += filter(None, [key_finding(root.ledger, key)])
    damaged = _is_damaged(found)
    code = 1 if damaged else 3 if found else 0
    whole = None if damaged or root is None else root.ledger
    told = [] if whole is None else head_lines(len(whole.entries), whole.head)
    report = {
        "head": None if whole is None else whole.head,
        "findings": [finding_report(one) for one in found],
    }
    return RootResult(report, [*(_finding_lines(found) or ["All is well."]), *told], code)


def _is_damaged(findings: Sequence[RootFinding]) -> bool:
    return any(one.level is RootFindingLevel.DAMAGE for one in findings)


def _finding_lines(findings: Sequence[RootFinding]) -> list[str]:
    return [f"{one.level.value}: {one.path}: {one.message}." for one in findings]
