"""Files written whole or not at all: a full disk leaves what was there, and nothing beside it."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, text: str, *, over: bool = True) -> None:
    """Write a file by one rename, which keeps its mode; a symlink stays, and a device or pipe is written to.

    Raises OSError, and FileExistsError where a file is there, though it came meanwhile, unless `over`.
    """
    if not over:
        _write_new(path, text)
    elif path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
    else:
        _replace(path.resolve(), text)


def _replace(target: Path, text: str) -> None:
    # Nobody can have put a symlink under this name, as they could in /tmp under one that is known.
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    _write_new(part, text)
    try:
        with suppress(FileNotFoundError):
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException:
        part.unlink()
        raise


def _write_new(path: Path, text: str) -> None:
    """Write a file that isn't there yet, and take it away if that fails. A hard link would let it appear
    whole, but a USB stick (FAT, exFAT) has none."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except BaseException:
            path.unlink()
            raise
