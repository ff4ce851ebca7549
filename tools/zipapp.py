"""Builds the command as one file that runs where Python is: `make zipapp`.

python -m tools.zipapp [--output build/command] [--wheel-only]

Python can't load native modules (cryptography's, aiohttp's) out of a zip. pex, which is kept well, packs
our wheel and what `.venv` has of the locked packages, of which nothing is downloaded, and unpacks them into
the user's cache at the first start. Such a file is for one version of Python and one architecture: those that
it was made with. Beside it are the two programs that kubectl looks for, which run the same file, and an
archive of all that krew takes.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from issuer import __version__
from tools.archives import tar_gz
from tools.sources import ROOT, build, packaged

COMMAND = "vault-issuer"
PLUGINS = ("kubectl-vault_issuer", "kubectl_complete-vault_issuer")
"""Scripts of pyproject.toml that kubectl finds on PATH."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# krew links the plugin into a folder of its own, away from the file that it runs.
_PLUGIN = """#!/bin/sh
PEX_SCRIPT={script} exec "$(dirname "$(readlink -f "$0")")/{command}" "$@"
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What a file is made for. `python` is "3.11", `arch` as Go calls it."""

    version: str
    python: str
    arch: str

    @classmethod
    def here(cls) -> Target:
        """This Python and this machine."""
        machine = platform.machine()
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return cls(__version__, python, ARCHITECTURES.get(machine, machine))

    @property
    def archive(self) -> str:
        """The archive's file name."""
        return f"{COMMAND}-{self.version}-linux-{self.arch}-python{self.python}.tar.gz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when it is made, and the files' names with their sizes on standard output."""
    parser = argparse.ArgumentParser(description="Build the command as a wheel, or as one file.")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "command")
    parser.add_argument("--wheel-only", action="store_true", help="only the wheel")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    made = [wheel(options.output)]
    if not options.wheel_only:
        made += [*programs(made[0], options.output), archive(Target.here(), options.output)]
    for path in made:
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def wheel(output: Path, address: str | None = None) -> Path:
    """Build the wheel of this clone; it is the same on every machine, and names the repository if given."""
    with tempfile.TemporaryDirectory() as folder:
        build("wheel", packaged(Path(folder), address), output)
    return output / f"vault_issuer-{__version__}-py3-none-any.whl"


def programs(ours: Path, output: Path) -> list[Path]:
    """Build the command, and the two programs that kubectl looks for."""
    command = output / COMMAND
    words = [COMMAND, "--script", COMMAND, "--venv", "prepend", "--python-shebang", "/usr/bin/env python3"]
    words += ["--no-emit-warnings", "--output-file", str(command)]
    with tempfile.TemporaryDirectory() as folder:
        own = ["--pex-root", folder, "--tmpdir", folder]
        own += ["--venv-repository", str(_installed(ours, Path(folder) / "venv"))]
        # What .venv lacks of a package (tools/bootstrap.py) is missing there, too, and pex warns of it.
        python = [sys.executable, "-W", "ignore", "-m", "pex"]
        subprocess.run([*python, *words, *own], check=True)
    made = [command]
    for name in PLUGINS:
        path = output / name
        path.write_text(_PLUGIN.format(script=name, command=COMMAND), encoding="utf-8")
        path.chmod(0o755)
        made.append(path)
    return made


def _installed(ours: Path, folder: Path) -> Path:
    """Make an environment that has our wheel, and all else of this one by links.

    Here the project is installed as editable. That pex would build anew, by setuptools from an index, of the
    clone as it is: with files that git ignores.
    """
    packages = folder / "lib" / f"python{Target.here().python}" / "site-packages"
    packages.mkdir(parents=True)
    for name in ("pyvenv.cfg", "bin"):
        (folder / name).symlink_to(Path(sys.prefix) / name)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if COMMAND.replace("-", "_") not in path.name:
            (packages / path.name).symlink_to(path)
    with zipfile.ZipFile(ours) as wheel_file:
        wheel_file.extractall(packages)
    return folder


def archive(target: Target, output: Path) -> Path:
    """Pack the programs and the licence; the same files give the same bytes."""
    shutil.copy(ROOT / "LICENSE", output / "LICENSE")
    names = (COMMAND, *PLUGINS, "LICENSE")
    files = [(name, (output / name).read_bytes(), 0o644 if name == "LICENSE" else 0o755) for name in names]
    return tar_gz(output / target.archive, files, level=1)  # most of it is packed already


if __name__ == "__main__":
    sys.exit(main())
