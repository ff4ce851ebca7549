"""A packaged chart as an OCI image layout, which registries and their mirrors take: `make release`.

Sources: OCI image-layout and image-spec 1.1; Helm's "Use OCI-based registries" for the media types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from tools.archives import Entry

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.cncf.helm.config.v1+json"
CHART: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE: Final = "application/vnd.cncf.helm.chart.provenance.v1.prov"
_ANNOTATION = "org.opencontainers.image"


def layout(metadata: Mapping[str, Any], package: bytes, provenance: bytes | None = None) -> list[Entry]:
    """Return the layout's files; `metadata` is Chart.yaml, `package` what `helm package` wrote.

    The chart's version is its tag.
    """
    blobs: dict[str, bytes] = {}

    def descriptor(media: str, content: bytes) -> dict[str, Any]:
        name = sha256(content).hexdigest()
        blobs[name] = content
        return {"mediaType": media, "digest": f"sha256:{name}", "size": len(content)}

    layers = [descriptor(CHART, package)]
    if provenance is not None:
        layers.append(descriptor(PROVENANCE, provenance))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, _json(metadata)),
        "layers": layers,
        "annotations": {
            f"{_ANNOTATION}.title": metadata["name"],
            f"{_ANNOTATION}.version": metadata["version"],
            f"{_ANNOTATION}.description": metadata["description"],
        },
    }
    tagged = descriptor(MANIFEST, _json(manifest)) | {
        "annotations": {f"{_ANNOTATION}.ref.name": metadata["version"]}
    }
    index = {"schemaVersion": 2, "manifests": [tagged]}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    files |= {f"blobs/sha256/{name}": content for name, content in sorted(blobs.items())}
    return [(name, content, 0o644) for name, content in files.items()]


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
