"""The user's cache directory (atomic entries, one builder at a time), and abandoned data directories."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from testbed.errors import TestbedError

DATA_PREFIX = "vault-issuer-testbed-"
KEPT_DAYS: Final = 7


def cache_directory() -> Path:
    """Where builds are kept: VAULT_ISSUER_CACHE, else ``vault-issuer`` in XDG_CACHE_HOME or ``~/.cache``."""
    own = os.environ.get("VAULT_ISSUER_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vault-issuer"


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file; ``waiting`` is called once when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(name: str, fill: Callable[[Path], None], waiting: Callable[[], None] | None = None) -> Path:
    """The cache's directory ``name``, filled once by ``fill(empty directory)`` however many processes ask.

    It appears by rename, so what is there is whole; a fill that fails leaves nothing.
    """
    target = cache_directory() / name
    if target.is_dir():
        return target
    with locked(cache_directory() / "locks" / f"{name}.lock", waiting):
        if target.is_dir():
            return target
        part = Path(tempfile.mkdtemp(prefix=f"{name}.part-", dir=cache_directory()))
        try:
            fill(part)
            part.chmod(0o755)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return target


def used(entry: Path) -> Path:
    """Note that a cache entry is in use, and return it: `forget_old` counts from then."""
    os.utime(entry)
    return entry


def forget_old(pattern: str) -> None:
    """Remove the cache's entries of these names (a glob pattern) that nobody used for KEPT_DAYS."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for entry in cache_directory().glob(pattern):
        if entry.stat().st_mtime < oldest:
            shutil.rmtree(entry, ignore_errors=True)


def memory_directory(megabytes: int) -> Path | None:
    """The file system in memory, if there is one with so much room: a write there waits for no disk."""
    memory = Path("/dev/shm")  # noqa: S108  # only as the parent of private directories
    try:
        free = shutil.disk_usage(memory).free // 2**20
    except OSError:
        return None
    return memory if free >= megabytes and os.access(memory, os.W_OK) else None


def new_data_directory(parent: Path | None = None) -> tuple[Path, int]:
    """A private directory in `parent` (where temporary ones are), and the descriptor of its lock.

    The lock is held as long as this process lives. Directories whose owner died without cleaning up (SIGKILL,
    power) are removed first.
    """
    parent = parent or Path(tempfile.gettempdir())
    sweep_data_directories(parent)
    directory = Path(tempfile.mkdtemp(prefix=DATA_PREFIX, dir=parent))
    # Locked before it gets its name, so that another sweep never sees it unlocked.
    early = directory / "lock.new"
    descriptor = os.open(early, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    early.rename(directory / "lock")
    return directory, descriptor


def sweep_data_directories(parent: Path) -> None:
    """Remove testbed directories of this user in `parent` that no living process holds."""
    for directory in parent.glob(f"{DATA_PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(directory / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(descriptor)


def need_space(directory: Path, megabytes: int, purpose: str) -> None:
    """Raise TestbedError when the file system of ``directory`` has less room than needed."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free // 2**20
    if free < megabytes:
        raise TestbedError(
            f"{purpose} needs about {megabytes} MB in {directory} and {free} MB are free: make room there, "
            "or name another place (VAULT_ISSUER_CACHE for our builds, GOCACHE and GOMODCACHE for Go's)"
        )
