"""Rules of the API server that refuse a status with a certificate."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

from testbed.cluster import Testbed
from testbed.errors import TestbedError
from tests.integration.support.common import request

REFUSING = "certificates-refused"


@contextlib.contextmanager
def certificates_refused(bed: Testbed, namespace: str) -> Iterator[None]:
    """An admission policy, as clusters have them, that takes no status with a certificate in a namespace."""
    group = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": ["cert-manager.io"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["certificaterequests/status"],
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "!has(object.status.certificate)", "message": REFUSING}],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": REFUSING, "validationActions": ["Deny"], "matchResources": here}
    kinds = {"ValidatingAdmissionPolicy": policy, "ValidatingAdmissionPolicyBinding": binding}
    for kind, spec in kinds.items():
        bed.kube.apply({"apiVersion": group, "kind": kind, "metadata": {"name": REFUSING}, "spec": spec})
    try:
        _in_force(bed, namespace)
        yield
    finally:
        for kind in kinds:
            bed.kube.delete(group, kind, REFUSING)


def _in_force(bed: Testbed, namespace: str) -> None:
    """Wait until the API server holds to the policy, which it reads behind its answer."""
    request(bed, "probe", namespace, "nobody")
    patch = json.dumps({"status": {"certificate": "YQ=="}})
    words = ["certificaterequest", "probe", f"-n={namespace}", "--subresource=status", "--type=merge"]
    for _ in range(1200):
        try:
            bed.kubectl("patch", *words, f"-p={patch}", "--dry-run=server")
        except TestbedError as error:
            if REFUSING in str(error):
                return
        time.sleep(0.1)
    raise TestbedError(f"{REFUSING} never came into force")
