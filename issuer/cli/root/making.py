"""A root made, taken over, or given another passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from issuer.cli.passphrases import ask_foreign_passphrase, ask_passphrase
from issuer.cli.root.results import ActOptions, RootResult, read_certificate, tell_mended
from issuer.manifests.errors import BadInput
from issuer.root.ceremony.clock import check_clock
from issuer.root.ceremony.file import RootWish
from issuer.root.ceremony.roots import BegunRoot, ForeignRoot, begin_root, take_over
from issuer.root.certificates.keys import PrivateKey, is_encrypted, make_key, read_private_key
from issuer.root.errors import RootRefusal
from issuer.root.folder import check_free, read_file
from issuer.root.reasons import RefusalReason
from issuer.root.session import begin, opened
from issuer.root.show import root_lines, root_report
from issuer.site import docs_page
from issuer.x509.crls import read_crls


@dataclass(frozen=True, slots=True)
class Sources:
    """Files of a root that is taken over; without `key` a new one is made."""

    key: Path | None = None
    certificate: Path | None = None
    crl: Path | None = None
    issued: tuple[Path, ...] = ()
    passphrase: Path | None = None


def make_root(folder: Path, wish: RootWish, sources: Sources, options: ActOptions) -> RootResult:
    """Make a root's folder. Raises RootRefusal, BadInput."""
    check_free(folder)
    check_clock(options.now, None, options.today)
    if sources.key is None:
        if sources != Sources():
            raise BadInput("--from-certificate, --from-crl and --from-issued go with --from-key.")
        key = make_key(wish.key)
        begun = begin_root(wish, key, options.now)
    else:
        key, begun = _taken_over(wish, sources, sources.key, options.now)
    passphrase = ask_passphrase(options.passphrase_files, wish.passphrases, new=True)
    begin(folder, begun.ledger, key, passphrase)
    report = root_report(begun.ledger, options.now)
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
    certificate = read_certificate(sources.certificate)
    crl = None if sources.crl is None else _read_crl(sources.crl)
    issued = tuple(read_certificate(one) for one in sources.issued)
    pem = read_file(key_file)
    passphrase = ask_foreign_passphrase(sources.passphrase) if is_encrypted(pem) else None
    key = read_private_key(pem, passphrase)
    return key, take_over(wish, key, ForeignRoot(certificate, crl, issued), now)


def change_passphrase(
    folder: Path, old_files: Sequence[Path], new_files: Sequence[Path], now: datetime
) -> RootResult:
    """Encrypt the key for another passphrase. Raises RootRefusal; the old one opens it then still."""
    with opened(folder, now) as root:
        tell_mended(root)
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


def _read_crl(path: Path) -> x509.CertificateRevocationList:
    try:
        found = read_crls(read_file(path, 16 << 20))
    except ValueError as error:
        raise RootRefusal(RefusalReason.UNREADABLE, f"{path} holds no CRL that can be read.") from error
    if len(found) > 1:
        raise RootRefusal(
            RefusalReason.REQUEST, f"{path} holds {len(found)} CRLs: give the root's last one alone."
        )
    return found[0]
