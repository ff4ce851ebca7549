"""The words that build the image: its labels say what it is of, and an index has an image a platform."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from issuer import __version__
from tools import image, wheels
from tools.image import ROOT, ImageBuild, clearing, command, saving

DIGEST = "sha256:" + "a" * 64


def test_labels_have_the_version_the_commit_and_the_pinned_base() -> None:
    build = ImageBuild("x:1", f"python:3.13-slim@{DIGEST}", commit="abc", source="https://git.example.com/x")
    given = build.arguments()
    assert given["PYTHON_IMAGE"] == given["RUNTIME_IMAGE"] == f"python:3.13-slim@{DIGEST}"
    assert (given["BASE_NAME"], given["BASE_DIGEST"]) == ("python:3.13-slim", DIGEST)
    assert (given["VERSION"], given["REVISION"]) == (__version__, "abc")
    asked = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert asked - {"TARGETARCH"} == set(given)  # which the builder gives itself


def test_another_runtime_is_the_base() -> None:
    given = ImageBuild("x:1", "python:3.13-slim", f"shell-less@{DIGEST}").arguments()
    assert (given["PYTHON_IMAGE"], given["BASE_NAME"]) == ("python:3.13-slim", "shell-less")


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("buildah", "--manifest x:1 --platform=linux/amd64,linux/arm64"),
        ("podman", "--build-arg BUILDPLATFORM=linux/"),
        ("docker", "buildx build --tag x:1 --push"),
    ],
)
def test_platforms_make_an_index(program: str, wanted: str) -> None:
    assert wanted in " ".join(command(program, ImageBuild("x:1", platforms=("amd64", "arm64"))))


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("buildah", "buildah push --quiet x:1 docker-archive:i.tar:x:1"),
        ("podman", "podman save --format=docker-archive --output i.tar x:1"),
        ("docker", "docker save --output i.tar x:1"),
    ],
)
def test_an_image_is_written_as_others_load_it(program: str, wanted: str) -> None:
    assert " ".join(saving(program, "x:1", Path("i.tar"))) == wanted


def test_no_command_runs_on_the_architecture_that_the_image_is_for() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    running = [one for one in stages if re.search(r"^RUN ", one, re.MULTILINE)]
    assert {one.partition(" ")[0] for one in running} == {"--platform=${BUILDPLATFORM}"}


@pytest.mark.parametrize(("arch", "machine"), [("amd64", "x86_64"), ("arm64", "aarch64")])
def test_wheels_are_those_of_the_images_architecture(arch: str, machine: str) -> None:
    for words in (wheels.command("3.13", arch, Path("w")), wheels.installing(arch, Path("app"))):
        tags = {word.removeprefix("--platform=") for word in words if word.startswith("--platform=")}
        assert f"manylinux_2_28_{machine}" in tags
        assert {tag.split("_", 3)[-1] for tag in tags if "2014" not in tag} == {machine}
        assert "--require-hashes" in words
        assert "--only-binary=:all:" in words


@pytest.mark.parametrize(("changed", "wanted"), [([], "abc"), ([" M issuer/text.py"], "abc-dirty")])
def test_the_label_of_a_changed_tree_says_so(
    changed: list[str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "_git", lambda *_: "abc")
    monkeypatch.setattr(image, "uncommitted", lambda: changed)
    assert image.revision() == wanted


def test_a_second_build_of_an_index_takes_the_place_of_the_first(tmp_path: Path) -> None:
    if shutil.which("buildah") is None or os.geteuid():
        pytest.skip("it needs root and buildah")
    storage = f'[storage]\ndriver="vfs"\ngraphroot="{tmp_path}/graph"\nrunroot="{tmp_path}/run"\n'
    (tmp_path / "storage.conf").write_text(storage)
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf")}
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile number /\n")

    def run(*words: str, check: bool = True) -> str:
        command = ["buildah", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, check=check, capture_output=True, text=True
        )
        return done.stdout

    build = ("build", "--quiet", "--isolation=chroot")
    for number, named in enumerate(("--tag", "--manifest", "--manifest")):
        (tmp_path / "number").write_text(str(number))
        for words in clearing("buildah", "x:1"):
            run(*words[1:], check=False)
        run(*build, named, "x:1", *(["--platform=linux/amd64"] if number else []), ".")
    assert len(json.loads(run("manifest", "inspect", "x:1"))["manifests"]) == 1
