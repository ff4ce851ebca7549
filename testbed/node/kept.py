"""Images that every node has, unpacked once on this machine: a node mounts their layers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from testbed.cache import cached, used
from testbed.node.containerd import Containerd
from testbed.node.namespaces import unshare
from testbed.node.tools import run
from testbed.progress import Progress

# Where containerd keeps what, below its root.
_METADATA: Final = Path("io.containerd.metadata.v1.bolt/meta.db")
_SNAPSHOTTER: Final = Path("io.containerd.snapshotter.v1.overlayfs")
_CONTENT: Final = Path("io.containerd.content.v1.content/blobs/sha256")


def kept_images(archives: Sequence[Path], progress: Progress) -> Path:
    """Return a root of containerd that has the images of these cache entries; made once."""
    key = sha256("\0".join(one.parent.name for one in archives).encode()).hexdigest()[:12]

    def fill(directory: Path) -> None:
        progress.stage("images that every node has, unpacked")
        with tempfile.TemporaryDirectory(prefix="vault-issuer-containerd-") as folder:
            containerd = Containerd(
                Path(folder) / "own", root=directory / "root", state=Path(folder) / "state"
            )
            # Mounts of its own, so that none is left, whatever happens.
            containerd.start((unshare(), "--mount"))
            try:
                for archive in archives:
                    containerd.load(archive)
            finally:
                containerd.process.stop()

    return used(cached(f"image-node-{key}", fill)) / "root"


def mount_kept(kept: Path, root: Path) -> None:
    """Give the root of a containerd that isn't started yet the images of a kept one, in our mount namespace.

    Databases are copied, layers are mounted to be read only, and content is linked.
    """
    for file in (_METADATA, _SNAPSHOTTER / "metadata.db"):
        (root / file).parent.mkdir(parents=True)
        shutil.copyfile(kept / file, root / file)
    (root / _CONTENT).mkdir(parents=True)
    for blob in (kept / _CONTENT).iterdir():
        (root / _CONTENT / blob.name).symlink_to(blob)
    for snapshot in (kept / _SNAPSHOTTER / "snapshots").iterdir():
        own = root / _SNAPSHOTTER / "snapshots" / snapshot.name
        own.mkdir(parents=True)
        run("mount", "--bind", "-o", "ro", snapshot, own)
