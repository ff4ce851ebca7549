"""A CSR becomes a certificate, or gets the one that its key has already.

First a plan, without the root's key: all fields of the certificate, linted, to be shown and agreed to. Then
the signature. A ceremony that is run again gives the same certificates back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from issuer.root.ceremony.file import SignWish
from issuer.root.ceremony.roots import sign_entry, spki_hex
from issuer.root.certificates.constraints import constraints_of, same_constraints, wider_than
from issuer.root.certificates.keys import PrivateKey, public_der
from issuer.root.certificates.lint import key_problem, lint, urls_of
from issuer.root.certificates.profile import BACKDATED, CAProfile, signed_certificate, throwaway_key
from issuer.root.certificates.requests import CARequest
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.root.record.ledger import RootLedger, SignedCA
from issuer.text import counted, rfc3339
from issuer.x509.certificates import basic_constraints


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """A certificate that will be signed, or `existing`, which its key has already.

    `sample` has all its fields, with a signature by a throwaway key.
    """

    profile: CAProfile = field(repr=False)
    sample: x509.Certificate = field(repr=False)
    lifetime: int
    existing: SignedCA | None = None
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> x509.Certificate:
        """Certificate to show: the existing one, or the sample."""
        return self.sample if self.existing is None else self.existing.certificate


def plan_signing(ledger: RootLedger, request: CARequest, wish: SignWish, now: datetime) -> SigningPlan:
    """Return what would be signed. Raises RootRefusal."""
    found = spki_hex(request.key)
    if wish.spki_sha256 not in (None, found):
        raise RootRefusal(
            RefusalReason.KEY_DIFFERS,
            f"The CSR has another key than agreed: its SHA-256 is {grouped(found)}, not "
            f"{grouped(wish.spki_sha256 or '')}. Compare them with the one who made the CSR.",
        )
    profile = _profile(ledger, request, wish, now)
    sample = signed_certificate(profile, throwaway_key(ledger.public_key), ledger.root)
    existing = _existing(ledger, request, wish, sample, now)
    plan = SigningPlan(profile, sample, wish.lifetime, existing, tuple(_notes(ledger, request)))
    if existing is None:
        _check(ledger, request, wish, plan, now)
    return plan


def sign(plan: SigningPlan, ledger: RootLedger, key: PrivateKey, now: datetime) -> RootLedger:
    """Return the ledger with the certificate in it, signed by the root's key. Raises RootRefusal."""
    certificate = signed_certificate(plan.profile, key, ledger.root)
    if certificate.tbs_certificate_bytes != plan.sample.tbs_certificate_bytes:
        raise RootRefusal(
            RefusalReason.LINT, "What was signed differs from what was shown; nothing of it is kept."
        )
    return ledger.with_entries([sign_entry(certificate, plan.lifetime)], now, key)


def grouped(digest: str) -> str:
    """Return hex digits in groups of four, to be read aloud."""
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


def _profile(ledger: RootLedger, request: CARequest, wish: SignWish, now: datetime) -> CAProfile:
    moment = now.replace(microsecond=0)
    settings = ledger.settings
    return CAProfile(
        subject=request.subject,
        public_key=request.key,
        serial=x509.random_serial_number(),
        not_before=max(moment - BACKDATED, ledger.root.not_valid_before_utc),
        not_after=moment + timedelta(seconds=wish.lifetime),
        path_length=wish.max_path_length,
        constraints=wish.name_constraints.extension() or request.constraints,
        crl_urls=settings.crl_urls if wish.crl_urls is None else wish.crl_urls,
        issuer_urls=settings.issuer_urls if wish.issuer_urls is None else wish.issuer_urls,
        digital_signature=request.digital_signature,
        key_id=request.key_id,
    )


def _existing(
    ledger: RootLedger, request: CARequest, wish: SignWish, sample: x509.Certificate, now: datetime
) -> SignedCA | None:
    """Return the certificate that this key has. Raises RootRefusal if it is not what is wished."""
    spki = public_der(request.key)
    if spki == public_der(ledger.public_key):
        raise _reused("The CSR has the root's own key")
    before = [one for one in ledger.signed if one.spki == spki]
    for one in before:
        if one.certificate.subject != request.subject:
            name = one.certificate.subject.rfc4514_string()[:200]
            raise _reused(f"The CSR's key was signed for another CA, {name}, in entry {one.number}")
        if ledger.is_revoked(one.serial):
            raise RootRefusal(
                RefusalReason.REVOKED,
                f"The certificate of this key, serial {one.serial:x}, was revoked. Make a new key and CSR.",
            )
    valid = [one for one in before if one.certificate.not_valid_after_utc > now]
    if not valid or wish.renew:
        return None
    last = valid[-1]
    if not _alike(last, wish, sample):
        raise RootRefusal(
            RefusalReason.SIGNED_OTHERWISE,
            f"The key has a certificate until {rfc3339(last.certificate.not_valid_after_utc)}, serial "
            f"{last.serial:x}, with another lifetime, path length, constraints or URLs. Leave these options "
            "as they were to get it again, or sign a second one by --renew.",
        )
    return last


def _alike(signed: SignedCA, wish: SignWish, sample: x509.Certificate) -> bool:
    certificate = signed.certificate
    return (
        signed.lifetime in (wish.lifetime, 0)
        and basic_constraints(certificate) == basic_constraints(sample)
        and same_constraints(constraints_of(certificate), constraints_of(sample))
        and (signed.adopted or urls_of(certificate) == urls_of(sample))
    )


def _reused(cause: str) -> RootRefusal:
    return RootRefusal(RefusalReason.KEY_REUSED, f"{cause}. Make a new key and CSR for each CA.")


def _check(ledger: RootLedger, request: CARequest, wish: SignWish, plan: SigningPlan, now: datetime) -> None:
    """Refuse what has a reason of its own, then whatever the lint finds besides."""
    root, profile = ledger.root, plan.profile
    weak = key_problem(ledger.public_key, now)
    if weak is not None:
        message = f"The root's own key {weak}. It still makes CRLs; sign CAs with a new root."
        raise RootRefusal(RefusalReason.KEY_WEAK, message)
    problem = key_problem(request.key, profile.not_after)
    if problem is not None:
        raise RootRefusal(RefusalReason.KEY_WEAK, f"The CSR's key {problem}.")
    if profile.not_after > root.not_valid_after_utc:
        raise _outlives(profile, root)
    above = basic_constraints(root)
    room = None if above is None else above.path_length
    if request.is_root:
        _check_room(room, wish)
    if room is not None and wish.max_path_length >= room:
        raise RootRefusal(
            RefusalReason.PATH_LENGTH,
            f"The root allows {counted(room, 'CA')} below it, so this one can allow at most {room - 1}."
            if room
            else "The root's path length is 0: it can't sign a CA.",
        )
    if request.path_length is not None and request.path_length > wish.max_path_length:
        raise RootRefusal(
            RefusalReason.PATH_LENGTH,
            f"The CSR asks for {counted(request.path_length, 'CA')} below it, and --path-length is "
            f"{wish.max_path_length}. Agree on one of them with the one who made the CSR.",
        )
    outside = list(wider_than(constraints_of(plan.sample), constraints_of(root)))
    if outside:
        raise RootRefusal(
            RefusalReason.OUTSIDE_CONSTRAINTS,
            f"The root's own name constraints don't permit {', '.join(outside)}. Leave them out.",
        )
    findings = lint(plan.sample, root)
    if findings:
        told = "; ".join(one.message for one in findings)
        raise RootRefusal(RefusalReason.LINT, f"The certificate would not be fit: {told}.")


def _check_room(room: int | None, wish: SignWish) -> None:
    """Refuse to sign another root without room for the CAs below that. Raises RootRefusal."""
    if room is not None and room < 2:
        raise RootRefusal(
            RefusalReason.PATH_LENGTH,
            f"The root allows {counted(room, 'CA')} below it, and below another root stands one more: no "
            "client would take that way. Have every client trust the other root instead.",
        )
    if wish.max_path_length < 1:
        raise RootRefusal(
            RefusalReason.PATH_LENGTH,
            "Another root has CAs below it: give --path-length 1, or more where intermediates sign "
            "intermediates there.",
        )


def _outlives(profile: CAProfile, root: x509.Certificate) -> RootRefusal:
    end = rfc3339(root.not_valid_after_utc)
    days = (root.not_valid_after_utc - profile.not_before).days - 1
    if days < 1:
        message = f"The root expires at {end}, so that it can sign nothing any more. Make a new root."
        return RootRefusal(RefusalReason.EXPIRED, message)
    return RootRefusal(
        RefusalReason.OUTLIVES_ROOT,
        f"The certificate would expire at {rfc3339(profile.not_after)}, after the root, at {end}. Give a "
        f"--lifetime of at most {days}d.",
    )


def _notes(ledger: RootLedger, request: CARequest) -> list[str]:
    spki = public_der(request.key)
    same_name = [
        one for one in ledger.signed if one.certificate.subject == request.subject and one.spki != spki
    ]
    named = [
        f"Another key has this name, too: serial {one.serial:x}, until "
        f"{rfc3339(one.certificate.not_valid_after_utc)}."
        for one in same_name
    ]
    # One that was made here has none; one that was taken over keeps its faults for all that it signs.
    return [*named, *(f"The root's own certificate: {one.message}." for one in lint(ledger.root))]
