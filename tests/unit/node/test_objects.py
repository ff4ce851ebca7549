"""Objects of a folder, as the testbed applies them."""

from __future__ import annotations

from testbed.cluster import REPOSITORY
from testbed.kube import load


def test_what_kustomize_alone_reads_is_no_object() -> None:
    """The component of the admission policy has a file that tells kustomize of a name."""
    kinds = [one["kind"] for one in load(REPOSITORY / "config" / "admission")]
    assert kinds == ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
