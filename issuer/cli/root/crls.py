"""The next CRL of a root, and the CAs that it revokes: shown, agreed to, unlocked, kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from cryptography import x509

from issuer.cli.output import agreed
from issuer.cli.root.results import (
    ActOptions,
    RootResult,
    read_certificate,
    tell_mended,
    unlocked,
    with_notes,
)
from issuer.root.ceremony.clock import check_clock
from issuer.root.ceremony.crls import make_crl, plan_crl
from issuer.root.ceremony.file import CRLWish, checked_wish
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.root.session import check_published, judged, opened, publish
from issuer.root.show import crl_lines, crl_report, head_lines


@dataclass(frozen=True, slots=True)
class Revoking:
    """A CRL, and certificates of CAs that it revokes which the ledger may not have."""

    wish: CRLWish
    certificates: tuple[x509.Certificate, ...] = ()


def revoked_certificates(files: Sequence[Path], reason: str | None, wish: CRLWish) -> Revoking:
    """Return what is revoked by its certificate, beside what `wish` revokes. Raises RootRefusal, BadInput."""
    found = tuple(read_certificate(one) for one in files)
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
    folder: Path, revoking: Revoking, options: ActOptions, published: Path | None, *, quiet: bool
) -> RootResult:
    """Make the next CRL. Raises RootRefusal."""
    wish, outside = revoking.wish, revoking.certificates
    if options.dry_run:
        ledger = judged(folder, options.now).ledger
        check_clock(options.now, ledger, options.today)
        report = {
            **crl_report(plan_crl(ledger, wish, options.now, outside)),
            "dryRun": True,
            "head": ledger.head,
        }
        return RootResult(report, [*with_notes(report, crl_lines(report)), "Nothing was made (--dry-run)."])
    with opened(folder, options.now) as root:
        check_clock(options.now, root.ledger, options.today)
        tell_mended(root)
        if published is not None:
            check_published(root.ledger, published)
        plan = plan_crl(root.ledger, wish, options.now, outside)
        report = {**crl_report(plan), "dryRun": False}
        for line in with_notes(report, crl_lines(report)):
            typer.echo(line, err=quiet)
        if plan.new and not options.yes and not agreed("Revoke? It can't be taken back."):
            raise RootRefusal(RefusalReason.NOT_CONFIRMED, "Not agreed to; nothing was revoked.")
        key = unlocked(root, options.passphrase_files)
        ledger = root.keep(make_crl(plan, root.ledger, key)).ledger
        files = [str(one) for one in publish(ledger, published)] if published is not None else []
    report |= {"head": ledger.head, "published": files}
    written = [f"Published: {one}" for one in files]
    return RootResult(report, [*written, *head_lines(len(ledger.entries), ledger.head)])
