"""Renewals of Certificates, as `cmctl renew` asks cert-manager for them."""

from __future__ import annotations

from datetime import UTC, datetime

from testbed.errors import HTTPError
from testbed.kube import Kube, Object
from tests.integration.support.common import CERT_MANAGER


def renew(kube: Kube, name: str, namespace: str) -> None:
    """Ask for a renewal, as `cmctl renew` does; tried again when cert-manager writes at the same time."""
    issuing = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "asked for by a test",
        "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    for _ in range(10):
        found = kube.wait(CERT_MANAGER, "Certificate", name, namespace, until=settled)
        others = [one for one in found["status"]["conditions"] if one["type"] != "Issuing"]
        found["status"]["conditions"] = [*others, issuing]
        try:
            kube.replace(found, "status")
        except HTTPError as error:
            if error.status != 409:
                raise
        else:
            return
    raise AssertionError("the Certificate kept changing")


def settled(found: Object) -> bool:
    """Return True if a Certificate is Ready and nothing is being issued for it."""
    conditions = {one["type"]: one["status"] for one in (found.get("status") or {}).get("conditions") or []}
    return conditions.get("Ready") == "True" and conditions.get("Issuing") != "True"
