"""A release as somebody makes it who has nothing but the repository, for `make test-release`.

A clone of its own, with an empty HOME, makes `dist/`; a second clone, later and with another umask, makes it
again. What comes out is kept, and both clones go.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed.cache import cache_directory
from testbed.cluster import REPOSITORY
from testbed.errors import TestbedError
from testbed.node.images import PYTHON, base_root
from testbed.node.tools import run
from testbed.progress import Progress

REGISTRY: Final = "registry.example.com"
ADDRESS: Final = "https://git.example.com/pki/vault-issuer"
_SHELLS = ("sh", "dash", "bash", "rbash", "apt", "apt-get", "apt-cache", "apt-config", "dpkg", "dpkg-deb")
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{directory}/storage"
runroot = "{directory}/run"
"""
_BASES = """\
set -e
container=$(buildah from scratch)
buildah add --quiet "$container" "$1" /
buildah config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
buildah commit --quiet --rm "$container" localhost/python:1
container=$(buildah from localhost/python:1)
root=$(buildah mount "$container")
shift
for name; do rm -f "$root/usr/bin/$name" "$root/bin/$name"; done
buildah umount "$container"
buildah commit --quiet --rm "$container" localhost/shell-less:1
"""


@dataclass(frozen=True, slots=True)
class MadeRelease:
    """What `make release` wrote: its folder, and the name of the image in it.

    The folder `wheels` beside it has the packages that the lock names, as the node has no network.
    """

    dist: Path
    image: str

    @property
    def archive(self) -> Path:
        """The image's file."""
        return next(self.dist.glob("*.image.tar"))


def made_release(directory: Path, progress: Progress) -> MadeRelease:
    """Make the release of HEAD twice and compare. Raises TestbedError where two builds differ."""
    directory.mkdir()
    environment = environment_of(directory)
    root = base_root(progress)
    progress.stage("bases of the image, one of them without a shell")
    run_in(["unshare", "--mount", "bash", "-c", _BASES, "bases", str(root), *_SHELLS], directory, environment)
    bases = [_pinned(name, directory, environment) for name in ("localhost/python", "localhost/shell-less")]
    sums = []
    for number, umask in enumerate((0o022, 0o002)):
        progress.stage(f"make release in a fresh clone, {('once', 'and again')[number]}")
        clone = directory / f"clone-{number}"
        run("git", "clone", "--quiet", "--no-local", REPOSITORY, clone)
        words = [
            "unshare",
            "--mount",
            "make",
            "release",
            f"PYTHON={sys.executable}",
            f"PYTHON_VERSION={PYTHON}",
        ]
        words += [f"REGISTRY={REGISTRY}", f"REPOSITORY_URL={ADDRESS}"]
        words += [f"PYTHON_IMAGE={bases[0]}", f"RUNTIME_IMAGE={bases[1]}"]
        run_in(words, clone, environment, umask)
        (clone / "dist").rename(directory / f"dist-{number}")
        if number == 0:
            (clone / "wheels").rename(directory / "wheels")
        shutil.rmtree(clone)
        sums.append((directory / f"dist-{number}" / "SHA256SUMS").read_text(encoding="utf-8"))
    differing = set(sums[0].splitlines()) ^ set(sums[1].splitlines())
    if differing:
        raise TestbedError("two builds of one commit differ:\n  " + "\n  ".join(sorted(differing)))
    shutil.rmtree(directory / "dist-1")
    version = next((directory / "dist-0").glob("*.image.tar")).name.split("-")[-1].removesuffix(".image.tar")
    return MadeRelease(directory / "dist-0", f"{REGISTRY}/vault-issuer:{version}")


def environment_of(directory: Path) -> Mapping[str, str]:
    """An environment without this user's caches, but for the builds of Helm, which take minutes."""
    home, storage = directory / "home", directory / "storage.conf"
    home.mkdir()
    storage.write_text(_STORAGE.format(directory=directory), encoding="utf-8")
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("XDG_", "UV_", "VIRTUAL_"))
    }
    return {
        **kept,
        "HOME": str(home),
        "VAULT_ISSUER_CACHE": str(cache_directory()),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "BUILDAH_ISOLATION": "chroot",
    }


def _pinned(name: str, directory: Path, environment: Mapping[str, str]) -> str:
    """An image of the storage by its digest, as people pin a base."""
    words = ["buildah", "images", "--digests", "--format={{.Name}}@{{.Digest}}"]
    told = run_in(["unshare", "--mount", *words], directory, environment)
    return next(line for line in told.splitlines() if line.startswith(f"{name}@"))


def run_in(words: list[str], folder: Path, environment: Mapping[str, str], umask: int = 0o022) -> str:
    """Run a command in a folder; what it printed. Raises TestbedError with its last words when it fails."""
    done = subprocess.run(
        words, cwd=folder, env=environment, umask=umask, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TestbedError(f"`{' '.join(words)[:200]}` failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout
