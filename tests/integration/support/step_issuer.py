"""An installation of step-issuer, as its users have it."""

from __future__ import annotations

import json

from testbed.cluster import SYSTEM_NAMESPACE
from testbed.kube import Object, load
from testbed.samples import secret
from testbed.stepca import PROVISIONER, StepCA
from tests.integration.support.common import ADMISSION

API = "certmanager.step.sm/v1beta1"
GROUP = API.partition("/")[0]
KIND = "StepClusterIssuer"
SECRET = "step-ca-provisioner"


def their_objects(ca: StepCA) -> list[Object]:
    """The password, and a cluster issuer `step-ca`."""
    reference = {"name": SECRET, "key": "password", "namespace": SYSTEM_NAMESPACE}
    provisioner = {"name": PROVISIONER, "kid": ca.kid, "passwordRef": reference}
    issuer = {
        "apiVersion": API,
        "kind": KIND,
        "metadata": {"name": "step-ca"},
        "spec": {"url": ca.url, "caBundle": ca.ca_bundle, "provisioner": provisioner},
    }
    return [secret(SECRET, SYSTEM_NAMESPACE, password=ca.password), issuer]


def admission(group: str) -> list[Object]:
    """The chart's admission policy with adopt.stepIssuer: for one group more."""
    found = load(ADMISSION)
    for one in found:
        for variable in one["spec"].get("variables", ()):
            if variable["name"] == "groups":
                variable["expression"] = json.dumps(["vault-issuer.io", group])
    return found
