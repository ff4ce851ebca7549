"""buildah without a daemon: images are made in a storage of their own, which goes or is a cache entry."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from testbed.cache import memory_directory
from testbed.node.containerd import full_name
from testbed.node.tools import run

BASE: Final = "vault-issuer-testbed/python:1"
_MEMORY_MB: Final = 2048
"""Room that memory must have for layers: those of an older version with its packages are 500 MB."""


class Buildah:
    """Commands of buildah: chroot isolation, storage in `directory`, above a kept one that is only read.

    Each command has a mount namespace of its own, so that no mount is left, whatever happens to it.
    """

    def __init__(self, directory: Path, kept: Path | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._command = (
            # What it copies between archives and storage goes there, too.
            *("env", f"TMPDIR={directory}", "unshare", "--mount", "buildah", "--storage-driver=overlay"),
            *(f"--root={directory / 'storage'}", f"--runroot={directory / 'run'}"),
            *((f"--storage-opt=additionalimagestore={kept / 'storage'}",) if kept else ()),
        )

    def __call__(self, *words: str | Path) -> str:
        """Run one command of buildah; return what it printed."""
        return run(*self._command, *words).strip()

    def load_base(self, root: Path) -> None:
        """Make the base image, from a tar file of its root."""
        container = self("from", "scratch")
        self("add", "--quiet", container, root, "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", "--rm", container, BASE)

    def build(self, context: Path, name: str, *options: str) -> None:
        """Build by the Dockerfile of a folder, on the base image."""
        words = [
            "bud",
            "--quiet",
            "--layers",
            "--isolation=chroot",
            f"--build-arg=PYTHON_IMAGE=localhost/{BASE}",
        ]
        self(*words, *options, "--tag", name, context)

    def save(self, image: str, archive: Path) -> None:
        """Write an image to a file, as `docker save` does."""
        self("push", "--quiet", image, f"docker-archive:{archive}:{full_name(image)}")


@contextlib.contextmanager
def buildah(kept: Path | None = None) -> Iterator[Buildah]:
    """Storage that goes in the end, in memory where there is room: it is made of thousands of files."""
    directory = Path(tempfile.mkdtemp(prefix="vault-issuer-images-", dir=memory_directory(_MEMORY_MB)))
    try:
        yield Buildah(directory, kept)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
