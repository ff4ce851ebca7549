"""CSRs of CAs signed by a root: shown, agreed to, unlocked, kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from issuer.cli.output import agreed
from issuer.cli.root.results import ActOptions, RootResult, tell_mended, unlocked, with_notes
from issuer.root.ceremony.clock import check_clock
from issuer.root.ceremony.file import SignWish
from issuer.root.ceremony.signing import SigningPlan, plan_signing, sign
from issuer.root.certificates.keys import PrivateKey
from issuer.root.certificates.requests import CARequest, read_ca_request
from issuer.root.errors import RootRefusal
from issuer.root.folder import check_writable, read_file
from issuer.root.reasons import RefusalReason
from issuer.root.record.files import pem_of
from issuer.root.record.ledger import RootLedger
from issuer.root.session import OpenedRoot, judged, opened, write_certificate
from issuer.root.show import certificate_report, head_lines, report_lines, signing_report


def sign_all(folder: Path, wishes: Sequence[SignWish], options: ActOptions, *, quiet: bool) -> RootResult:
    """Sign CSRs one after the other, all of them judged before the first. Raises RootRefusal."""
    requests = [read_ca_request(read_file(Path(one.request)), one.ignored_extensions) for one in wishes]
    if options.dry_run:
        ledger = judged(folder, options.now).ledger
        check_clock(options.now, ledger, options.today)
        plans = _plans(ledger, requests, wishes, options.now)
        lines = [line for plan, wish in zip(plans, wishes, strict=True) for line in _plan_lines(plan, wish)]
        reports = [{**signing_report(one), "dryRun": True} for one in plans]
        return RootResult(
            {"signed": reports, "head": ledger.head}, [*lines, "Nothing was signed (--dry-run)."]
        )
    with opened(folder, options.now) as root:
        check_clock(options.now, root.ledger, options.today)
        tell_mended(root)
        _plans(root.ledger, requests, wishes, options.now)
        signing = _Signing(root, options, quiet)
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

    def __init__(self, root: OpenedRoot, options: ActOptions, quiet: bool) -> None:
        self.root = root
        self._options = options
        self._quiet = quiet
        self._key: PrivateKey | None = None

    def one(self, request: CARequest, wish: SignWish) -> dict[str, Any]:
        """Show one CSR, have it agreed to, sign it, keep it, and write its certificate."""
        plan = plan_signing(self.root.ledger, request, wish, self._options.now)
        for line in _plan_lines(plan, wish):
            typer.echo(line, err=self._quiet)
        target = _target(wish)
        if plan.existing is None:
            self._agree(wish)
            if self._key is None:
                self._key = unlocked(self.root, self._options.passphrase_files)
            self.root = self.root.keep(sign(plan, self.root.ledger, self._key, self._options.now))
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
        if self._options.yes:
            if wish.spki_sha256 is None:
                message = (
                    "--yes needs --spki-sha256, as the one who made the CSR reads it. Nothing was signed."
                )
                raise RootRefusal(RefusalReason.NOT_CONFIRMED, message)
        elif not agreed("Does the one who made the CSR read the same SHA-256, and is it to be signed?"):
            raise RootRefusal(RefusalReason.NOT_CONFIRMED, "Not agreed to; nothing was signed.")


def _plan_lines(plan: SigningPlan, wish: SignWish) -> list[str]:
    again = " has a certificate already, which is given again" if plan.existing is not None else ""
    report = signing_report(plan)
    return [f"{wish.request}{again}", *with_notes(report, report_lines(report))]


def _target(wish: SignWish) -> Path:
    if wish.certificate is not None:
        return Path(wish.certificate)
    return Path(wish.request).with_suffix(".pem")
