"""An opened root: its ledger and files as they were found, mended, and kept after an act.

`verify` and `inspect` open it as it is. What signs locks it, refuses damage, and first mends what an
interruption left; a dry run refuses the same damage, and mends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from issuer.root.certificates.keys import Passphrase, PrivateKey, encrypted_pem, read_private_key
from issuer.root.errors import RootRefusal
from issuer.root.folder import (
    PUBLIC_FILE,
    RootFolder,
    check_writable,
    create_folder,
    read_file,
    write_file,
)
from issuer.root.reasons import RefusalReason
from issuer.root.record.chain import MAX_LEDGER, LedgerDamaged
from issuer.root.record.examine import (
    Examination,
    RootFinding,
    RootFindingCode,
    RootFindingLevel,
    examine,
    is_newer_crl,
    key_finding,
)
from issuer.root.record.files import CRL_DER, KEY, LEDGER, PUBLIC, derived_files, public_files
from issuer.root.record.ledger import RootLedger, read_ledger


@dataclass(frozen=True, slots=True)
class OpenedRoot:
    """A root's folder with its ledger. `mended` are paths that this command wrote or removed first."""

    folder: RootFolder
    ledger: RootLedger
    files: dict[str, bytes] = field(repr=False)
    mended: tuple[str, ...] = ()

    def unlock(self, passphrase: Passphrase) -> PrivateKey:
        """Return the root's key. Raises RootRefusal for a wrong passphrase, or another key."""
        key = read_private_key(self.files[KEY], passphrase)
        finding = key_finding(self.ledger, key.public_key())
        if finding is not None:
            raise RootRefusal(RefusalReason.WRONG_KEY, f"{self.folder.path / KEY} {finding.message}.")
        return key

    def encrypt_anew(self, key: PrivateKey, passphrase: Passphrase) -> Path:
        """Replace the key's file by one for another passphrase, and return its path. Raises RootRefusal.

        What would be written is read back first: a key that nobody can open is never put in its place.
        """
        content = encrypted_pem(key, passphrase).encode()
        again = read_private_key(content, passphrase).public_key()
        finding = key_finding(self.ledger, again)
        if finding is not None:
            raise RootRefusal(RefusalReason.WRONG_KEY, f"{self.folder.path / KEY} {finding.message}.")
        self.folder.replace(KEY, content)
        return self.folder.path / KEY

    def keep(self, ledger: RootLedger) -> OpenedRoot:
        """Write a longer ledger, then the files that follow from it. Raises RootRefusal."""
        if len(ledger.content) > MAX_LEDGER:
            message = f"The ledger would be larger than {MAX_LEDGER >> 20} MiB. Make a new root."
            raise RootRefusal(RefusalReason.NOT_WRITTEN, message)
        self.folder.write(LEDGER, ledger.content)
        with _kept("The ledger has it: make room, and run any command of this root, which writes the rest."):
            for path, content in derived_files(ledger).items():
                if self.files.get(path) != content:
                    self.folder.write(path, content)
        return OpenedRoot(self.folder, ledger, {**self.files, **derived_files(ledger)}, self.mended)


def begin(path: Path, ledger: RootLedger, key: PrivateKey, passphrase: Passphrase) -> None:
    """Make the folder of a new root. Raises RootRefusal if there is one."""
    files = {KEY: encrypted_pem(key, passphrase).encode(), LEDGER: ledger.content}
    create_folder(path, {**files, **derived_files(ledger)})


def looked_at(path: Path) -> OpenedRoot:
    """Return a root as it is. Raises RootRefusal if its ledger can't be trusted."""
    folder = RootFolder(path)
    files = folder.read()
    try:
        return OpenedRoot(folder, read_ledger(files[LEDGER]), files)
    except LedgerDamaged as error:
        raise RootRefusal(RefusalReason.DAMAGED, _ledger_message(path, error)) from error


def judged(path: Path, now: datetime) -> OpenedRoot:
    """Return a root as it is, for a dry run. Raises RootRefusal for all that `opened` refuses."""
    folder = RootFolder(path)
    if not path.is_dir():
        folder.read()
    with folder.locked(shared=True):  # otherwise files of a command at work look like damage
        root = looked_at(path)
    checked(root, now)
    return root


@contextmanager
def opened(path: Path, now: datetime) -> Iterator[OpenedRoot]:
    """Lock a root, refuse damage, mend what an interruption left. Raises RootRefusal."""
    folder = RootFolder(path)
    if not path.is_dir():
        folder.read()
    with folder.locked():
        found = looked_at(path)
        examination = checked(found, now)
        for leftover in examination.leftovers:
            folder.remove(leftover)
        for missing, content in examination.missing.items():
            folder.write(missing, content)
        mended = (*examination.leftovers, *examination.missing)
        yield OpenedRoot(folder, found.ledger, {**found.files, **examination.missing}, mended)


def checked(root: OpenedRoot, now: datetime) -> Examination:
    """Return what a root's files say. Raises RootRefusal for damage."""
    examination = examine(root.ledger, root.files, now)
    damage = [*root.folder.place_findings(), *examination.damage]
    if damage:
        told = "\n".join(f"{one.path}: {one.message}" for one in damage)
        unsafe = all(one.code is RootFindingCode.MODE for one in damage)
        raise RootRefusal(RefusalReason.UNSAFE_MODE if unsafe else RefusalReason.DAMAGED, told)
    return examination


def all_findings(path: Path, now: datetime) -> tuple[OpenedRoot | None, tuple[RootFinding, ...]]:
    """Return a root and everything that is to be said of it; no root if its ledger can't be trusted.

    Raises RootRefusal if there is none.
    """
    folder = RootFolder(path)
    if not path.is_dir():
        folder.read()
    with folder.locked(shared=True):  # otherwise files of a command at work look like damage
        files = folder.read()
    try:
        ledger = read_ledger(files[LEDGER])
    except LedgerDamaged as error:
        finding = RootFinding(
            RootFindingCode.LEDGER,
            RootFindingLevel.DAMAGE,
            LEDGER,
            _ledger_message(path, error).removesuffix("."),
        )
        return None, (*folder.place_findings(), finding)
    root = OpenedRoot(folder, ledger, files)
    return root, (*folder.place_findings(), *examine(ledger, files, now).findings)


def check_published(ledger: RootLedger, folder: Path) -> None:
    """Raise RootRefusal if a CRL is published that this ledger doesn't have, or none can be written there.

    Before the next CRL is made: it could get the number of the published one, and readers would take either.
    """
    there = folder / Path(CRL_DER).name
    check_writable(there)
    if not there.exists():
        return
    content = read_file(there, MAX_LEDGER)
    if is_newer_crl(ledger, content):
        message = (
            f"{there} is a CRL of this root with a higher number than the last of the ledger: "
            "the ledger was cut, or put back to an older state. Bring its newest copy; nothing was written."
        )
        raise RootRefusal(RefusalReason.CRL_GOES_BACK, message)


def publish(ledger: RootLedger, folder: Path) -> list[Path]:
    """Write what is published into a folder of a web server, and return the paths."""
    written = []
    with _kept(f"The CRL is made; copy it from {PUBLIC}/ in the root's folder."):
        for path, content in public_files(ledger).items():
            target = folder / Path(path).relative_to(PUBLIC)
            write_file(target, content, PUBLIC_FILE)
            with suppress(OSError):  # a share or stick whose modes are those of its mount
                target.chmod(PUBLIC_FILE)
            written.append(target)
    return written


@contextmanager
def _kept(message: str) -> Iterator[None]:
    """Add to a refusal what was kept nevertheless."""
    try:
        yield
    except RootRefusal as error:
        raise RootRefusal(error.reason, f"{error} {message}") from error


def write_certificate(path: Path, content: bytes) -> None:
    """Write a certificate for the one who asked; a file with other content stays. Raises RootRefusal."""
    if path.exists() and read_file(path) != content:
        message = f"{path} is there with other content; move it away, or name another --out."
        raise RootRefusal(RefusalReason.FILE_EXISTS, message)
    with _kept("The ledger has the certificate: sign the same CSR again to get it."):
        write_file(path, content, PUBLIC_FILE)


def _ledger_message(path: Path, error: LedgerDamaged) -> str:
    return f"{path / LEDGER}: {error}. Nothing was changed; bring the newest copy of the ledger."
