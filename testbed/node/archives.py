"""Files of images: how large their layers are, and an image without the layers that a node has already.

Sources: the `manifest.json` of `docker save`; OCI image-layout and image-spec 1.1; containerd's
`archive.ImportIndex`, which takes the name from an annotation and asks for no blob whose snapshot is there.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from testbed.errors import TestbedError

_OCI: Final = "application/vnd.oci.image"


def megabytes(archive: Path, lower: int = 1) -> tuple[float, float]:
    """Return the MB of all layers of an archive of Docker's but the `lower` lowest, unpacked and gzipped."""
    unpacked = gzipped = 0
    with tarfile.open(archive) as image:
        for name in _manifest(image)["Layers"][lower:]:
            data = _member(image, name).read()
            unpacked += len(data)
            gzipped += len(gzip.compress(data, compresslevel=6))
    return round(unpacked / 1e6, 1), round(gzipped / 1e6, 1)


def write_upper(archive: Path, target: Path, name: str, lower: int) -> None:
    """Write an archive of Docker's as an OCI layout for `name`, without the content of `lower` lowest layers.

    What gets it has to have these already.
    """
    with tarfile.open(archive) as image, tarfile.open(target, "w") as layout:
        manifest = _manifest(image)
        layers = []
        for number, path in enumerate(manifest["Layers"]):
            # Layers are called by their digest.
            size, digest = image.getmember(path).size, path.removesuffix(".tar")
            layers.append(_descriptor(f"{_OCI}.layer.v1.tar", digest, size))
            if number >= lower:
                _add(layout, f"blobs/sha256/{digest}", size, _member(image, path))
        config = _blob(layout, f"{_OCI}.config.v1+json", _member(image, manifest["Config"]).read())
        media = f"{_OCI}.manifest.v1+json"
        described = {"schemaVersion": 2, "mediaType": media, "config": config, "layers": layers}
        entry = _blob(layout, media, json.dumps(described).encode())
        entry["annotations"] = {"io.containerd.image.name": name}
        _add_bytes(layout, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add_bytes(layout, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())


def _descriptor(media: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": size}


def _blob(layout: tarfile.TarFile, media: str, content: bytes) -> dict[str, Any]:
    digest = sha256(content).hexdigest()
    _add_bytes(layout, f"blobs/sha256/{digest}", content)
    return _descriptor(media, digest, len(content))


def _add_bytes(layout: tarfile.TarFile, path: str, content: bytes) -> None:
    _add(layout, path, len(content), io.BytesIO(content))


def _add(layout: tarfile.TarFile, path: str, size: int, content: IO[bytes]) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = size
    layout.addfile(entry, content)


def _manifest(image: tarfile.TarFile) -> dict[str, Any]:
    (manifest,) = json.load(_member(image, "manifest.json"))
    found: dict[str, Any] = manifest
    return found


def _member(image: tarfile.TarFile, name: str) -> IO[bytes]:
    file = image.extractfile(name)
    if file is None:
        raise TestbedError(f"an archive has no file {name}: buildah's archives have changed")
    return file
