"""A set of files opened: by one agent at a time to write it, or to look at it alone."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from issuer.agent.errors import DiskRefused, SetInUse
from issuer.agent.files.folders import make_folder, opened_folder
from issuer.agent.files.generations import GenerationFolder
from issuer.agent.files.numbered import GENERATIONS
from issuer.agent.files.writing import disk_errors

_LOCK: Final = "lock"


@contextmanager
def opened_set(path: Path, owners: frozenset[int] = frozenset()) -> Iterator[GenerationFolder]:
    """Open the set of files at `path`, made if it isn't there, and keep other agents away from it.

    What a crash left unfinished is finished first. Root is refused a set, or a way to it, that another than
    root and `owners` may write: it would follow what that one forged, or take over an agent's set. Raises
    SetInUse if another agent has it, UnsafePath and DiskRefused.
    """
    with opened_folder(path, create=True, owners=owners) as fd:
        with disk_errors(f'The files in "{path}"'), suppress(FileExistsError):
            make_folder(GENERATIONS, 0o755, fd)
        with (
            opened_folder(path / GENERATIONS, owners=owners) as generations,
            _locked(path, generations),
        ):
            folder = GenerationFolder(path, fd, generations)
            folder.mend()
            yield folder


@contextmanager
def _locked(path: Path, generations: int) -> Iterator[None]:
    """Hold the lock of a set: a file that its owner alone can open, so that nobody else can hold it."""
    with disk_errors(f'The lock of "{path}"'):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(_LOCK, flags, 0o600, dir_fd=generations)
    try:
        with disk_errors(f'The lock of "{path}"'):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SetInUse(
                    f'Another agent is writing to "{path}": wait for it or stop it, or give each agent '
                    "folders of its own"
                ) from error
        yield
    finally:
        os.close(fd)


@contextmanager
def seen_set(path: Path, owners: frozenset[int] = frozenset()) -> Iterator[GenerationFolder | None]:
    """Open the set of files at `path` to look at it alone, without a lock; None if there is none yet.

    Root is refused what `opened_set` refuses it. Raises UnsafePath and DiskRefused.
    """
    try:
        is_there = stat.S_ISDIR((path / GENERATIONS).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_there = False
    except OSError as error:
        raise DiskRefused(f'The files in "{path}" can\'t be looked at: {error.strerror}') from error
    if not is_there:
        yield None
        return
    with (
        opened_folder(path, owners=owners) as fd,
        opened_folder(path / GENERATIONS, owners=owners) as generations,
    ):
        yield GenerationFolder(path, fd, generations)
