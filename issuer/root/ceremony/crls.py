"""The next CRL, with the CAs that are revoked by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.root.ceremony.file import CRLWish
from issuer.root.ceremony.roots import adopted_entries, adoption_problem, title
from issuer.root.certificates.crls import LARGEST_CRL_NUMBER, RevokedCA, signed_crl
from issuer.root.certificates.keys import PrivateKey
from issuer.root.certificates.profile import BACKDATED
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.root.record.entries import AnyData, CRLData, RevokeData, SignData, to_base64
from issuer.root.record.ledger import RootLedger
from issuer.text import rfc3339
from issuer.x509.describe import subject_text


@dataclass(frozen=True, slots=True)
class CRLPlan:
    """The next CRL: its number and times, and what it revokes that none before did."""

    number: int
    made: datetime
    this_update: datetime
    next_update: datetime
    new: tuple[RevokeData, ...]
    revoked: int
    adopted: tuple[SignData, ...] = ()
    """Certificates that the ledger didn't have, and that are revoked."""
    notes: tuple[str, ...] = ()


def plan_crl(
    ledger: RootLedger, wish: CRLWish, now: datetime, outside: Sequence[x509.Certificate] = ()
) -> CRLPlan:
    """Return the next CRL. What is revoked already is revoked once.

    `outside` are CAs that the root signed without this ledger; those that `wish` revokes are taken into it.
    Raises RootRefusal.
    """
    number = ledger.crl_number + 1 if wish.number is None else wish.number
    if number <= ledger.crl_number:
        raise RootRefusal(
            RefusalReason.CRL_GOES_BACK,
            f"The last CRL has number {ledger.crl_number}; readers would refuse number {number}.",
        )
    if number > LARGEST_CRL_NUMBER:
        raise RootRefusal(
            RefusalReason.CRL_NUMBER_TOO_LARGE,
            f"The last CRL has number {ledger.crl_number}, the largest that readers take (RFC 5280: 20 "
            "octets). Make a new root.",
        )
    _may_sign_crls(ledger.root)
    made = now.replace(microsecond=0)
    life = ledger.settings.crl_lifetime if wish.lifetime is None else wish.lifetime
    next_update = min(made + timedelta(seconds=life), ledger.root.not_valid_after_utc)
    if next_update <= made:
        raise RootRefusal(RefusalReason.EXPIRED, "The root has expired, so its CRLs mean nothing any more.")
    adopted = _adopted(ledger, outside)
    new = _new(ledger, wish, outside)
    return CRLPlan(
        number,
        made,
        _begin(ledger, made),
        next_update,
        new,
        len(ledger.revoked) + len(new),
        adopted,
        (*_notes(ledger, made, next_update), *_revoked_before(ledger, wish)),
    )


def _begin(ledger: RootLedger, made: datetime) -> datetime:
    """Return the begin of the next CRL: back-dated, though not to before the last one or the root.

    A machine without a network has a clock that is ahead as often as behind, and readers refuse every CA
    while its list is from the future. Of two lists some take the one that begins later, whatever their
    numbers.
    """
    last = [] if ledger.crl is None else [min(ledger.crl.last_update_utc, made)]
    return max(made - BACKDATED, ledger.root.not_valid_before_utc, *last)


def make_crl(plan: CRLPlan, ledger: RootLedger, key: PrivateKey) -> RootLedger:
    """Return the ledger with the revocations and the CRL in it."""
    revoked = (
        *ledger.revoked,
        *(RevokedCA(int(one.serial, 16), plan.made, one.reason) for one in plan.new),
    )
    crl = signed_crl(ledger.root, key, plan.number, revoked, plan.this_update, plan.next_update)
    entry = CRLData(
        number=plan.number,
        crl=to_base64(crl.public_bytes(Encoding.DER)),
        next_update=rfc3339(plan.next_update),
    )
    entries: list[AnyData] = [*plan.adopted, *plan.new, entry]
    return ledger.with_entries(entries, plan.made, key)


def _adopted(ledger: RootLedger, outside: Sequence[x509.Certificate]) -> tuple[SignData, ...]:
    for one in outside:
        problem = adoption_problem(one, ledger.root)
        if problem is not None:
            raise RootRefusal(RefusalReason.REQUEST, f"{title(one)} {problem}.")
    known = {one.certificate for one in ledger.signed}
    return tuple(adopted_entries([one for one in dict.fromkeys(outside) if one not in known]))


def _new(ledger: RootLedger, wish: CRLWish, outside: Sequence[x509.Certificate]) -> tuple[RevokeData, ...]:
    known = {one.serial: one.certificate for one in ledger.signed}
    known |= {one.serial_number: one for one in outside}
    found: dict[int, RevokeData] = {}
    for one in wish.revoke:
        serial = int(one.serial, 16)
        if serial not in known:
            raise RootRefusal(
                RefusalReason.UNKNOWN_CERTIFICATE,
                f"The ledger has no certificate with serial {one.serial}; root inspect lists them. If the "
                "root signed it without this ledger, name the certificate: --revoke-certificate FILE.",
            )
        if not ledger.is_revoked(serial):
            found[serial] = RevokeData(
                serial=one.serial, subject=subject_text(known[serial]), reason=one.reason
            )
    return tuple(found.values())


def _revoked_before(ledger: RootLedger, wish: CRLWish) -> Iterator[str]:
    """Yield notes about CAs that an earlier CRL revokes: date and reason stay as they were first told."""
    before = {one.serial: one for one in ledger.revoked}
    for one in wish.revoke:
        found = before.get(int(one.serial, 16))
        if found is not None:
            yield f"{one.serial} is revoked since {rfc3339(found.date)} ({found.cause.value}); that stays."


def _may_sign_crls(root: x509.Certificate) -> None:
    try:
        usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.crl_sign:
        raise RootRefusal(
            RefusalReason.LINT, "The root's key usage doesn't allow CRLs; readers would refuse them."
        )


def _notes(ledger: RootLedger, now: datetime, next_update: datetime) -> list[str]:
    found = []
    if next_update - now < timedelta(days=1):
        found.append(f"It expires within a day, at {rfc3339(next_update)}: then readers refuse all CAs.")
    if next_update == ledger.root.not_valid_after_utc:
        found.append("The CRL expires with the root.")
    last = ledger.crl
    if last is not None and last.next_update_utc is not None and last.next_update_utc > next_update:
        found.append(f"The CRL before it lives longer, until {rfc3339(last.next_update_utc)}.")
    return found
