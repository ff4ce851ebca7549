"""The folder of a root on disk: modes, a lock, and writes that are whole or not there.

Each file is written beside its place, flushed to the disk, and renamed; so a kill leaves the old content or
the new, and maybe a `.part` file. A new root comes to its place by one rename of its whole folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.root.record.chain import MAX_LEDGER
from issuer.root.record.examine import PART, RootFinding, RootFindingCode, RootFindingLevel
from issuer.root.record.files import ISSUED, KEY, LEDGER, PUBLIC, ROOT

PRIVATE_FOLDER: Final = 0o700
_NO_FLUSH: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""Answers of network shares and FUSE where folders can't be flushed; the rename is done."""
PRIVATE_FILE: Final = 0o600
PUBLIC_FOLDER: Final = 0o755
PUBLIC_FILE: Final = 0o644
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OWN: Final = (LEDGER, KEY, ROOT)


class RootFolder:
    """One folder. Paths of files are relative to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, bytes]:
        """Return the root's own files, those of issued/ and public/, and half-written ones.

        Raises RootRefusal if there is no root, or it can't be read.
        """
        if not (self.path / LEDGER).exists():
            raise self._no_root()
        found = {}
        try:
            for file in self._files():
                with suppress(FileNotFoundError):  # what another command was writing
                    found[str(file.relative_to(self.path))] = self._content(file)
            return found
        except OSError as error:
            raise _unreadable(Path(error.filename or self.path), error) from error

    def _files(self) -> Iterator[Path]:
        for file in sorted(self.path.iterdir()):
            if file.is_file() and (file.name in _OWN or file.name.endswith(PART)):
                yield file
        for name in (ISSUED, PUBLIC):
            folder = self.path / name
            if folder.is_dir():
                yield from (file for file in sorted(folder.iterdir()) if file.is_file())

    def _content(self, file: Path) -> bytes:
        with file.open("rb") as opened:
            content = opened.read(MAX_LEDGER + 1)
        if len(content) > MAX_LEDGER:
            message = f"{file} is larger than {MAX_LEDGER >> 20} MiB; move it away."
            raise RootRefusal(RefusalReason.UNREADABLE, message)
        return content

    def _no_root(self) -> RootRefusal:
        staging = staging_of(self.path)
        more = (
            f" An init was interrupted before it was done ({staging}); run it again."
            if staging.exists()
            else ""
        )
        if (self.path / KEY).exists():
            more = f" Its key is there, but {LEDGER} is not: bring the newest copy of the ledger."
        return RootRefusal(
            RefusalReason.NO_ROOT,
            f"There is no root in {self.path}: make one by root init, or name its --dir.{more}",
        )

    def place_findings(self) -> tuple[RootFinding, ...]:
        """Return findings about what other users of the machine may read, and a ledger kept elsewhere."""
        found = []
        if (self.path / LEDGER).is_symlink():
            # A write replaces the link, and the file behind it stays as it was, for somebody to go on with.
            message = "is a symbolic link; put the ledger itself in its place"
            found.append(RootFinding(RootFindingCode.LEDGER_LINK, RootFindingLevel.DAMAGE, LEDGER, message))
        for path in (Path(), Path(KEY), Path(LEDGER)):
            full = self.path / path
            mode = full.stat().st_mode if full.exists() else 0
            if mode & _OTHERS:
                wanted = "700" if full.is_dir() else "600"
                message = f"others may read it; chmod {wanted} {full}, or mount the stick with umask=077"
                found.append(RootFinding(RootFindingCode.MODE, RootFindingLevel.DAMAGE, str(path), message))
        return tuple(found)

    def write(self, path: str, content: bytes) -> None:
        """Replace a file as a whole. Raises RootRefusal."""
        write_file(self.path / path, content, PRIVATE_FILE)

    def replace(self, path: str, content: bytes) -> None:
        """Replace a file as a whole where it lies, with the mode and owner it has. Raises RootRefusal."""
        target = (self.path / path).resolve()
        try:
            old = target.stat()
        except OSError as error:
            raise _unreadable(target, error) from error
        write_file(target, content, stat.S_IMODE(old.st_mode), (old.st_uid, old.st_gid))

    def remove(self, path: str) -> None:
        """Remove a file that an interrupted command was writing."""
        (self.path / path).unlink(missing_ok=True)

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other commands out; those that write alone if `shared`. Raises RootRefusal if one is there."""
        with _folder_lock(self.path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            yield


def write_file(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace a file as a whole, and flush it to the disk; its folder is made, too. Raises RootRefusal.

    With an `owner` (user and group) it has exactly this owner and mode.
    """
    part = path.with_name(f".{path.name}{PART}")
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=PRIVATE_FOLDER)
            if mode == PUBLIC_FILE:
                path.parent.chmod(PUBLIC_FOLDER)
            _flush(path.parent.parent)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            if owner is not None:
                if owner != (os.geteuid(), os.getegid()):
                    os.fchown(handle, *owner)
                os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _flush(path.parent)
    except OSError as error:
        with suppress(OSError):  # a full disk has no room for what is no use
            part.unlink(missing_ok=True)
        message = f"{path} can't be written: {error.strerror}. What is on the disk is as before."
        raise RootRefusal(RefusalReason.NOT_WRITTEN, message) from error


def create_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make a root's folder with its files, all of it or nothing. Raises RootRefusal."""
    check_free(path)
    staging = staging_of(path)
    try:
        staging.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        with _folder_lock(staging):
            # What an interrupted init left was never used: its key has signed nothing that was kept.
            for old in staging.iterdir():
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            try:
                for name, content in files.items():
                    write_file(staging / name, content, PRIVATE_FILE)
                staging.rename(path)
            except (OSError, RootRefusal):
                shutil.rmtree(staging, ignore_errors=True)
                raise
            _flush(path.parent)
    except OSError as error:
        message = f"{path} can't be made: {error.strerror}. Name another --dir on a disk of this machine."
        raise RootRefusal(RefusalReason.NOT_WRITTEN, message) from error


def check_free(path: Path) -> None:
    """Raise RootRefusal unless a root can be made there: a folder that isn't there, or is empty."""
    try:
        _refuse_taken(path)
    except OSError as error:
        message = f"{path} can't be looked at: {error.strerror}. Name another --dir."
        raise RootRefusal(RefusalReason.NOT_WRITTEN, message) from error


def _refuse_taken(path: Path) -> None:
    if (path / LEDGER).exists() or (path / KEY).exists():
        raise RootRefusal(
            RefusalReason.ALREADY_A_ROOT,
            f"{path} holds a root already; nothing was changed. Look at it by root inspect, or name "
            "another --dir.",
        )
    if path.is_symlink():
        message = f"{path} is a symbolic link; name the folder that it stands for as --dir."
        raise RootRefusal(RefusalReason.FILE_EXISTS, message)
    if path.is_mount():
        raise RootRefusal(
            RefusalReason.FILE_EXISTS, f"{path} is a mount point; name a folder in it as --dir."
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RootRefusal(
            RefusalReason.FILE_EXISTS, f"{path} is there and not an empty folder; name another --dir."
        )
    if not path.absolute().parent.is_dir():
        raise RootRefusal(RefusalReason.NOT_WRITTEN, f"{path.absolute().parent} is not there; make it first.")


def check_writable(path: Path) -> None:
    """Raise RootRefusal if a file can't be written there, before anything is made that should go into it."""
    folder = path.parent if path.parent.exists() else path.parent.absolute().parent
    if not folder.is_dir():
        message = f"{folder} is not there; make it first, or name another place. Nothing was made."
    elif path.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        message = f"{path} can't be written; name another place. Nothing was made."
    else:
        return
    raise RootRefusal(RefusalReason.NOT_WRITTEN, message)


def staging_of(path: Path) -> Path:
    """Return the folder in which a root is made before it comes to its place."""
    whole = path.absolute()
    return whole.with_name(f".{whole.name}{PART}")


def read_file(path: Path, limit: int = 1 << 20) -> bytes:
    """Return the content of a file that a person names. Raises RootRefusal."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(content) > limit:
        raise RootRefusal(RefusalReason.UNREADABLE, f"{path} is larger than {limit >> 10} KiB.")
    return content


def private_line(path: Path) -> str:
    """Return the first line of a passphrase's file, which nobody else may read. Raises RootRefusal."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISREG(mode) and mode & _OTHERS:
        raise RootRefusal(RefusalReason.UNSAFE_MODE, f"Others may read {path}; chmod 600 {path}.")
    try:
        return read_file(path, 64 << 10).decode().partition("\n")[0].removesuffix("\r")
    except UnicodeDecodeError as error:
        raise RootRefusal(RefusalReason.UNREADABLE, f"{path} is not text in UTF-8.") from error


def _unreadable(path: Path, error: OSError) -> RootRefusal:
    return RootRefusal(RefusalReason.UNREADABLE, f"{path} can't be read: {error.strerror}.")


@contextmanager
def _folder_lock(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        message = f"Another command is at work in {path}; run this one when it has ended."
        raise RootRefusal(RefusalReason.IN_USE, message) from error
    finally:
        os.close(handle)


def _flush(folder: Path) -> None:
    """Flush a folder's names to the disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)
