"""Files written whole or not at all: a full disk leaves what was there, and nothing beside it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, text: str, *, over: bool = True) -> None:
    """Write a file by one rename; a symlink stays, and a device or pipe is written to.

    Raises OSError, and FileExistsError where a file is there, though it came meanwhile, unless `over`.
    """
    if over and path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    target = path.resolve() if over else path
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        if over:
            part.replace(target)
        else:
            target.hardlink_to(part)
    finally:
        with suppress(OSError):
            part.unlink()
