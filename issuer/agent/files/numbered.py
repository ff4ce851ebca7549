"""Generations of a set of files: numbered folders, of which a symlink names the one that readers see."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from issuer.agent.errors import DiskRefused
from issuer.agent.files.contents import FILE_NAME, SOURCE_NAME
from issuer.agent.files.regular import MAX_FILE, open_regular
from issuer.agent.files.writing import NewFile, create, disk_errors, make_symlink, replace

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


class Generations:
    """The generations below a set's folder. Used by one process at a time."""

    def __init__(self, path: Path, generations: int) -> None:
        self.path = path
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

    def holds(self, serial: str) -> bool:
        """Return True if a generation that is kept, seen or not, is noted with this serial."""
        found = (self._read(f"{number:08d}") for number in self._numbers())
        return any(one is not None and one.notes.get("serial") == serial for one in found)

    def note(self, name: str, data: bytes) -> None:
        """Keep a note about the whole folder, beside the generations; no secret. Raises DiskRefused."""
        with disk_errors(f'The note "{self.path}/{GENERATIONS}/{name}"'):
            replace(self._generations, name, NewFile(data, 0o644))

    def noted(self, name: str) -> bytes | None:
        """Return a note, None if there is none. Raises DiskRefused."""
        return self._bytes(f"./{name}")

    def _numbers(self) -> list[int]:
        """Return the numbers of all generations, whole or not, oldest first."""
        names = os.listdir(self._generations)  # noqa: PTH208  # of a descriptor
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def _newest(self) -> WrittenSet | None:
        for number in reversed(self._numbers()):
            found = self._read(f"{number:08d}")
            if found is not None and self._is_whole(found):
                return found
        return None

    def _is_whole(self, written: WrittenSet) -> bool:
        """Return True if no file of it is missing or another than was written, and it was not rolled back."""
        if self._bytes(f"{written.folder}/{_REJECTED}") is not None:
            return False
        for name, sha256 in written.sha256.items():
            data = self._bytes(f"{written.folder}/{name}")
            if data is None or hashlib.sha256(data).hexdigest() != sha256:
                return False
        return True

    def _make(self, number: int, files: Mapping[str, NewFile], notes: Mapping[str, Any]) -> WrittenSet:
        """Write a whole generation, which nobody sees yet. Raises OSError, with nothing of it left."""
        folder = f"{number:08d}"
        os.mkdir(folder, 0o700, dir_fd=self._generations)
        try:
            fd = open_folder(folder, self._generations)
            try:
                for name, file in files.items():
                    create(fd, name, file)
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

    def _swap(self, written: WrittenSet) -> None:
        temporary = f".{CURRENT}.new"
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=self._generations)
        make_symlink(written.folder, temporary, self._generations)
        with suppress(OSError):  # a folder only after a backup that followed the symlink
            shutil.rmtree(CURRENT, dir_fd=self._generations)
        os.rename(temporary, CURRENT, src_dir_fd=self._generations, dst_dir_fd=self._generations)
        os.fsync(self._generations)

    def _reject(self, folder: str) -> None:
        """Mark a generation as rolled back: a crash before its removal must not bring it back."""
        fd = open_folder(folder, self._generations)
        try:
            with suppress(FileExistsError):
                create(fd, _REJECTED, NewFile(b"", 0o600))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _remove(self, folder: str) -> None:
        # The mark of a whole generation first: half removed it must not be taken for one.
        with suppress(OSError):
            fd = open_folder(folder, self._generations)
            try:
                os.unlink(_MANIFEST, dir_fd=fd)
            finally:
                os.close(fd)
        with suppress(OSError):
            shutil.rmtree(folder, dir_fd=self._generations)

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
        parent = open_folder(folder, self._generations)
        try:
            return open_regular(name, parent)
        finally:
            os.close(parent)


def open_folder(name: str, parent: int) -> int:
    """Return a descriptor of a folder, and follow no symlink to it. Raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _is_name(name: str) -> bool:
    """Return True if a set's file may have the name; with a path, one could be put anywhere."""
    return name == SOURCE_NAME or ("\n" not in name and re.match(FILE_NAME, name) is not None)
