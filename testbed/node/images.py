"""Images without Docker and without a registry: a Debian base by mmdebstrap, the rest by buildah.

Each is in the cache, named by what goes into it, so that only a change builds anew: the base, the packages on
it, and what is ours on them.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from issuer import __version__
from testbed.cache import cached, forget_old, memory_directory, used
from testbed.cluster import REPOSITORY
from testbed.errors import TestbedError
from testbed.node.archives import megabytes, write_upper
from testbed.node.buildah import BASE, Buildah, buildah
from testbed.node.containerd import PAUSE, full_name
from testbed.node.tools import run
from testbed.progress import Progress

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
PYTHON = "3.11"  # of that suite; the wheels are for it
IMAGE = f"vault-issuer:{__version__}"  # what the chart asks for when nobody says otherwise
NEXT, PREVIOUS = "vault-issuer:next", "vault-issuer:previous"
# The Dockerfile's stage of packages, and that of the image without what is ours.
_STAGES: Final = {"packages": "vault-issuer-testbed/build:1", "packaged": "vault-issuer-testbed/packaged:1"}
# What the Dockerfile copies in these stages, and in the others.
_CONTEXT_OF_PACKAGES: Final = (
    "Dockerfile",
    ".dockerignore",
    "locks/build.txt",
    "locks/runtime.txt",
    "tools/wheels.py",
)
_CONTEXT: Final = (
    *("Dockerfile", ".dockerignore", "LICENSE", "NOTICE", "README.md", "issuer", "pyproject.toml"),
    "tools/sbom.py",
)
# What of the base nobody reads in a pod: each of its files is unpacked again and again.
_UNREAD: Final = ("doc", "man", "locale")
# Without it usrmerge comes, and Perl's 50 MB with it.
_MERGED: Final = "/usr/share/mmdebstrap/hooks/merged-usr"
_RECIPE: Final = b"2"  # counted up when images are made in another way


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a file.

    Attributes:
        name: what it is called.
        archive: an OCI layout without the content of the layers below what is ours.
        unpacked_mb, gzipped_mb: what the Dockerfile adds to its base, as it is and as registries keep it.
    """

    name: str
    archive: Path
    unpacked_mb: float
    gzipped_mb: float


def base_root(progress: Progress) -> Path:
    """A small Debian with Python, as a tar file of its root."""

    def fill(directory: Path) -> None:
        progress.stage(f"Debian {SUITE} with Python, by mmdebstrap")
        words = ["--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--hook-dir={_MERGED}"]
        words += [f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in _UNREAD]
        run("mmdebstrap", *words, SUITE, directory / "root.tar")

    return cached(_entry(f"image-base-{SUITE}", *PACKAGES, *_UNREAD), fill) / "root.tar"


def pause_image(progress: Progress) -> Path:
    """The archive of the image that holds a pod's namespaces: the base, asleep."""
    root = base_root(progress)

    def fill(directory: Path) -> None:
        progress.stage("the pause image")
        with buildah() as builder:
            builder.load_base(root)
            container = builder("from", BASE)
            builder("config", "--entrypoint", '["/usr/bin/sleep","infinity"]', container)
            builder("commit", "--quiet", container, PAUSE)
            builder.save(PAUSE, directory / "image.tar")

    return cached(_entry("image-pause", root.parent.name), fill) / "image.tar"


def packages(progress: Progress) -> Path:
    """The base and the locked packages on it: storage of buildah, and the image without what is ours."""
    root = base_root(progress)
    with _folder() as context:
        _copy(_CONTEXT_OF_PACKAGES, context)

        def fill(directory: Path) -> None:
            progress.stage("the image's packages: wheels")
            _gather_wheels(context)
            progress.stage("the image's packages: the Dockerfile's stages of them, by buildah")
            builder = Buildah(directory)
            builder.load_base(root)
            for stage, name in _STAGES.items():
                builder.build(context, name, f"--target={stage}")
            _save(builder, _STAGES["packaged"], directory, lower=1)

        return used(cached(_entry("image-packages", root.parent.name, *_contents(context)), fill))


def project_image(progress: Progress) -> Image:
    """The project's image of this tree by its Dockerfile; a node has the base and the packages."""
    below = packages(progress)
    with _folder() as context:
        _copy(_CONTEXT, context)

        def fill(directory: Path) -> None:
            for kind in ("app", "packages", "previous", "node"):
                forget_old(f"image-{kind}-*")
            progress.stage(f"{IMAGE}: its Dockerfile, by buildah")
            made = [
                f"--build-context={stage}=container-image://localhost/{name}"
                for stage, name in _STAGES.items()
            ]
            with buildah(below) as builder:
                builder.build(context, IMAGE, *made)
                _save(builder, IMAGE, directory, lower=2)

        kept = used(cached(_entry("image-app", below.name, IMAGE, *_contents(context)), fill))
    sizes = [json.loads((one / "size.json").read_text()) for one in (below, kept)]
    unpacked, gzipped = (round(sum(size), 1) for size in zip(*sizes, strict=True))
    return Image(IMAGE, kept / "image.tar", unpacked, gzipped)


def previous_image(commit: str, progress: Progress) -> Path:
    """The archive of the image of a commit (`PREVIOUS`), by its Dockerfile; a node has the base."""
    root = base_root(progress)

    def fill(directory: Path) -> None:
        with _folder() as context, buildah() as builder:
            checkout(commit, context)
            progress.stage(f"{PREVIOUS}: wheels")
            _gather_wheels(context)
            progress.stage(f"{PREVIOUS}: its Dockerfile, by buildah")
            builder.load_base(root)
            builder.build(context, PREVIOUS)
            _save(builder, PREVIOUS, directory, lower=1)

    return used(cached(_entry("image-previous", root.parent.name, _commit(commit)), fill)) / "image.tar"


def _save(builder: Buildah, image: str, directory: Path, lower: int) -> None:
    """Write an image without its `lower` lowest layers, and how large the others are."""
    with _folder() as folder:
        whole = folder / "image.tar"
        builder.save(image, whole)
        write_upper(whole, directory / "image.tar", full_name(image), lower)
        (directory / "size.json").write_text(json.dumps(megabytes(whole, lower)))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder that goes in the end, in memory where there is room."""
    with tempfile.TemporaryDirectory(prefix="vault-issuer-context-", dir=memory_directory(1024)) as folder:
        yield Path(folder)


def _gather_wheels(context: Path) -> None:
    words = [sys.executable, str(context / "tools" / "wheels.py"), "--python", PYTHON]
    run(*words, "--output", context / "wheels")


def _commit(name: str) -> str:
    """The full name of a commit that is called by a tag or a part of it."""
    return run("git", "-C", REPOSITORY, "rev-parse", f"{name}^{{commit}}").strip()


def checkout(commit: str, directory: Path, *paths: str) -> None:
    """The files of a commit of this repository, or those below some paths of it."""
    words = ["git", "-C", str(REPOSITORY), "archive", commit, *paths]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        raise TestbedError(
            f"commit {commit} isn't here ({done.stderr.decode().strip()}): fetch the whole history, "
            "as the upgrade from the previous version starts from it"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        # As an attribute: the argument came with Python 3.11.4, and Debian 12 has 3.11.2.
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(directory)  # noqa: S202 - an archive of this repository


def _copy(names: Iterable[str], target: Path) -> None:
    """Copy files and folders of this tree."""
    for name in names:
        source, copy = REPOSITORY / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copy)


def _contents(context: Path) -> Iterator[str | bytes]:
    """The names and the contents of a folder's files."""
    for file in sorted(context.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(context))
            yield file.read_bytes()


def _entry(name: str, *parts: str | bytes) -> str:
    """The name of a cache entry that is made of these parts."""
    digest = sha256(_RECIPE)
    for part in (one.encode() if isinstance(one, str) else one for one in parts):
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"{name}-{digest.hexdigest()[:12]}"
