"""Plans and results of revocations for people."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from issuer.manifests.text import shown
from issuer.revoking.plan import PlannedRevocation, RevocationDecision
from issuer.revoking.revoking import RevocationPlan, RevocationResult
from issuer.terminal.ages import until
from issuer.terminal.console import Console
from issuer.terminal.tables import bullets, fields, heading, listed, paragraph, section, unwrapped
from issuer.text import rfc3339

_WHY: Final = {
    RevocationDecision.REVOKE: "it is revoked",
    RevocationDecision.ALREADY_REVOKED: "nothing to do: it is revoked already",
    RevocationDecision.EXPIRED: "nothing to do: it has ended, and CRLs have no certificates that ended",
    RevocationDecision.IS_CA: (
        "refused: it is a CA's, and all that it signed would fail with it; --ca says it is meant"
    ),
}


def show_plan(
    plan: RevocationPlan, to: Console, now: datetime, *, dry_run: bool = False, rest: bool = False
) -> None:
    """Print what would be done with each, and what comes next; of `rest` only those that stay as they are."""
    for item in plan.items:
        if not rest or item.decision is not RevocationDecision.REVOKE:
            _show_item(item, to, now)
    if rest:
        return
    if plan.gaps:
        section(to, "What uses them may be more, as this can't be known")
        bullets(to, (f"{one.where}: {one.text}" if one.where else one.text for one in plan.gaps))
    count = len(plan.chosen)
    paragraph(to, f"{count} to be revoked{'' if count and not dry_run else '. Nothing was changed'}")


def _show_item(item: PlannedRevocation, to: Console, now: datetime) -> None:
    row = item.row
    heading(to, shown(row.label, 200))
    fields(
        to,
        [
            ("Certificate", f"{row.mount}/{row.serial}"),
            ("Names", listed(row.names)),
            ("Subject", row.subject),
            ("Issuer", row.issuer),
            ("Ends", f"{rfc3339(row.ends)} ({until(row.ends, now)})"),
            ("Revoked", "" if row.revoked_at is None else rfc3339(row.revoked_at)),
            ("Stored", "yes" if row.is_stored else "no (no_store, or not readable): revoked by its PEM"),
            ("Used by", listed([str(one) for one in item.uses]) or "nothing that was found"),
            ("Plan", _WHY[item.decision]),
        ],
    )
    for step in item.next_steps():
        unwrapped(to, f"  then: {shown(step, 1000)}")
    to.print()


def result_line(result: RevocationResult) -> str:
    """Return one line for what became of a certificate."""
    row = result.item.row
    name = f"{row.mount}/{row.serial} ({row.label})"
    if result.is_unknown:
        return f"{name}: NOT KNOWN whether it is revoked: {result.error}"
    if result.error:
        return f"{name}: NOT REVOKED: {result.error}"
    if not result.item.has_list:
        return f"{name}: revoked in Vault, but {result.item.without_list}"
    if result.listed:
        return f"{name}: revoked, and on the CRL"
    when = result.item.lists.when()
    if result.listed is None:
        return f"{name}: revoked; no CRL can be read, it is to be there {when}"
    return f"{name}: revoked, and not on the CRL yet: {when}; at once by vault read {row.mount}/crl/rotate"
