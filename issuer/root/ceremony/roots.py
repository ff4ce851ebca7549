"""Roots: a new one, or one that is taken over with its key, its CRL and the CAs that it signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.root.ceremony.file import RootWish
from issuer.root.certificates.crls import LARGEST_SERIAL, crl_problems
from issuer.root.certificates.keys import PrivateKey, PublicKey, public_der
from issuer.root.certificates.lint import CertificateLintFinding, lint
from issuer.root.certificates.profile import BACKDATED, CAProfile, signed_certificate
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.root.record.entries import InitData, SignData, to_base64
from issuer.root.record.ledger import RootLedger, new_ledger
from issuer.x509.certificates import is_authority, unread_part
from issuer.x509.chains.links import is_root, signed_by
from issuer.x509.describe import subject_text


@dataclass(frozen=True, slots=True)
class ForeignRoot:
    """A root that another tool made: its certificate, last CRL, and CAs that it signed."""

    certificate: x509.Certificate
    crl: x509.CertificateRevocationList | None = None
    issued: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class BegunRoot:
    """The ledger of a root, and what its own certificate lacks (only of one that was taken over)."""

    ledger: RootLedger = field(repr=False)
    findings: tuple[CertificateLintFinding, ...] = ()


def begin_root(wish: RootWish, key: PrivateKey, now: datetime) -> BegunRoot:
    """Return the ledger of a new root. Raises RootRefusal."""
    if wish.subject is None:
        raise RootRefusal(RefusalReason.REQUEST, "A new root needs a name: give --common-name.")
    begin = now.replace(microsecond=0)
    profile = CAProfile(
        subject=wish.subject.name(),
        public_key=key.public_key(),
        serial=x509.random_serial_number(),
        not_before=begin - BACKDATED,
        not_after=begin + timedelta(seconds=wish.lifetime),
        path_length=wish.max_path_length,
        constraints=wish.name_constraints.extension(),
    )
    certificate = signed_certificate(profile, key, None)
    findings = lint(certificate)
    if findings:
        raise RootRefusal(RefusalReason.LINT, _listed("The root would not be fit", findings))
    return BegunRoot(new_ledger(_init(wish, certificate), (), now, key))


def take_over(wish: RootWish, key: PrivateKey, foreign: ForeignRoot, now: datetime) -> BegunRoot:
    """Return the ledger of a root that another tool made. Raises RootRefusal."""
    certificate = foreign.certificate
    part = unread_part(certificate)
    if part:
        raise RootRefusal(RefusalReason.REQUEST, f"The root can't be taken over: {part}. Make a new one.")
    own = certificate.public_key()
    if not isinstance(own, PublicKey) or public_der(own) != public_der(key.public_key()):
        raise RootRefusal(
            RefusalReason.WRONG_KEY,
            f"The key is not that of the certificate {subject_text(certificate)[:200]}; bring its own.",
        )
    if not is_root(certificate) or not is_authority(certificate):
        raise RootRefusal(
            RefusalReason.REQUEST, "The certificate is not that of a root: a CA that signed itself."
        )
    if now >= certificate.not_valid_after_utc:
        raise RootRefusal(RefusalReason.EXPIRED, "The root has expired; make a new one.")
    for problem in () if foreign.crl is None else crl_problems(foreign.crl, certificate, ()):
        raise RootRefusal(RefusalReason.REQUEST, f"The CRL is refused: {problem}.")
    for one in foreign.issued:
        reason = adoption_problem(one, certificate)
        if reason is not None:
            raise RootRefusal(RefusalReason.REQUEST, f"{title(one)} {reason}.")
    issued = tuple(dict.fromkeys(foreign.issued))
    ledger = new_ledger(_init(wish, certificate, foreign), adopted_entries(issued), now, key)
    return BegunRoot(ledger, lint(certificate))


def adoption_problem(issued: x509.Certificate, root: x509.Certificate) -> str | None:
    """Return why a certificate can't be kept as one that the root signed."""
    part = unread_part(issued)
    if part:
        return f"can't be kept: {part}; replace that CA, and leave it out here"
    if not signed_by(issued, root):
        return "is not signed by this root"
    if issued == root:
        return "is the root itself; name the CAs below it"
    if not 0 < issued.serial_number <= LARGEST_SERIAL:
        return "has a serial number that no CRL can name; replace that CA, and leave it out here"
    return None


def title(certificate: x509.Certificate) -> str:
    """Return the subject of a certificate, or its serial number where parts of it can't be read."""
    if unread_part(certificate):
        return f"The certificate with serial {certificate.serial_number:x}"
    return subject_text(certificate)[:200]


def adopted_entries(issued: Sequence[x509.Certificate]) -> list[SignData]:
    """Return entries for CAs that were signed before the ledger began."""
    return [sign_entry(one, 0, adopted=True) for one in issued]


def sign_entry(certificate: x509.Certificate, lifetime: int, *, adopted: bool = False) -> SignData:
    """Return the entry of a certificate; `lifetime` is in seconds, as asked."""
    return SignData(
        certificate=to_base64(certificate.public_bytes(Encoding.DER)),
        subject=subject_text(certificate),
        serial=f"{certificate.serial_number:x}",
        spki_sha256=spki_hex(certificate.public_key()),
        lifetime=lifetime,
        adopted=adopted,
    )


def spki_hex(key: object) -> str:
    """Return the SHA-256 of a SubjectPublicKeyInfo in hex; empty for an unknown kind of key."""
    if not isinstance(key, PublicKey):
        return ""
    digest = Hash(SHA256())
    digest.update(public_der(key))
    return digest.finalize().hex()


def _init(wish: RootWish, certificate: x509.Certificate, foreign: ForeignRoot | None = None) -> InitData:
    crl = None if foreign is None else foreign.crl
    return InitData(
        root=to_base64(certificate.public_bytes(Encoding.DER)),
        subject=subject_text(certificate),
        spki_sha256=spki_hex(certificate.public_key()),
        passphrases=wish.passphrases,
        taken_over=foreign is not None,
        crl=None if crl is None else to_base64(crl.public_bytes(Encoding.DER)),
        crl_urls=wish.crl_urls,
        issuer_urls=wish.issuer_urls,
        crl_lifetime=wish.crl_lifetime,
        config_map=wish.config_map,
    )


def _listed(what: str, findings: Sequence[CertificateLintFinding]) -> str:
    return f"{what}: " + "; ".join(one.message for one in findings) + "."
