"""The image's index for amd64 and arm64, made by `make image PLATFORMS=` in a clone and a storage of its own.

The base of the other architecture is Debian's packages, unpacked and not configured, as none of their scripts
can run here. `make test-platforms` runs what the image adds under QEMU.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testbed.cache import cached
from testbed.cluster import REPOSITORY
from testbed.node.images import PYTHON, SUITE, base_root
from testbed.node.released import environment_of, run_in
from testbed.node.tools import run
from testbed.progress import Progress

ARCHITECTURES: Final = ("amd64", "arm64")
_INCLUDED: Final = ("base-files", "python3", "libsqlite3-0")
_BASES: Final = """\
set -e
for arch in $1; do
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$2/$arch.tar" /
  buildah config --arch "$arch" --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
  buildah commit --quiet --rm "$container" "localhost/python-$arch:1"
done
buildah manifest create localhost/python:1
for arch in $1; do buildah manifest add --arch "$arch" localhost/python:1 "localhost/python-$arch:1"; done
"""
_IMAGE: Final = "localhost/vault-issuer:both"
_SAVED: Final = 'buildah manifest push --quiet --all "$1" "oci:$2"'


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An OCI layout whose one entry is an index."""

    layout: Path

    def _read(self, descriptor: Mapping[str, Any]) -> Any:
        return json.loads(self.blob(descriptor).read_bytes())

    def blob(self, descriptor: Mapping[str, Any]) -> Path:
        """Return the file that a descriptor names."""
        return self.layout / "blobs" / str(descriptor["digest"]).replace(":", "/")

    def _index(self) -> list[dict[str, Any]]:
        (entry,) = json.loads((self.layout / "index.json").read_text())["manifests"]
        index: list[dict[str, Any]] = self._read(entry)["manifests"]
        return index

    def architectures(self) -> list[str]:
        """Return the architecture of each image of the index."""
        return [one["platform"]["architecture"] for one in self._index()]

    def manifests(self) -> dict[str, dict[str, Any]]:
        """Return each image's manifest by the architecture that the index says."""
        return {one["platform"]["architecture"]: self._read(one) for one in self._index()}

    def config(self, arch: str) -> dict[str, Any]:
        """Return the configuration of an architecture's image."""
        config: dict[str, Any] = self._read(self.manifests()[arch]["config"])
        return config

    def unpack(self, arch: str, root: Path) -> Path:
        """Unpack the layers of an architecture's image, which delete nothing of one another."""
        for layer in self.manifests()[arch]["layers"]:
            with tarfile.open(self.blob(layer)) as files:
                # As an attribute: the argument came with Python 3.11.4, and Debian 12 has 3.11.2.
                files.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
                files.extractall(root)  # noqa: S202 - an image made here
        return root


def indexed_image(directory: Path, progress: Progress) -> IndexedImage:
    """Make the index of HEAD. Raises TestbedError."""
    bases = directory / "bases"
    bases.mkdir(parents=True)
    here = run("dpkg", "--print-architecture").strip()
    for arch in ARCHITECTURES:
        root = base_root(progress) if arch == here else _unpacked_root(arch, progress)
        (bases / f"{arch}.tar").symlink_to(root)
    environment, clone = environment_of(directory), directory / "clone"
    progress.stage("the bases of both architectures")
    _apart(["bash", "-c", _BASES, "bases", " ".join(ARCHITECTURES), str(bases)], directory, environment)
    progress.stage("make image for both")
    run("git", "clone", "--quiet", "--no-local", REPOSITORY, clone)
    words = ["make", "image", f"PYTHON={sys.executable}", f"PYTHON_VERSION={PYTHON}"]
    words += ["PYTHON_IMAGE=localhost/python:1", f"IMAGE={_IMAGE}"]
    # First something else has the name, then the index of a first build.
    _apart(["buildah", "tag", f"localhost/python-{here}:1", _IMAGE], directory, environment)
    for _ in range(2):
        _apart([*words, f"PLATFORMS={' '.join(ARCHITECTURES)}"], clone, environment)
    layout = directory / "layout"
    _apart(["bash", "-c", _SAVED, "saved", _IMAGE, str(layout)], directory, environment)
    return IndexedImage(layout)


def _apart(words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command with mounts of its own, none of which is left."""
    run_in(["unshare", "--mount", *words], folder, environment)


def _unpacked_root(arch: str, progress: Progress) -> Path:
    """A Debian with Python of another architecture, as a tar file of its root, none of whose scripts ran."""

    def fill(directory: Path) -> None:
        progress.stage(f"Debian {SUITE} with Python for {arch}, unpacked by mmdebstrap")
        words = [
            "--quiet",
            "--variant=extract",
            f"--architectures={arch}",
            f"--include={','.join(_INCLUDED)}",
        ]
        run("mmdebstrap", *words, SUITE, directory / "root.tar")

    return cached(f"image-base-{SUITE}-{arch}-1", fill) / "root.tar"


def emulated(root: Path, emulator: Path, *words: str) -> str:
    """Run a command of a root that is for another architecture; what it printed.

    Raises CalledProcessError with what it printed.
    """
    inside = root / "emulator"
    if not inside.exists():
        inside.write_bytes(emulator.read_bytes())
        inside.chmod(0o755)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "/app",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        ["/usr/sbin/chroot", str(root), "/emulator", *words],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
