"""A scripted cluster with one request, and what is about it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from issuer.inspection.lookup import find_request
from issuer.inspection.reading import Reader
from issuer.inspection.request.details import RequestDetails, gather
from issuer.inspection.target import InspectionTarget
from issuer.terminal.console import Console, console
from tests.builders import certificate_request, condition, csr_pem, issuer_object
from tests.ca import TestCA, pem
from tests.unit.kube.fake_api import FakeApi, Reply, json, listing, refuse

REQUEST = "/apis/cert-manager.io/v1/namespaces/team-a/certificaterequests/one"
REQUESTS = "/apis/cert-manager.io/v1/namespaces/team-a/certificaterequests"
CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests/one"
ISSUER = "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers/demo"
EVENTS = "/apis/events.k8s.io/v1/namespaces/team-a/events"
POLICIES = "/apis/vault-issuer.io/v1alpha1/certificaterequestpolicies"
NAMESPACE = "/api/v1/namespaces/team-a"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

ONE = InspectionTarget("CertificateRequest", "team-a", "one")
CSR_ONE = InspectionTarget("CertificateSigningRequest", "", "one")

Object = dict[str, Any]


def encoded(text: str) -> str:
    """As a status holds PEM."""
    return base64.b64encode(text.encode()).decode()


def ready(status: str, reason: str, message: str = "") -> Object:
    """A Ready condition of this moment."""
    return condition("Ready", status, reason, message) | {"lastTransitionTime": "2026-11-22T12:00:00Z"}


def issued(
    ca: TestCA, *, extra_dns: tuple[str, ...] = (), life: timedelta = timedelta(days=1), **more: Any
) -> Object:
    """A request with its certificate, approved by a policy."""
    csr = csr_pem("a.lab.example.test")
    signed = ca.sign(csr.decode(), extra_dns=extra_dns, life=life)
    approved = condition("Approved", "True", "vault-issuer.io", 'Approved by CertificateRequestPolicy "web"')
    signed_by = f'Issued by VaultClusterIssuer "demo", serial {signed.serial}'
    conditions = [approved, ready("True", "Issued", signed_by)]
    obj = certificate_request(request=csr, conditions=conditions, username="jane", duration="24h", **more)
    obj["status"] |= {
        "certificate": encoded(signed.leaf_pem + pem(ca.intermediate)),
        "ca": encoded(pem(ca.root)),
    }
    return obj


def issuer(reason: str = "Ready", message: str = "", **own: Any) -> Object:
    """The issuer as its controller left it."""
    obj = issuer_object(**own)
    obj["status"] = {"conditions": [ready("True" if reason == "Ready" else "False", reason, message)]}
    return obj


def policy(name: str = "web", *values: str) -> Object:
    """A policy for these DNS names, from any issuer of ours."""
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {
            "selector": {"issuerRef": {"group": "vault-issuer.io"}},
            "allowed": {
                "dnsNames": {"values": list(values or ("*.lab.example.test",))},
                "usages": ["digital signature", "key encipherment"],
            },
        },
    }


def event(reason: str, note: str, uid: str = "uid-of-team-a-one") -> Object:
    """An event about the request."""
    return {
        "metadata": {"name": f"one.{reason}"},
        "regarding": {"uid": uid},
        "type": "Warning",
        "reason": reason,
        "note": note,
        "eventTime": "2026-11-22T11:59:30.123456Z",
        "reportingController": "vault-issuer.io/controller",
    }


def no_step_issuers(api: FakeApi) -> None:
    """Say that there are no issuers of the second backend, in the whole cluster and in `team-a`."""
    for place in ("stepissuers", "stepclusterissuers", "namespaces/team-a/stepissuers"):
        api.always("GET", f"/apis/vault-issuer.io/v1alpha1/{place}", listing("1"))


@dataclass
class Scene:
    """Scripts the server, and gathers what the commands would."""

    api: FakeApi
    reader: Reader

    def told(
        self,
        obj: Object,
        *,
        path: str = REQUEST,
        issuer: Object | None = None,
        events: Reply | None = None,
        events_path: str = EVENTS,
    ) -> Scene:
        """A request, its issuer (None: there is none) and its events."""
        self.api.on("GET", path, json(obj))
        self.api.on("GET", ISSUER, refuse(404, "NotFound") if issuer is None else json(issuer))
        self.api.on("GET", events_path, events or listing("1"))
        return self

    def judged(self, *policies: Object, use: bool = True) -> Scene:
        """What the policies are, and whether the requester may use them."""
        self.api.on("GET", POLICIES, listing("1", *policies))
        self.api.on("GET", NAMESPACE, json({"metadata": {"labels": {}}}))
        answer = json({"status": {"allowed": use}}, status=201)
        self.api.on("POST", REVIEWS, *[answer for _ in policies])
        return self

    async def gather(self, target: InspectionTarget = ONE) -> RequestDetails:
        """Everything about the request."""
        request = await find_request(self.reader, target)
        assert request is not None
        return await gather(self.reader, request)


def printed(show: Callable[[Console], None]) -> str:
    """What a terminal would get, which may have colours."""
    to = io.StringIO()
    show(console(to, width=160, force_terminal=True, color_system="truecolor"))
    return to.getvalue()


def plain(show: Callable[[Console], None]) -> str:
    """What a file would get, line breaks and columns as single spaces."""
    to = io.StringIO()
    show(console(to, width=160))
    return " ".join(to.getvalue().split())
