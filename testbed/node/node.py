"""The node as a whole: started inside its namespaces, with the testbed's servers at an address pods reach."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from testbed.builds import KUBE_NODE, build
from testbed.cluster import Options, Testbed
from testbed.node import cgroups
from testbed.node.containerd import Containerd
from testbed.node.kept import mount_kept
from testbed.node.kubernetes import KubeNode
from testbed.node.namespaces import ADDRESS, furnish_mounts, furnish_network

# Nobody resolves the name of the node.
_FLAGS = ("--kubelet-preferred-address-types=InternalIP",)


@dataclass(frozen=True, slots=True)
class Node:
    """A running node: the testbed's servers, the container runtime, and Kubernetes' parts of a node."""

    bed: Testbed
    containerd: Containerd
    kubernetes: KubeNode


@contextlib.contextmanager
def running_node(directory: Path, kept: Path, images: Sequence[Path]) -> Iterator[Node]:
    """Start a node in the namespaces we are in.

    Args:
        directory: what it writes goes below it.
        kept: root of containerd with the pause image and others (`testbed.node.kept`).
        images: archives of more images.
    """
    program = build(KUBE_NODE) / KUBE_NODE.program
    furnish_mounts(directory / "mounts")
    cni = furnish_network(directory)
    options = Options(approver=False, address=ADDRESS, apiserver_flags=_FLAGS, data_dir=directory / "testbed")
    containerd = Containerd(directory / "containerd", cni)
    mount_kept(kept, containerd.root)
    containerd.start()
    with _loading(containerd, images) as loaded, Testbed(options) as bed:
        bed.adopt(containerd.process)
        kubernetes = KubeNode(program, directory / "kubernetes", bed)
        loaded.result()
        kubernetes.start(containerd.socket, cgroups.make(directory.name))
        yield Node(bed, containerd, kubernetes)


@contextlib.contextmanager
def _loading(containerd: Containerd, images: Sequence[Path]) -> Iterator[Future[None]]:
    """Bring images to the node, while the servers start."""

    def load() -> None:
        for archive in images:
            containerd.load(archive)

    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(load)
