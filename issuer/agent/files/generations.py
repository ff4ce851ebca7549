"""A numbered folder for each set of files, and one symlink whose renaming swaps all of them at once.

web/                         the set's folder
  .generations/00000007/     files, and .set.json: written last, so that it marks a whole generation
  .generations/current       -> 00000007: renaming this swaps the set
  tls.crt                    -> .generations/current/tls.crt: what readers are told to open
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from issuer.agent.errors import AgentError, DiskRefused, UnsafePath
from issuer.agent.files.contents import FILE_NAME, SOURCE_NAME
from issuer.agent.files.regular import MAX_FILE, open_regular
from issuer.agent.files.writing import (
    NewFile,
    attributes_of,
    create,
    disk_errors,
    dress,
    is_dressed,
    make_symlink,
    replace,
    try_writing,
)

_LEAST_ROOM: Final = 32 << 10
"""Bytes of a first set, with some CAs."""
GENERATIONS: Final = ".generations"
CURRENT: Final = "current"
_MANIFEST: Final = ".set.json"  # no name of a file begins with a dot
_REJECTED: Final = ".rolled-back"
_KEPT: Final = 2
_NUMBER: Final = re.compile(r"[0-9]{8,}")


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """A whole generation: its number, what was noted beside it, and the SHA-256 of each file."""

    number: int
    notes: Mapping[str, Any]
    sha256: Mapping[str, str] = field(repr=False)

    @property
    def folder(self) -> str:
        """The generation's folder below `.generations`."""
        return f"{self.number:08d}"


class GenerationFolder:
    """The set of files at one place; see the module. Used by one process at a time."""

    def __init__(self, path: Path, fd: int, generations: int) -> None:
        self.path = path
        self._fd = fd
        self._generations = generations

    def current(self) -> WrittenSet | None:
        """Return the set that readers see, or None if there is none yet. Raises DiskRefused."""
        try:
            target = os.readlink(CURRENT, dir_fd=self._generations)
        except OSError as error:
            # EINVAL: no symlink, as after a backup that followed it; `mend` makes it one again.
            if error.errno in (errno.ENOENT, errno.EINVAL):
                return None
            raise DiskRefused(f'"{self.path}": {error.strerror}') from error
        return self._read(target)

    def previous(self) -> WrittenSet | None:
        """Return the newest whole set older than the current one, for a rollback."""
        current = self.current()
        for number in reversed(self._numbers()):
            if current is not None and number < current.number and (found := self._read(f"{number:08d}")):
                return found
        return None

    def write(self, files: Mapping[str, NewFile], notes: Mapping[str, Any]) -> WrittenSet:
        """Write a new generation and have readers see it; returns it.

        `notes` are kept beside it as JSON and hold no secret. After a crash at any moment readers have either
        the whole old or the whole new set. Raises DiskRefused, with the old set in place.
        """
        with disk_errors(f'The files in "{self.path}"'):
            number = max(self._numbers(), default=0) + 1
            written = self._write_folder(number, files, notes)
            try:
                self._swap(written)
            except OSError:
                self._remove(written.folder)  # the caller has it still, and tries again or revokes it
                raise
            self._link_names(files)
            self._sweep()
        return written

    def roll_back(self) -> WrittenSet:
        """Have readers see the previous set again, and remove the one they saw; returns it.

        Raises AgentError if there is no earlier set.
        """
        previous = self.previous()
        if previous is None:
            raise AgentError(f'"{self.path}" has no earlier set of files to go back to')
        with disk_errors(f'The files in "{self.path}"'):
            for number in self._numbers():
                if number > previous.number:
                    self._reject(f"{number:08d}")
            self._swap(previous)
            for number in self._numbers():
                if number > previous.number:
                    self._remove(f"{number:08d}")
            self._link_names(previous.sha256)
        return previous

    def mend(self) -> WrittenSet | None:
        """Finish what a crash left at any moment; returns the set that was swapped in by that, if one was.

        A whole set newer than the current one was about to be swapped in: its certificate is signed, so it
        is used and not asked for again.
        """
        with disk_errors(f'The files in "{self.path}"'):
            current = self.current()
            newest = self._newest()
            swapped = None
            if newest is not None and (current is None or newest.number > current.number):
                self._swap(newest)
                current = swapped = newest
            if current is not None:
                self._link_names(current.sha256)
            self._sweep()
        return swapped

    def read(self, name: str, of: WrittenSet | None = None) -> bytes | None:
        """Return the bytes of a file of a set, by default the current one; None if it isn't there.

        Raises DiskRefused.
        """
        written = of or self.current()
        if written is None or name not in written.sha256:
            return None
        return self._bytes(f"{written.folder}/{name}")

    def changed(self) -> list[str]:
        """Return the names of the current set's files that aren't what was written, or aren't reached."""
        current = self.current()
        if current is None:
            return []
        found = []
        for name, sha256 in current.sha256.items():
            data = self._bytes(f"{current.folder}/{name}")
            if data is None or hashlib.sha256(data).hexdigest() != sha256 or not self._is_linked(name):
                found.append(name)
        return found

    def set_back(self, files: Mapping[str, NewFile]) -> dict[str, int]:
        """Give the set's files mode and owner of `files` again; returns what modes those changed had."""
        current = self.current()
        if current is None:
            return {}
        found: dict[str, int] = {}
        for name, file in files.items():
            with suppress(OSError), os.fdopen(self._open(f"{current.folder}/{name}"), "rb") as opened:
                now = os.fstat(opened.fileno())
                if not is_dressed(now, file):
                    dress(opened.fileno(), file)
                    found[name] = stat.S_IMODE(now.st_mode)
        return found

    def prove_writable(self, files: Iterable[NewFile] = ()) -> None:
        """Prove that another set can be written before one is signed: room, owners and modes, a symlink.

        There is to be room for a set as large as the current one; of `files` mode and owner count. Raises
        DiskRefused.
        """
        current = self.current()
        names = [] if current is None else [f"{current.folder}/{name}" for name in current.sha256]
        size = sum(len(self._bytes(name) or b"") for name in names)
        with disk_errors(f'The files in "{self.path}"'):
            try_writing(self._generations, max(size, _LEAST_ROOM), files)

    def note(self, name: str, data: bytes) -> None:
        """Keep a note about the whole folder, beside the generations; no secret. Raises DiskRefused."""
        with disk_errors(f'The note "{self.path}/{GENERATIONS}/{name}"'):
            replace(self._generations, name, NewFile(data, 0o644))

    def noted(self, name: str) -> bytes | None:
        """Return a note, None if there is none. Raises DiskRefused."""
        return self._bytes(f"./{name}")

    def _write_folder(
        self, number: int, files: Mapping[str, NewFile], notes: Mapping[str, Any]
    ) -> WrittenSet:
        folder = f"{number:08d}"
        old = self._old_attributes(files)
        os.mkdir(folder, 0o700, dir_fd=self._generations)
        try:
            fd = _open_folder(folder, self._generations)
            try:
                for name, file in files.items():
                    create(fd, name, _with_attributes(file, old.get(name)))
                os.fchmod(fd, 0o755)
                os.fsync(fd)
                sha256 = {name: hashlib.sha256(file.data).hexdigest() for name, file in files.items()}
                manifest = json.dumps({"files": sha256, "notes": dict(notes)}, sort_keys=True).encode()
                create(fd, _MANIFEST, NewFile(manifest, 0o600))
                os.fsync(fd)
            finally:
                os.close(fd)
            os.fsync(self._generations)
        except OSError:
            self._remove(folder)
            raise
        return WrittenSet(number, dict(notes), sha256)

    def _old_attributes(self, files: Mapping[str, NewFile]) -> dict[str, dict[str, bytes]]:
        """Return the extended attributes, such as SELinux's label, that files of the same name have now."""
        current = self.current()
        if current is None:
            return {name: attributes_of(self._fd, name) for name in files}
        fd = _open_folder(current.folder, self._generations)
        try:
            return {name: attributes_of(fd, name) for name in files if name in current.sha256}
        finally:
            os.close(fd)

    def _swap(self, written: WrittenSet) -> None:
        temporary = f".{CURRENT}.new"
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=self._generations)
        make_symlink(written.folder, temporary, self._generations)
        with suppress(OSError):  # a folder only after a backup that followed the symlink
            shutil.rmtree(CURRENT, dir_fd=self._generations)
        os.rename(temporary, CURRENT, src_dir_fd=self._generations, dst_dir_fd=self._generations)
        os.fsync(self._generations)

    def _link_names(self, names: Mapping[str, object]) -> None:
        """Make the names that readers open; a file that was there before the agent is kept beside it."""
        for name in names:
            if self._is_linked(name):
                continue
            temporary = f".{name}.new"
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self._fd)
            make_symlink(_target(name), temporary, self._fd)
            self._keep_before(name)
            os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        os.fsync(self._fd)

    def _is_linked(self, name: str) -> bool:
        try:
            return os.readlink(name, dir_fd=self._fd) == _target(name)
        except OSError:
            return False

    def _keep_before(self, name: str) -> None:
        try:
            found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            raise UnsafePath(f'"{self.path / name}" is neither a file nor a symlink: move it away')
        if stat.S_ISREG(found.st_mode) and self._is_copied(name):
            return
        with suppress(FileExistsError):  # kept by an earlier run
            # A second name, so that readers find a file under the first at every moment.
            os.link(
                name, f"{name}.before-agent", src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False
            )

    def _is_copied(self, name: str) -> bool:
        """Return True if a file is what the current set has of that name, as a backup may restore it."""
        mine = self.read(name)
        with suppress(OSError), os.fdopen(open_regular(name, self._fd), "rb") as file:
            return mine is not None and file.read(MAX_FILE) == mine
        return False

    def _numbers(self) -> list[int]:
        """Return the numbers of all generations, whole or not, oldest first."""
        names = os.listdir(self._generations)  # noqa: PTH208  # of a descriptor
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def _sweep(self) -> None:
        """Remove generations that a crash left incomplete, and whole ones but for the last two."""
        current = self.current()
        whole = []
        for number in self._numbers():
            folder = f"{number:08d}"
            if self._read(folder) is None:
                self._remove(folder)
            elif current is None or number != current.number:
                whole.append(folder)
        for folder in whole[: max(0, len(whole) - (_KEPT - 1))]:
            self._remove(folder)

    def _newest(self) -> WrittenSet | None:
        for number in reversed(self._numbers()):
            found = self._read(f"{number:08d}")
            if found is not None and self._is_whole(found):
                return found
        return None

    def _reject(self, folder: str) -> None:
        """Mark a generation as rolled back: a crash before its removal must not bring it back."""
        fd = _open_folder(folder, self._generations)
        try:
            with suppress(FileExistsError):
                create(fd, _REJECTED, NewFile(b"", 0o600))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _is_whole(self, written: WrittenSet) -> bool:
        """Return True if no file of it is missing or another than was written, and it was not rolled back."""
        if self._bytes(f"{written.folder}/{_REJECTED}") is not None:
            return False
        for name, sha256 in written.sha256.items():
            data = self._bytes(f"{written.folder}/{name}")
            if data is None or hashlib.sha256(data).hexdigest() != sha256:
                return False
        return True

    def holds(self, serial: str) -> bool:
        """Return True if a generation that is kept, seen or not, is noted with this serial."""
        found = (self._read(f"{number:08d}") for number in self._numbers())
        return any(one is not None and one.notes.get("serial") == serial for one in found)

    def _remove(self, folder: str) -> None:
        # The mark of a whole generation first: half removed it must not be taken for one.
        with suppress(OSError):
            fd = _open_folder(folder, self._generations)
            try:
                os.unlink(_MANIFEST, dir_fd=fd)
            finally:
                os.close(fd)
        with suppress(OSError):
            shutil.rmtree(folder, dir_fd=self._generations)

    def _read(self, folder: str) -> WrittenSet | None:
        """Return what is noted of a generation; None if it is incomplete or no generation."""
        data = self._bytes(f"{folder}/{_MANIFEST}") if _NUMBER.fullmatch(folder) else None
        try:
            found = json.loads(data or b"null")
            files, notes = found["files"], found["notes"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not isinstance(files, dict) or not isinstance(notes, dict) or not all(map(_is_name, files)):
            return None
        return WrittenSet(int(folder), notes, {str(name): str(value) for name, value in files.items()})

    def _bytes(self, path: str) -> bytes | None:
        try:
            fd = self._open(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                return None
            raise DiskRefused(f'"{self.path}/{GENERATIONS}/{path}": {error.strerror}') from error
        with os.fdopen(fd, "rb") as file:
            return file.read(MAX_FILE)

    def _open(self, path: str) -> int:
        """Return a descriptor of a file below `.generations`. Raises OSError."""
        folder, _, name = path.partition("/")
        parent = _open_folder(folder, self._generations)
        try:
            return open_regular(name, parent)
        finally:
            os.close(parent)


def _open_folder(name: str, parent: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _is_name(name: str) -> bool:
    """Return True if a set's file may have the name; with a path, one could be put anywhere."""
    return name == SOURCE_NAME or ("\n" not in name and re.match(FILE_NAME, name) is not None)


def _target(name: str) -> str:
    return f"{GENERATIONS}/{CURRENT}/{name}"


def _with_attributes(file: NewFile, attributes: Mapping[str, bytes] | None) -> NewFile:
    return NewFile(file.data, file.mode, file.owner, attributes) if attributes else file
