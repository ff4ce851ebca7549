"""The optional rights by which roots are distributed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.cluster import Testbed
from testbed.controller import RBAC
from testbed.kube import load

TRUSTED = "trusted-roots"
"""The ConfigMap that these rights name."""


@contextmanager
def trust_rights(bed: Testbed) -> Iterator[None]:
    """Grant them for this block; other tests look at what is granted by default."""
    granted = [one for name in ("trust", "trust-bundles") for one in load(RBAC / "optional" / f"{name}.yaml")]
    bed.kube.apply(granted)
    try:
        yield
    finally:
        for one in granted:
            bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])
