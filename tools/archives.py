"""Archives that are the same bytes wherever and whenever they are made of the same files."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

EPOCH: Final = 315_532_800
"""Seconds since 1970 that every packed file gets: 1980-01-01, the first day that a wheel can hold."""
Entry = tuple[str, bytes, int]
"""A file's name in an archive, its content, and its mode."""


def tar_gz(path: Path, entries: Iterable[Entry], level: int = 6) -> Path:
    """Write the files in the order given, compressed."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", level, file, 0) as packed:
        packed.write(tar(entries))
    return path


def tar(entries: Iterable[Entry]) -> bytes:
    """Return a tar file of them: owned by root, without folders, all of one time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mode in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, EPOCH
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def read_tar(path: Path) -> list[Entry]:
    """Return the files of a tar archive by their names, with plain modes; folders are left out."""
    found = []
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                found.append((member.name, content.read(), 0o755 if member.mode & 0o100 else 0o644))
    return sorted(found)
