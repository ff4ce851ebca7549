"""Copies of what is packaged, which are the same whatever the clone's umask and times are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from issuer import __version__
from tools.archives import EPOCH

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "issuer"
PYTHON = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", PACKAGE)
"""What wheel and sdist are made of."""
_BUILD = "import sys; from setuptools import build_meta as by; getattr(by, sys.argv[1])(sys.argv[2])"


def copy(names: tuple[str, ...], target: Path) -> Path:
    """Copy files and folders of the repository into a folder, with plain modes and one time.

    In a clone that is without what git ignores there: somebody's secrets and editors' copies aren't released.
    """
    for name in _files(names):
        there = target / name
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, there)
    level(target)
    return target


def _files(names: tuple[str, ...]) -> list[str]:
    """Return the files of these files and folders: in a clone, those that git knows or would add."""
    if _is_clone():
        listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *names)
        found = list(dict.fromkeys(listed.rstrip("\0").split("\0")))
    else:
        paths = [path for name in names for path in (ROOT / name, *(ROOT / name).rglob("*"))]
        found = [str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts]
    return [name for name in found if (ROOT / name).is_file()]


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


def build(kind: str, source: Path, output: Path) -> None:
    """Have setuptools build a `wheel` or `sdist` of copied sources, among which it leaves files of its own.

    pip would ask it twice, and take as long itself.
    """
    words = [sys.executable, "-c", _BUILD, f"build_{kind}", str(output.resolve())]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    # Modes of generated files are in a wheel, too.
    done = subprocess.run(
        words, cwd=source, env=environment, umask=0o022, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
        done.check_returncode()


def level(folder: Path) -> None:
    """Give every file of a folder the same mode and time."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".sh" else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def uncommitted() -> list[str]:
    """Return what git sees as changed or not known, as its status names it; nothing outside a clone.

    What git ignores in the package is among it (`!!`): the image's build copies that folder as it is.
    """
    if not _is_clone():
        return []
    try:
        changed = _git("status", "--porcelain")
        ignored = _git("status", "--porcelain", "--ignored=matching", "--", PACKAGE)
    except OSError as error:
        return str(error).splitlines()
    lines = changed.splitlines()
    return lines + [
        line for line in ignored.splitlines() if line.startswith("!!") and not line.endswith("/__pycache__/")
    ]


def _is_clone() -> bool:
    """Return True if the root is git's own: an unpacked archive may lie in somebody else's clone."""
    return (ROOT / ".git").exists()


def _git(*words: str) -> str:
    """Return what git prints. Raises OSError with its reason, such as a clone that is another user's."""
    command = ["git", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    return done.stdout
