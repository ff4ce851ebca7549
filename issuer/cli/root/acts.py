"""The acts of `vault-issuer root` between a person and the files: shown, agreed to, unlocked, kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer
from cryptography import x509

from issuer.cli.output import agreed
from issuer.cli.passphrases import ask_foreign_passphrase, ask_passphrase
from issuer.manifests.errors import BadInput
from issuer.root.ceremony.clock import check_clock
from issuer.root.ceremony.crls import make_crl, plan_crl
from issuer.root.ceremony.file import CRLWish, RootWish, SignWish, checked_wish
from issuer.root.ceremony.roots import BegunRoot, ForeignRoot, begin_root, take_over
from issuer.root.ceremony.signing import SigningPlan, plan_signing, sign
from issuer.root.certificates.keys import PrivateKey, is_encrypted, make_key, read_private_key
from issuer.root.certificates.requests import CARequest, read_ca_request
from issuer.root.errors import RootRefusal
from issuer.root.folder import check_free, check_writable, read_file
from issuer.root.reasons import RefusalReason
from issuer.root.record.examine import RootFinding, RootFindingLevel, head_finding, is_head, key_finding
from issuer.root.record.files import KEY, pem_of
from issuer.root.record.ledger import RootLedger
from issuer.root.session import (
    OpenedRoot,
    all_findings,
    begin,
    check_published,
    judged,
    opened,
    publish,
    write_certificate,
)
from issuer.root.show import (
    certificate_report,
    crl_lines,
    crl_report,
    finding_report,
    head_lines,
    report_lines,
    request_report,
    root_lines,
    root_report,
    signing_report,
)
from issuer.site import docs_page
from issuer.x509.errors import LIBRARY_ERRORS, InvalidRequest
from issuer.x509.request import read_request


@dataclass(frozen=True, slots=True)
class RootResult:
    """Result of a command: as data, as lines, and its exit code."""

    report: dict[str, Any]
    lines: Sequence[str]
    code: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """Files of a root that is taken over; without `key` a new one is made."""

    key: Path | None = None
    certificate: Path | None = None
    crl: Path | None = None
    issued: tuple[Path, ...] = ()
    passphrase: Path | None = None


@dataclass(frozen=True, slots=True)
class Revoking:
    """A CRL, and certificates of CAs that it revokes which the ledger may not have."""

    wish: CRLWish
    certificates: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Options of a person about how an act is agreed to, and when it is."""

    passphrase_files: Sequence[Path]
    yes: bool
    dry_run: bool
    now: datetime
    today: date | None


def make_root(
    folder: Path,
    wish: RootWish,
    sources: Sources,
    passphrase_files: Sequence[Path],
    now: datetime,
    today: date | None,
) -> RootResult:
    """Make a root's folder. Raises RootRefusal, BadInput."""
    check_free(folder)
    check_clock(now, None, today)
    if sources.key is None:
        if sources != Sources():
            raise BadInput("--from-certificate, --from-crl and --from-issued go with --from-key.")
        key = make_key(wish.key)
        begun = begin_root(wish, key, now)
    else:
        key, begun = _taken_over(wish, sources, sources.key, now)
    passphrase = ask_passphrase(passphrase_files, wish.passphrases, new=True)
    begin(folder, begun.ledger, key, passphrase)
    report = root_report(begun.ledger, now)
    noted = [f"Note: {one.message}." for one in begun.findings]
    report["notes"] = [one.message for one in begun.findings]
    return RootResult(report, [f"Made the root in {folder}.", "", *root_lines(report), *noted])


def _taken_over(
    wish: RootWish, sources: Sources, key_file: Path, now: datetime
) -> tuple[PrivateKey, BegunRoot]:
    if sources.certificate is None:
        raise BadInput("--from-key needs --from-certificate.")
    if wish.subject is not None:
        raise BadInput("A root that is taken over keeps its name; leave the subject out.")
    certificate = _certificate(sources.certificate)
    crl = None if sources.crl is None else _crl(sources.crl)
    issued = tuple(_certificate(one) for one in sources.issued)
    pem = read_file(key_file)
    passphrase = ask_foreign_passphrase(sources.passphrase) if is_encrypted(pem) else None
    key = read_private_key(pem, passphrase)
    return key, take_over(wish, key, ForeignRoot(certificate, crl, issued), now)


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


def sign_all(folder: Path, wishes: Sequence[SignWish], asked: Asked, *, quiet: bool) -> RootResult:
    """Sign CSRs one after the other, all of them judged before the first. Raises RootRefusal."""
    requests = [read_ca_request(read_file(Path(one.request)), one.ignored_extensions) for one in wishes]
    if asked.dry_run:
        ledger = judged(folder, asked.now).ledger
        check_clock(asked.now, ledger, asked.today)
        plans = _plans(ledger, requests, wishes, asked.now)
        lines = [line for plan, wish in zip(plans, wishes, strict=True) for line in _plan_lines(plan, wish)]
        reports = [{**signing_report(one), "dryRun": True} for one in plans]
        return RootResult(
            {"signed": reports, "head": ledger.head}, [*lines, "Nothing was signed (--dry-run)."]
        )
    with opened(folder, asked.now) as root:
        check_clock(asked.now, root.ledger, asked.today)
        _tell_mended(root)
        _plans(root.ledger, requests, wishes, asked.now)
        signing = _Signing(root, asked, quiet)
        reports = [signing.one(request, wish) for request, wish in zip(requests, wishes, strict=True)]
        ledger = signing.root.ledger
    return RootResult({"signed": reports, "head": ledger.head}, head_lines(len(ledger.entries), ledger.head))


def _plans(
    ledger: RootLedger, requests: Sequence[CARequest], wishes: Sequence[SignWish], now: datetime
) -> list[SigningPlan]:
    """Plan all of them, each with a place for its certificate. Raises RootRefusal."""
    plans = [plan_signing(ledger, one, wish, now) for one, wish in zip(requests, wishes, strict=True)]
    targets: dict[Path, SignWish] = {}
    for plan, wish in zip(plans, wishes, strict=True):
        target = _target(wish)
        other = targets.setdefault(target.absolute(), wish)
        problem = f"would be written for {other.request}, too" if other is not wish else None
        if plan.existing is None and target.exists():
            problem = "is there; move it away, or name another --out"
        if problem is not None:
            raise RootRefusal(RefusalReason.FILE_EXISTS, f"{target} {problem}. Nothing was signed.")
        check_writable(target)
    return plans


class _Signing:
    """Signs CSRs with one opened root; the passphrase is asked for once, when the first is agreed to."""

    def __init__(self, root: OpenedRoot, asked: Asked, quiet: bool) -> None:
        self.root = root
        self._asked = asked
        self._quiet = quiet
        self._key: PrivateKey | None = None

    def one(self, request: CARequest, wish: SignWish) -> dict[str, Any]:
        """Show one CSR, have it agreed to, sign it, keep it, and write its certificate."""
        plan = plan_signing(self.root.ledger, request, wish, self._asked.now)
        for line in _plan_lines(plan, wish):
            typer.echo(line, err=self._quiet)
        target = _target(wish)
        if plan.existing is None:
            self._agree(wish)
            if self._key is None:
                self._key = _unlocked(self.root, self._asked.passphrase_files)
            self.root = self.root.keep(sign(plan, self.root.ledger, self._key, self._asked.now))
        certificate = self.root.ledger.signed[-1].certificate if plan.existing is None else plan.shown
        write_certificate(target, (pem_of(certificate) + pem_of(self.root.ledger.root)).encode())
        typer.echo(f"{'Given again' if plan.existing else 'Signed'}: {target}", err=self._quiet)
        existing = plan.existing is not None
        return {
            **certificate_report(certificate),
            "existing": existing,
            "file": str(target),
            "notes": list(plan.notes),
            "dryRun": False,
        }

    def _agree(self, wish: SignWish) -> None:
        if self._asked.yes:
            if wish.spki_sha256 is None:
                message = (
                    "--yes needs --spki-sha256, as the one who made the CSR reads it. Nothing was signed."
                )
                raise RootRefusal(RefusalReason.NOT_CONFIRMED, message)
        elif not agreed("Does the one who made the CSR read the same SHA-256, and is it to be signed?"):
            raise RootRefusal(RefusalReason.NOT_CONFIRMED, "Not agreed to; nothing was signed.")


def revoked_certificates(files: Sequence[Path], reason: str | None, wish: CRLWish) -> Revoking:
    """Return what is revoked by its certificate, beside what `wish` revokes. Raises RootRefusal, BadInput."""
    found = tuple(_certificate(one) for one in files)
    more = checked_wish(
        CRLWish,
        {
            "revoke": [
                {"serial": f"{one.serial_number:x}", "reason": reason or "unspecified"} for one in found
            ]
        },
    )
    return Revoking(wish.model_copy(update={"revoke": wish.revoke + more.revoke}), found)


def next_crl(
    folder: Path, revoking: Revoking, asked: Asked, published: Path | None, *, quiet: bool
) -> RootResult:
    """Make the next CRL. Raises RootRefusal."""
    wish, outside = revoking.wish, revoking.certificates
    if asked.dry_run:
        ledger = judged(folder, asked.now).ledger
        check_clock(asked.now, ledger, asked.today)
        report = {
            **crl_report(plan_crl(ledger, wish, asked.now, outside)),
            "dryRun": True,
            "head": ledger.head,
        }
        return RootResult(report, [*_noted(report, crl_lines(report)), "Nothing was made (--dry-run)."])
    with opened(folder, asked.now) as root:
        check_clock(asked.now, root.ledger, asked.today)
        _tell_mended(root)
        if published is not None:
            check_published(root.ledger, published)
        plan = plan_crl(root.ledger, wish, asked.now, outside)
        report = {**crl_report(plan), "dryRun": False}
        for line in _noted(report, crl_lines(report)):
            typer.echo(line, err=quiet)
        if plan.new and not asked.yes and not agreed("Revoke? It can't be taken back."):
            raise RootRefusal(RefusalReason.NOT_CONFIRMED, "Not agreed to; nothing was revoked.")
        key = _unlocked(root, asked.passphrase_files)
        ledger = root.keep(make_crl(plan, root.ledger, key)).ledger
        files = [str(one) for one in publish(ledger, published)] if published is not None else []
    report |= {"head": ledger.head, "published": files}
    written = [f"Published: {one}" for one in files]
    return RootResult(report, [*written, *head_lines(len(ledger.entries), ledger.head)])


def change_passphrase(
    folder: Path, old_files: Sequence[Path], new_files: Sequence[Path], now: datetime
) -> RootResult:
    """Encrypt the key for another passphrase. Raises RootRefusal; the old one opens it then still."""
    with opened(folder, now) as root:
        _tell_mended(root)
        people = root.ledger.settings.passphrases
        old = ask_passphrase(old_files, people)
        key = root.unlock(old)
        new = ask_passphrase(new_files, people, new=True, option="--new-passphrase-file")
        if new.text == old.text:
            message = "The new passphrase is the old one; nothing was changed."
            raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, message)
        path = root.encrypt_anew(key, new)
    lines = [
        f"Changed the passphrase of {path}.",
        "Copies of the folder are opened by the old one still: make them anew, and destroy the old ones.",
        f"If others know the old one and can have had a copy, the key is known: {docs_page('ca-compromise')}",
    ]
    return RootResult({"changed": str(path), "head": root.ledger.head}, lines)


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


def _unlocked(root: OpenedRoot, files: Sequence[Path]) -> PrivateKey:
    return root.unlock(ask_passphrase(files, root.ledger.settings.passphrases))


def _tell_mended(root: OpenedRoot) -> None:
    for path in root.mended:
        typer.echo(f"Mended after an interruption: {path}", err=True)


def _plan_lines(plan: SigningPlan, wish: SignWish) -> list[str]:
    again = " has a certificate already, which is given again" if plan.existing is not None else ""
    report = signing_report(plan)
    return [f"{wish.request}{again}", *_noted(report, report_lines(report))]


def _noted(report: dict[str, Any], lines: Sequence[str]) -> list[str]:
    return [*lines, *(f"  Note: {one}" for one in report["notes"])]


def _target(wish: SignWish) -> Path:
    if wish.certificate is not None:
        return Path(wish.certificate)
    return Path(wish.request).with_suffix(".pem")


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_file(path))
    except LIBRARY_ERRORS as error:
        message = f"{path} holds no certificate in PEM that can be read."
        raise RootRefusal(RefusalReason.UNREADABLE, message) from error


def _crl(path: Path) -> x509.CertificateRevocationList:
    content = read_file(path, 16 << 20)
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_crl(content)
        return x509.load_der_x509_crl(content)
    except LIBRARY_ERRORS as error:
        raise RootRefusal(RefusalReason.UNREADABLE, f"{path} holds no CRL that can be read.") from error
