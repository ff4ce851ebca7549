"""Copies of what is packaged, which are the same whatever the clone's umask and times are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from issuer import __version__
from tools.archives import EPOCH

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "issuer")
"""What wheel and sdist are made of."""


def copy(names: tuple[str, ...], target: Path) -> Path:
    """Copy files and folders of the repository into a folder, with plain modes and one time.

    Files that git ignores, such as an editor's or a `.env`, stay behind; without git all of them are copied.
    """
    for source in _known(names):
        there = target / source.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, there)
    level(target)
    return target


def _known(names: tuple[str, ...]) -> list[Path]:
    """Return the files of these files and folders that git has, or would take."""
    words = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        *names,
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        done = None
    if done is not None and done.returncode == 0 and done.stdout:
        found = [ROOT / name for name in done.stdout.rstrip("\0").split("\0")]
    else:
        tops = [ROOT / name for name in names]
        found = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*"))]
    return sorted({file for file in found if file.is_file() and "__pycache__" not in file.parts})


def packaged(target: Path, address: str | None) -> Path:
    """Copy what wheel and sdist are made of, and name the repository at `address` in its pyproject.toml."""
    copy(PYTHON, target)
    if address:
        tag = f"{address}/blob/v{__version__}"
        urls = f'Source = "{address}"\nIssues = "{address}/issues"\nChangelog = "{tag}/CHANGELOG.md"\n'
        project = target / "pyproject.toml"
        text = project.read_text(encoding="utf-8")
        project.write_text(text.replace("[project.urls]\n", f"[project.urls]\n{urls}", 1), encoding="utf-8")
        level(target)
    return target


def level(folder: Path) -> None:
    """Give every file of a folder the same mode and time."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".sh" else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def uncommitted() -> list[str]:
    """Return what git sees as changed or not known; nothing where there is no git."""
    words = ["git", "-C", str(ROOT), "status", "--porcelain"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return []
    return done.stdout.splitlines()
