"""A numbered folder for each set of files, and one symlink whose renaming swaps all of them at once.

web/                         the set's folder
  .generations/00000007/     files, and .set.json: written last, so that it marks a whole generation
  .generations/current       -> 00000007: renaming this swaps the set
  tls.crt                    -> .generations/current/tls.crt: what readers are told to open
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from issuer.agent.errors import AgentError, UnsafePath
from issuer.agent.files.numbered import CURRENT, GENERATIONS, Generations, WrittenSet, open_folder
from issuer.agent.files.regular import MAX_FILE, open_regular
from issuer.agent.files.writing import (
    NewFile,
    attributes_of,
    disk_errors,
    dress,
    is_dressed,
    make_symlink,
    try_writing,
)

_LEAST_ROOM: Final = 32 << 10
"""Bytes of a first set, with some CAs."""


class GenerationFolder(Generations):
    """The set of files at one place; see the module. Used by one process at a time."""

    def __init__(self, path: Path, fd: int, generations: int) -> None:
        super().__init__(path, generations)
        self._fd = fd

    def write(self, files: Mapping[str, NewFile], notes: Mapping[str, Any]) -> WrittenSet:
        """Write a new generation and have readers see it; returns it.

        `notes` are kept beside it as JSON and hold no secret. After a crash at any moment readers have either
        the whole old or the whole new set. Raises DiskRefused, with the old set in place.
        """
        with disk_errors(f'The files in "{self.path}"'):
            number = max(self._numbers(), default=0) + 1
            old = self._old_attributes(files)
            dressed = {name: _with_attributes(file, old.get(name)) for name, file in files.items()}
            written = self._make(number, dressed, notes)
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

    def prove_writable(self, files: Iterable[NewFile]) -> None:
        """Prove that another set can be written before one is signed: room, owners and modes, a symlink.

        There is to be room for a set as large as the current one; of `files` mode and owner count. Raises
        DiskRefused.
        """
        current = self.current()
        names = [] if current is None else [f"{current.folder}/{name}" for name in current.sha256]
        size = sum(len(self._bytes(name) or b"") for name in names)
        with disk_errors(f'The files in "{self.path}"'):
            try_writing(self._generations, max(size, _LEAST_ROOM), files)

    def _old_attributes(self, files: Mapping[str, NewFile]) -> dict[str, dict[str, bytes]]:
        """Return the extended attributes, such as SELinux's label, that files of the same name have now."""
        current = self.current()
        if current is None:
            return {name: attributes_of(self._fd, name) for name in files}
        fd = open_folder(current.folder, self._generations)
        try:
            return {name: attributes_of(fd, name) for name in files if name in current.sha256}
        finally:
            os.close(fd)

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


def _target(name: str) -> str:
    return f"{GENERATIONS}/{CURRENT}/{name}"


def _with_attributes(file: NewFile, attributes: Mapping[str, bytes] | None) -> NewFile:
    return NewFile(file.data, file.mode, file.owner, attributes) if attributes else file
