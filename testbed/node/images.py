"""Images without Docker and without a registry: a Debian base by mmdebstrap, the rest by buildah.

Each image is an archive in the cache, named by what goes into it, so that only a change builds anew.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from issuer import __version__
from testbed.cache import cache_directory, cached
from testbed.cluster import REPOSITORY
from testbed.errors import TestbedError
from testbed.node.containerd import PAUSE, full_name
from testbed.node.tools import run
from testbed.progress import Progress

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
PYTHON = "3.11"  # of that suite; the wheels are for it
IMAGE = f"vault-issuer:{__version__}"  # what the chart asks for when nobody says otherwise
NEXT, PREVIOUS = "vault-issuer:next", "vault-issuer:previous"
_BASE = "vault-issuer-testbed/python:1"
# What the Dockerfile copies, and itself.
_CONTEXT = ("Dockerfile", ".dockerignore", "LICENSE", "NOTICE", "README.md", "issuer", "pyproject.toml")
_CONTEXT_MORE = ("locks/build.txt", "locks/runtime.txt", "tools/sbom.py", "tools/wheels.py")
_RECIPE = b"1"  # counted up when images are made in another way
_KEPT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a file: ``archive`` as ``docker save`` writes it, under ``name``.

    ``unpacked_mb`` and ``gzipped_mb`` (as registries keep it) are what the Dockerfile adds to its base.
    """

    name: str
    archive: Path
    unpacked_mb: float
    gzipped_mb: float


class Buildah:
    """buildah without a daemon: chroot isolation, storage of its own in ``directory``.

    Each command has a mount namespace of its own, so that no mount is left, whatever happens to it.
    """

    def __init__(self, directory: Path) -> None:
        self._command = (
            *("unshare", "--mount", "buildah", "--storage-driver=overlay"),
            *(f"--root={directory / 'storage'}", f"--runroot={directory / 'run'}"),
        )

    def __call__(self, *words: str | Path) -> str:
        """One command of buildah; returns what it printed."""
        return run(*self._command, *words).strip()

    def load_base(self, root: Path) -> None:
        """The base image, from a tar file of its root."""
        container = self("from", "scratch")
        self("add", "--quiet", container, root, "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", "--rm", container, _BASE)

    def save(self, image: str, archive: Path) -> None:
        """Write an image to a file."""
        self("push", "--quiet", image, f"docker-archive:{archive}:{full_name(image)}")


@contextlib.contextmanager
def _buildah() -> Iterator[Buildah]:
    directory = Path(tempfile.mkdtemp(prefix="vault-issuer-images-"))
    try:
        yield Buildah(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def base_root(progress: Progress) -> Path:
    """A small Debian with Python, as a tar file of its root."""
    what = sha256("\0".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]

    def fill(directory: Path) -> None:
        progress.stage(f"Debian {SUITE} with Python, by mmdebstrap")
        root = directory / "root.tar"
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root)

    return cached(f"image-base-{SUITE}-{what}", fill) / "root.tar"


def pause_image(progress: Progress) -> Path:
    """The archive of the image that holds a pod's namespaces: the base, asleep."""
    root = base_root(progress)

    def fill(directory: Path) -> None:
        progress.stage("the pause image")
        with _buildah() as buildah:
            buildah.load_base(root)
            container = buildah("from", _BASE)
            buildah("config", "--entrypoint", '["/usr/bin/sleep","infinity"]', container)
            buildah("commit", "--quiet", container, PAUSE)
            buildah.save(PAUSE, directory / "image.tar")

    return cached(f"image-pause-{_key(root.parent.name.encode())}", fill) / "image.tar"


def project_image(progress: Progress, commit: str | None = None) -> Image:
    """The project's image by its Dockerfile: of this tree, or of a commit (``PREVIOUS``)."""
    name = PREVIOUS if commit else IMAGE
    root = base_root(progress)
    with tempfile.TemporaryDirectory(prefix="vault-issuer-context-") as folder:
        context = Path(folder)
        if commit:
            checkout(commit, context)
        else:
            _copy_context(context)
        key = f"image-app-{_key(name.encode(), root.parent.name.encode(), *_contents(context))}"
        archive = cached(key, _filler(name, context, root, progress)) / "image.tar"
    os.utime(archive.parent)  # in use, so it isn't old
    unpacked, gzipped = json.loads((archive.parent / "size.json").read_text())
    return Image(name, archive, unpacked, gzipped)


def _filler(name: str, context: Path, root: Path, progress: Progress) -> Callable[[Path], None]:
    def fill(directory: Path) -> None:
        _forget_old()
        progress.stage(f"{name}: wheels")
        _gather_wheels(context)
        progress.stage(f"{name}: its Dockerfile, by buildah")
        archive = directory / "image.tar"
        with _buildah() as buildah:
            buildah.load_base(root)
            words = ["bud", "--quiet", "--isolation=chroot", f"--build-arg=PYTHON_IMAGE=localhost/{_BASE}"]
            buildah(*words, "--tag", name, context)
            buildah.save(name, archive)
        (directory / "size.json").write_text(json.dumps(added_megabytes(archive)))

    return fill


def _gather_wheels(context: Path) -> None:
    words = [sys.executable, str(context / "tools" / "wheels.py"), "--python", PYTHON]
    run(*words, "--output", context / "wheels")


def checkout(commit: str, directory: Path) -> None:
    """The files of a commit of this repository."""
    done = subprocess.run(["git", "-C", str(REPOSITORY), "archive", commit], capture_output=True, check=False)
    if done.returncode:
        raise TestbedError(
            f"commit {commit} isn't here ({done.stderr.decode().strip()}): fetch the whole history, "
            "as the upgrade from the previous version starts from it"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        # As an attribute: the argument came with Python 3.11.4, and Debian 12 has 3.11.2.
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(directory)  # noqa: S202 - an archive of this repository


def _copy_context(target: Path) -> None:
    for name in (*_CONTEXT, *_CONTEXT_MORE):
        source, copy = REPOSITORY / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copy)


def _contents(context: Path) -> Iterator[bytes]:
    for name in (*_CONTEXT, *_CONTEXT_MORE):
        top = context / name
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.is_file():
                yield str(file.relative_to(context)).encode()
                yield file.read_bytes()


def _key(*parts: bytes) -> str:
    digest = sha256(_RECIPE)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]


def added_megabytes(archive: Path) -> tuple[float, float]:
    """MB of all layers of an archive but the lowest, unpacked and gzipped."""
    unpacked = gzipped = 0
    with tarfile.open(archive) as image:
        for name in json.loads(_member(image, "manifest.json"))[0]["Layers"][1:]:
            data = _member(image, name)
            unpacked += len(data)
            gzipped += len(gzip.compress(data, compresslevel=6))
    return round(unpacked / 1e6, 1), round(gzipped / 1e6, 1)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise TestbedError(f"an archive has no file {name}: buildah's archives have changed")
    return file.read()


def _forget_old() -> None:
    """Images of this cache that nobody used for days."""
    oldest = time.time() - _KEPT_DAYS * 86_400
    for directory in cache_directory().glob("image-app-*"):
        if directory.stat().st_mtime < oldest:
            shutil.rmtree(directory, ignore_errors=True)
