"""Renewals of Certificates, as `cmctl renew` asks cert-manager for them."""

from __future__ import annotations

from datetime import UTC, datetime

from testbed.kube import Kube, Object
from tests.integration.support.common import CERT_MANAGER, rewrite


def renew(kube: Kube, name: str, namespace: str) -> None:
    """Ask for a renewal, as `cmctl renew` does; tried again when cert-manager writes at the same time."""
    issuing = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "asked for by a test",
        "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }

    def ask(found: Object) -> None:
        others = [one for one in found["status"]["conditions"] if one["type"] != "Issuing"]
        found["status"]["conditions"] = [*others, issuing]

    rewrite(
        kube, lambda: kube.wait(CERT_MANAGER, "Certificate", name, namespace, until=settled), ask, "status"
    )


def settled(found: Object) -> bool:
    """Return True if a Certificate is Ready and nothing is being issued for it."""
    conditions = {one["type"]: one["status"] for one in (found.get("status") or {}).get("conditions") or []}
    return conditions.get("Ready") == "True" and conditions.get("Issuing") != "True"
