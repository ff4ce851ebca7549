"""The node's images: what each cache entry hangs on, how large a layer is, archives without lower layers."""

from __future__ import annotations

import io
import json
import re
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from testbed.node.archives import megabytes, write_upper
from testbed.node.images import _CONTEXT, _CONTEXT_OF_PACKAGES

ROOT = Path(__file__).resolve().parents[3]
LOWER, UPPER, CONFIG = bytes(9_000_000), bytes(2_000_000), b'{"os": "linux"}'


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An image of two layers as buildah saves it."""
    layers = [f"{digest(one)}.tar" for one in (LOWER, UPPER)]
    files = {
        "manifest.json": json.dumps([{"Config": "config.json", "Layers": layers}]).encode(),
        **dict(zip(layers, (LOWER, UPPER), strict=True)),
        "config.json": CONFIG,
    }
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as image:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            image.addfile(member, io.BytesIO(data))
    return path


def test_the_size_told_is_that_of_what_lies_on_the_base(archive: Path) -> None:
    unpacked, gzipped = megabytes(archive)
    assert unpacked == 2.0
    assert gzipped < 0.1


def test_an_archive_without_its_lower_layer_still_names_it(archive: Path, tmp_path: Path) -> None:
    write_upper(archive, tmp_path / "upper.tar", "docker.io/library/x:1", lower=1)
    with tarfile.open(tmp_path / "upper.tar") as layout:
        content = {one.name: layout.extractfile(one).read() for one in layout.getmembers()}  # type: ignore[union-attr]
    (entry,) = json.loads(content["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "docker.io/library/x:1"}

    def blob(descriptor: dict[str, Any]) -> bytes | None:
        return content.get(f"blobs/{descriptor['digest'].replace(':', '/')}")

    manifest = json.loads(blob(entry) or b"")
    assert blob(manifest["config"]) == CONFIG
    assert [blob(one) for one in manifest["layers"]] == [None, UPPER]
    assert [one["size"] for one in manifest["layers"]] == [len(LOWER), len(UPPER)]
    assert manifest["layers"][0]["digest"] == f"sha256:{digest(LOWER)}"


def copied(stages: str) -> set[str]:
    """What these stages copy of the folder that they are built from."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", stages, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_cache_entries_hang_on_all_that_their_stages_copy() -> None:
    text = (ROOT / "Dockerfile").read_text()
    of_packages, _, others = text.partition(" AS build\n")
    # The wheels are those of the locks.
    assert copied(of_packages) - {"wheels"} == {one for one in _CONTEXT_OF_PACKAGES if "ocker" not in one}
    assert copied(others) == {one for one in _CONTEXT if "ocker" not in one}
    assert "SOURCE_DATE_EPOCH" not in of_packages
