"""What every process of this machine shows to who may look: its arguments and its environment."""

from __future__ import annotations

from pathlib import Path


def command_lines(*, without: str = "") -> str:
    """Return the command lines of all processes, but for those that have a word in them."""
    return "\n".join(one for one in _read("cmdline") if not without or without not in one)


def environments() -> str:
    """Return the environments of all processes."""
    return "\n".join(_read("environ"))


def _read(name: str) -> list[str]:
    found = []
    for one in Path("/proc").glob(f"[0-9]*/{name}"):
        try:
            found.append(one.read_bytes().decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found
