"""CRLs for people."""

from __future__ import annotations

from issuer.pki.lists.described import RAFT_ENTRY, DescribedList, reason_of
from issuer.terminal.ages import until
from issuer.terminal.console import Console
from issuer.terminal.tables import bullets, fields, heading
from issuer.text import rfc3339


def show_list(found: DescribedList, to: Console) -> None:
    """Print what a list says of itself, who signed it, the serial numbers asked for, and its problems."""
    ends, number = found.crl.next_update_utc, found.number
    heading(to, found.source)
    fields(
        to,
        [
            ("Issuer", found.issuer),
            ("Signed by", _signer(found)),
            ("Number", "none" if number is None else str(number)),
            ("Delta of", "" if found.base is None else f"number {found.base}"),
            ("This update", rfc3339(found.crl.last_update_utc)),
            ("Next update", "none" if ends is None else f"{rfc3339(ends)} ({until(ends, found.now)})"),
            ("Entries", str(len(found.crl))),
            ("Size", f"{found.size} bytes, {100 * found.size / RAFT_ENTRY:.1f} % of what raft stores"),
        ],
    )
    for serial, entry in found.entries():
        said = "not on it"
        if entry is not None:
            said = f"revoked at {rfc3339(entry.revocation_date_utc)} ({reason_of(entry)})"
        fields(to, [(f"{serial:x}", said)])
    bullets(to, found.problems(), style="red")
    to.print()


def _signer(found: DescribedList) -> str:
    if found.signer is not None:
        return found.signer.label
    return "none of the CAs that are known" if found.authorities else "not checked (--ca, or --mount)"
