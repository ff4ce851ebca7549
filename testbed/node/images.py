"""Images without Docker and without a registry: a Debian base by mmdebstrap, the rest by buildah."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from testbed.cache import cached
from testbed.node.containerd import PAUSE
from testbed.node.namespaces import run
from testbed.progress import Progress

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
_BASE = "vault-issuer-testbed/python:1"


class Buildah:
    """buildah without a daemon: chroot isolation, plain files, storage of its own in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._command = (
            "buildah",
            f"--root={directory / 'storage'}",
            f"--runroot={directory / 'run'}",
            "--storage-driver=vfs",
        )

    def __call__(self, *words: str | Path) -> str:
        """One command of buildah; returns what it printed."""
        command, *rest = words
        return run(*self._command, command, *rest)


@contextlib.contextmanager
def buildah() -> Iterator[Buildah]:
    """buildah with a storage that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="vault-issuer-images-"))
    try:
        yield Buildah(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def base_archive(progress: Progress) -> Path:
    """The file system of a small Debian with Python, as a tar file in the cache."""
    what = sha256("\0".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]

    def fill(directory: Path) -> None:
        progress.stage(f"Debian {SUITE} with Python, by mmdebstrap (about 20 s)")
        run(
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            directory / "root.tar",
        )

    return cached(f"image-base-{SUITE}-{what}", fill) / "root.tar"
