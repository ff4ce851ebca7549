"""Builds the image with what this machine has: buildah, podman or docker. The wheels are gathered first.

python -m tools.image [--python-image IMAGE] [--runtime-image IMAGE] [--tag NAME:TAG] [--platforms LIST]

The image is for this machine's architecture. With --platforms it is an index of one for each, for which
nothing is emulated; wheels/ has the wheels of all of them (`make wheels ARCH=...`).
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from issuer import __version__
from tools.archives import read_tar, tar
from tools.repository import repository
from tools.sources import uncommitted
from tools.wheels import ARCHITECTURES

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("buildah", "podman", "docker")


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """What is built, and of what.

    Attributes:
        python_image, runtime_image: images with the same Python; the latter may lack a shell. NAME@DIGEST
            pins.
        commit, seconds: what is checked out, and when that was committed, in seconds since 1970.
        platforms: architectures of an index, as Go calls them; empty for this machine's alone.
        source: address of the repository; empty where it isn't known.
    """

    tag: str
    python_image: str = "python:3.13-slim"
    runtime_image: str = ""
    platforms: tuple[str, ...] = ()
    commit: str = "unknown"
    seconds: str = "0"
    source: str = ""

    def arguments(self) -> dict[str, str]:
        """Return the Dockerfile's arguments."""
        runtime = self.runtime_image or self.python_image
        name, _, digest = runtime.partition("@")
        return {
            "PYTHON_IMAGE": self.python_image,
            "RUNTIME_IMAGE": runtime,
            "VERSION": __version__,
            "REVISION": self.commit,
            "SOURCE": self.source,
            "BASE_NAME": name,
            "BASE_DIGEST": digest,
            "SOURCE_DATE_EPOCH": self.seconds,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code of the build; 2 where nothing can build."""
    parser = argparse.ArgumentParser(description="Build the image.")
    parser.add_argument("--python-image", default="python:3.13-slim", help="base image (%(default)s)")
    parser.add_argument(
        "--runtime-image", default="", help="another base with the same Python, without a shell"
    )
    parser.add_argument(
        "--tag", default=f"vault-issuer:{__version__}", help="name of the image (%(default)s)"
    )
    parser.add_argument("--platforms", default="", help="architectures of an index, such as amd64,arm64")
    options = parser.parse_args(arguments)
    program = builder()
    if program is None:
        print(f"none of {', '.join(PROGRAMS)} is on PATH: install one of them", file=sys.stderr)
        return 2
    platforms = tuple(one for one in options.platforms.split(",") if one)
    build = ImageBuild(
        options.tag,
        options.python_image,
        options.runtime_image,
        platforms,
        revision(),
        committed(),
        repository() or "",
    )
    if platforms and program != "docker":
        for words in clearing(program, build.tag):
            subprocess.run(words, capture_output=True, check=False)
    return subprocess.run(command(program, build), cwd=ROOT, check=False).returncode


def builder() -> str | None:
    """Return what of this machine builds images, or None."""
    return next((name for name in PROGRAMS if shutil.which(name)), None)


def clearing(program: str, tag: str) -> list[list[str]]:
    """Return the commands that take a name from an index or an image, of which one fails or both.

    What has the name would stay in the index, before what is built, or be no index at all.
    """
    # To `rmi` buildah 1.28 says of an index `tag not known`, and leaves it.
    return [[program, "manifest", "rm", tag], [program, "rmi", tag]]


def command(program: str, build: ImageBuild) -> list[str]:
    """Return the build's command. Its layers depend on the sources, the locks and the base image alone."""
    arguments = [
        word for name, value in build.arguments().items() for word in ("--build-arg", f"{name}={value}")
    ]
    timestamp = ["--timestamp", build.seconds] if program != "docker" else []
    if not build.platforms:
        return [program, "build", "--tag", build.tag, *arguments, *timestamp, "."]
    platforms = f"--platform={','.join(f'linux/{one}' for one in build.platforms)}"
    if program == "docker":
        # Docker's own store keeps no index: it is pushed at once.
        return [program, "buildx", "build", "--tag", build.tag, "--push", platforms, *arguments, "."]
    # Docker's own builder says this itself; buildah and podman of Debian 12 don't.
    arguments += ["--build-arg", f"BUILDPLATFORM=linux/{_here()}"]
    return [program, "build", "--manifest", build.tag, platforms, *arguments, *timestamp, "."]


def _here() -> str:
    """This machine's architecture, as Go calls it."""
    names = {machine: name for name, machine in ARCHITECTURES.items()}
    return names.get(platform.machine(), platform.machine())


def built_archive(build: ImageBuild, file: Path) -> Path:
    """Build the image for this machine and write it as `docker load` and `ctr images import` read it.

    The same layers give the same bytes. Raises FileNotFoundError where nothing can build, CalledProcessError.
    """
    program = builder()
    if program is None:
        raise FileNotFoundError(f"none of {', '.join(PROGRAMS)} is on PATH: install one of them")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "image.tar"
        for words in (command(program, build), saving(program, build.tag, written)):
            subprocess.run(words, cwd=ROOT, check=True)
        entries = read_tar(written)
    # Written for Docker before 1.10: names and times of their own, and nobody reads them any more.
    needed = _named_in(next(content for name, content, _ in entries if name == "manifest.json"))
    file.write_bytes(tar(one for one in entries if one[0] in needed))
    return file


def saving(program: str, tag: str, file: Path) -> list[str]:
    """Return the command that writes an image to a file."""
    if program == "buildah":
        return [program, "push", "--quiet", tag, f"docker-archive:{file}:{tag}"]
    more = ["--format=docker-archive"] if program == "podman" else []
    return [program, "save", *more, "--output", str(file), tag]


def _named_in(manifest: bytes) -> set[str]:
    (image,) = json.loads(manifest)
    return {"manifest.json", image["Config"], *image["Layers"]}


def revision() -> str:
    """The commit that is checked out, with `-dirty` where files differ from it; `unknown` outside git."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return f"{commit}-dirty" if uncommitted() else commit


def committed() -> str:
    """When it was committed, in seconds since 1970."""
    return _git("log", "-1", "--format=%ct") or "0"


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
