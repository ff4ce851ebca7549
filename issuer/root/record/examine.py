"""A folder's files against its ledger: what an interruption left, and what is damage.

The ledger is replaced as a whole before the files that follow from it are written. So a file that is missing,
or as an earlier entry left it, was not written yet; the next command writes it. A file that no state of the
ledger explains was changed, or the ledger was put back to an older state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509

from issuer.root.certificates.crls import crl_number, crl_problems
from issuer.root.certificates.keys import PublicKey, is_encrypted, public_der
from issuer.root.certificates.lint import lint
from issuer.root.record.entries import EntryKind, SignData
from issuer.root.record.files import CRL_DER, ISSUED, KEY, LEDGER, PUBLIC, derived_files, issued_path
from issuer.root.record.ledger import RootLedger, SignedCA
from issuer.text import rfc3339
from issuer.x509.chains.links import signed_by
from issuer.x509.errors import LIBRARY_ERRORS

SOON: Final = timedelta(days=30)
"""Time before a CRL expires at which the next one is due: a ceremony takes people."""
PART: Final = ".part"
"""End of the names of files that are being written."""
_HEAD: Final = re.compile("[1-9][0-9]{0,19}:[0-9a-f]{16,64}")


class RootFindingLevel(StrEnum):
    """Weights of findings."""

    DAMAGE = "damage"
    """Every command but `verify` and `inspect` refuses to go on."""
    MENDABLE = "mendable"
    """An interruption left it; the next command mends it."""
    NOTICE = "notice"
    """Something to be done soon."""


class RootFindingCode(StrEnum):
    """Kinds of findings."""

    CERTIFICATE_LINT = "CertificateLint"
    CERTIFICATE_SIGNATURE = "CertificateSignature"
    CRL_ENDED = "CRLEnded"
    CRL_ENDS_SOON = "CRLEndsSoon"
    CRL_NONE = "CRLNone"
    CRL_WRONG = "CRLWrong"
    FILE_CHANGED = "FileChanged"
    FILE_LEFT = "FileLeft"
    FILE_MISSING = "FileMissing"
    FILE_STALE = "FileStale"
    FILE_STRANGE = "FileStrange"
    KEY_DIFFERS = "KeyDiffers"
    KEY_MISSING = "KeyMissing"
    KEY_UNREADABLE = "KeyUnreadable"
    LEDGER = "Ledger"
    LEDGER_BEHIND = "LedgerBehind"
    LEDGER_HEAD = "LedgerHead"
    LEDGER_LINK = "LedgerLink"
    MODE = "Mode"


@dataclass(frozen=True, slots=True)
class RootFinding:
    """One finding: where (a path in the folder), and what, in a sentence that says what to do."""

    code: RootFindingCode
    level: RootFindingLevel
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Examination:
    """Findings; files to be written, by path, and to be removed, so that the folder is whole again."""

    findings: tuple[RootFinding, ...]
    missing: Mapping[str, bytes] = field(repr=False)
    leftovers: tuple[str, ...] = ()

    @property
    def damage(self) -> tuple[RootFinding, ...]:
        """Findings that stop every command."""
        return tuple(one for one in self.findings if one.level is RootFindingLevel.DAMAGE)


def examine(ledger: RootLedger, files: Mapping[str, bytes], now: datetime) -> Examination:
    """Compare `files` (by path in the folder, root key included) with the ledger at `now`."""
    wanted = derived_files(ledger)
    findings = [
        *_content_findings(ledger),
        *_crl_findings(ledger, now),
        *_file_findings(ledger, files, wanted),
        *_strange_files(ledger, files, wanted),
    ]
    missing = {path: content for path, content in wanted.items() if files.get(path) != content}
    return Examination(tuple(findings), missing, tuple(path for path in files if path.endswith(PART)))


def is_head(text: str) -> bool:
    """Return True if a text has the form of a head, "NUMBER:SHA256", of which 16 hex digits are enough."""
    return _HEAD.fullmatch(text.strip().lower()) is not None


def head_finding(ledger: RootLedger, head: str) -> RootFinding | None:
    """Return a finding if a head that was written down, "NUMBER:SHA256", is not in the ledger."""
    number, _, digest = head.strip().lower().partition(":")
    found = next((one for one in ledger.entries if str(one.number) == number), None)
    if found is not None and is_head(head) and found.sha256.startswith(digest):
        return None
    what = "the ledger is shorter than" if found is None else "the ledger has another entry as"
    return RootFinding(
        RootFindingCode.LEDGER_HEAD,
        RootFindingLevel.DAMAGE,
        LEDGER,
        f"{what} number {number[:20]}, which was written down: it was put back to an older state or made "
        "from the start. Bring the copy with that entry",
    )


def _content_findings(ledger: RootLedger) -> Iterator[RootFinding]:
    """Check what the ledger holds: each certificate is the root's, and as it was when it was signed."""
    for one in ledger.signed:
        path = issued_path(one.certificate)
        if not signed_by(one.certificate, ledger.root):
            message = f"entry {one.number} holds a certificate that the root didn't sign"
            yield _damage(RootFindingCode.CERTIFICATE_SIGNATURE, path, message)
        elif not one.adopted:
            for found in lint(one.certificate, ledger.root):
                yield _damage(RootFindingCode.CERTIFICATE_LINT, path, f"entry {one.number}: {found.message}")
        if not _told_alike(ledger, one):
            message = f"entry {one.number} says another serial or key than its certificate"
            yield _damage(RootFindingCode.LEDGER, LEDGER, message)


def _told_alike(ledger: RootLedger, signed: SignedCA) -> bool:
    data = ledger.entries[signed.number - 1].data
    return isinstance(data, SignData) and data.serial == f"{signed.serial:x}"


def _crl_findings(ledger: RootLedger, now: datetime) -> Iterator[RootFinding]:
    last = 0 if ledger.settings.crl is None else ledger.before(1).crl_number
    for entry, crl in ledger.crls:
        problems = list(crl_problems(crl, ledger.root, ledger.before(entry.number).revoked))
        if crl_number(crl) <= last:
            problems.append(f"its number {crl_number(crl)} doesn't follow {last}")
        last = crl_number(crl)
        for problem in problems:
            yield _damage(RootFindingCode.CRL_WRONG, CRL_DER, f"the CRL of entry {entry.number}: {problem}")
    if ledger.crl is None and ledger.settings.crl_urls:
        yield _notice(RootFindingCode.CRL_NONE, CRL_DER, "there is no CRL yet; make one by root crl")
    end = None if ledger.crl is None else ledger.crl.next_update_utc
    if end is not None and end <= now:
        message = f"the CRL expired at {rfc3339(end)}; readers that need one refuse all CAs. Make the next"
        yield _notice(RootFindingCode.CRL_ENDED, CRL_DER, f"{message} by root crl")
    elif end is not None and end <= now + SOON:
        yield _notice(
            RootFindingCode.CRL_ENDS_SOON,
            CRL_DER,
            f"the CRL expires at {rfc3339(end)}; make the next by root crl",
        )


def _file_findings(
    ledger: RootLedger, files: Mapping[str, bytes], wanted: Mapping[str, bytes]
) -> Iterator[RootFinding]:
    if KEY not in files:
        yield _damage(RootFindingCode.KEY_MISSING, KEY, "the key is not there; bring it from its copy")
    elif not is_encrypted(files[KEY]):
        message = "holds no whole, encrypted private key; bring it from its copy"
        yield _damage(RootFindingCode.KEY_UNREADABLE, KEY, message)
    differing = [path for path, content in wanted.items() if path in files and files[path] != content]
    earlier = _earlier(ledger) if differing else {}
    for path, content in wanted.items():
        if path not in files:
            message = "is not written yet: a command was interrupted. The next one writes it"
            yield RootFinding(RootFindingCode.FILE_MISSING, RootFindingLevel.MENDABLE, path, message)
        elif files[path] != content:
            yield _differs(ledger, path, files[path], earlier)


def _earlier(ledger: RootLedger) -> dict[str, set[bytes]]:
    """Return the contents of public files at each earlier state of the ledger."""
    states: dict[str, set[bytes]] = {}
    for entry in ledger.entries[:-1]:
        if entry.kind in (EntryKind.INIT, EntryKind.CRL):
            for path, content in derived_files(ledger.before(entry.number)).items():
                states.setdefault(path, set()).add(content)
    return states


def _differs(ledger: RootLedger, path: str, content: bytes, earlier: Mapping[str, set[bytes]]) -> RootFinding:
    if content in earlier.get(path, ()):
        message = "is as an earlier entry left it: a command was interrupted. The next one writes it"
        return RootFinding(RootFindingCode.FILE_STALE, RootFindingLevel.MENDABLE, path, message)
    if path == CRL_DER and is_newer_crl(ledger, content):
        message = (
            f"has a higher number than the ledger's {ledger.crl_number}: the ledger was put back to an older "
            "state. Bring its newest copy"
        )
        return _damage(RootFindingCode.LEDGER_BEHIND, path, message)
    message = "is not what the ledger says; move it away, and the next command writes it again"
    return _damage(RootFindingCode.FILE_CHANGED, path, message)


def is_newer_crl(ledger: RootLedger, content: bytes) -> bool:
    """Return True if a file is a CRL of this root (DER) with a higher number than the ledger's last."""
    try:
        crl = x509.load_der_x509_crl(content)
        return crl.is_signature_valid(ledger.public_key) and crl_number(crl) > ledger.crl_number
    except LIBRARY_ERRORS:
        return False


def _strange_files(
    ledger: RootLedger, files: Mapping[str, bytes], wanted: Mapping[str, bytes]
) -> Iterator[RootFinding]:
    for path, content in files.items():
        if path in wanted or path in (KEY, LEDGER):
            continue
        if path.endswith(PART):
            message = "is a file that an interrupted command was writing; the next one removes it"
            yield RootFinding(RootFindingCode.FILE_LEFT, RootFindingLevel.MENDABLE, path, message)
        elif path.startswith(f"{ISSUED}/") and _is_ours(ledger, content):
            message = (
                "is signed by this root and not in its ledger: the ledger was cut, or put back to an older "
                "state. Bring its newest copy"
            )
            yield _damage(RootFindingCode.LEDGER_BEHIND, path, message)
        elif path == CRL_DER and is_newer_crl(ledger, content):
            message = "is a CRL that the ledger doesn't have: the ledger was cut. Bring its newest copy"
            yield _damage(RootFindingCode.LEDGER_BEHIND, path, message)
        elif path.startswith((f"{ISSUED}/", f"{PUBLIC}/")):
            yield _notice(RootFindingCode.FILE_STRANGE, path, "is not of this command; move it away")


def _is_ours(ledger: RootLedger, content: bytes) -> bool:
    try:
        return signed_by(x509.load_pem_x509_certificate(content), ledger.root)
    except LIBRARY_ERRORS:
        return False


def key_finding(ledger: RootLedger, key: PublicKey) -> RootFinding | None:
    """Return a finding if a key is not that of the root's certificate."""
    if public_der(key) == public_der(ledger.public_key):
        return None
    return _damage(RootFindingCode.KEY_DIFFERS, KEY, "is another key than the certificate's; bring its copy")


def _damage(code: RootFindingCode, path: str, message: str) -> RootFinding:
    return RootFinding(code, RootFindingLevel.DAMAGE, path, message)


def _notice(code: RootFindingCode, path: str, message: str) -> RootFinding:
    return RootFinding(code, RootFindingLevel.NOTICE, path, message)
