"""Certificates that are not renewed in time, in `status` and `explain`: where cert-manager stands still."""

from __future__ import annotations

import io
from datetime import timedelta
from functools import partial
from typing import Any

from issuer.inspection.answers import GOOD, NOT_GOOD, explain_target
from issuer.inspection.objects.issuers import TrialOptions
from issuer.inspection.overview.certificates import LISTED, attention, certificates
from issuer.inspection.overview.summary import overview
from issuer.inspection.overview.tables import show_overview
from issuer.inspection.target import InspectionTarget
from issuer.terminal.console import console
from issuer.text import rfc3339
from tests.builders import NOW
from tests.ca import TestCA
from tests.unit.inspection.scene import EVENTS, ISSUER, REQUESTS, Scene, issued, issuer, plain, ready
from tests.unit.inspection.test_overview import lease, told
from tests.unit.kube.fake_api import json, listing

Object = dict[str, Any]
CERTIFICATE = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
EXPLAINED = "kubectl vault-issuer explain certificate/ended -n team-a"
WEB = InspectionTarget("Certificate", "team-a", "web")


def certificate(name: str, renewal: float, end: float, *, kind: str = "VaultClusterIssuer") -> Object:
    """A Ready Certificate whose renewal and end are so many hours from now."""
    return {
        "metadata": {"name": name, "namespace": "team-a", "uid": f"uid-of-{name}"},
        "spec": {"issuerRef": {"group": "vault-issuer.io", "kind": kind, "name": "demo"}},
        "status": {
            "conditions": [ready("True", "Ready", "it is up to date")],
            "renewalTime": hours(renewal),
            "notAfter": hours(end),
        },
    }


def hours(number: float) -> str:
    return rfc3339(NOW + timedelta(hours=number))


async def test_overdue_and_expired_certificates_are_counted_the_first_to_end_first(scene: Scene) -> None:
    several = [certificate(f"late-{number}", -1, 10 + number) for number in range(LISTED + 2)]
    found = await overview(
        told(
            scene,
            certificates=listing(
                "1",
                certificate("good", 5, 10),
                certificate("just-due", -0.05, 10),
                certificate("other", -5, -1, kind="Issuer"),
                *several,
                certificate("ended", -5, -1),
            ),
        ).reader,
        None,
        None,
        NOW,
    )
    counted = found["certificates"]
    numbers = {key: counted[key] for key in ("total", "ready", "pastRenewal", "expired", "unseen")}
    assert numbers == {
        "total": LISTED + 5,
        "ready": LISTED + 5,
        "pastRenewal": LISTED + 3,
        "expired": 1,
        "unseen": 0,
    }
    assert [one["name"] for one in counted["overdue"]] == ["ended", *(f"late-{n}" for n in range(LISTED - 1))]
    assert found["attention"] == [
        f"1 Certificate has expired: the first is team-a/ended, at 2026-11-22T11:00:00Z: {EXPLAINED}",
        f"{LISTED + 3} Certificates have not been renewed in time",
    ]
    text = plain(partial(show_overview, found, now=NOW))
    assert "team-a/ended: expired 60m ago, renewal was due 5h ago, for VaultClusterIssuer demo" in text
    assert "team-a/late-0: expires in 10h, renewal was due 60m ago" in text


async def test_a_certificate_that_cert_manager_never_saw_points_at_cert_manager(scene: Scene) -> None:
    new, old = certificate("new", 1, 2), certificate("old", 1, 2)
    for one, age in ((new, 1), (old, 3)):
        one["metadata"]["creationTimestamp"] = hours(-age / 60)
        one["status"] = {}
    told(scene, certificates=listing("1", new, old))
    found = await certificates(scene.reader, None, NOW)
    (line,) = attention(found)
    assert line.startswith(
        "1 Certificate has not been looked at by cert-manager: see whether cert-manager runs"
    )


async def test_explain_says_that_a_certificate_with_an_issued_request_is_overdue(
    scene: Scene, ca: TestCA
) -> None:
    for renewal, end, says in (
        (-1, 5, "its renewal was due at 2026-11-22T11:00:00Z"),
        (-5, -1, "its certificate expired at 2026-11-22T11:00:00Z"),
    ):
        answer = await explained(scene, certificate("web", renewal, end), issued(ca))
        assert answer.exit_code == NOT_GOOD
        assert any(
            one.startswith(f"{says}, and cert-manager has asked for no other") for one in answer.data["why"]
        )
        assert answer.data["do"][0]["command"].startswith(
            "kubectl get pods -A -l app.kubernetes.io/instance="
        )
        assert answer.data["do"][1]["command"] == "kubectl vault-issuer renew web -n team-a"
    assert (await explained(scene, certificate("web", 1, 5), issued(ca))).exit_code == GOOD


async def test_explain_says_that_a_certificate_without_a_request_is_overdue(scene: Scene) -> None:
    answer = await explained(scene, certificate("web", -5, -1))
    assert answer.exit_code == NOT_GOOD
    text = plain(answer.show)
    assert "which has not been renewed in time" in text
    assert "its certificate expired at 2026-11-22T11:00:00Z, and cert-manager has asked for no other" in text


async def explained(scene: Scene, obj: Object, *requests: Object) -> Any:
    """The answer of `explain` to a Certificate with these requests."""
    for one in requests:
        one["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "web"}
    scene.api.always("GET", CERTIFICATE, json(obj))
    scene.api.on("GET", REQUESTS, listing("1", *requests))
    scene.api.always("GET", ISSUER, json(issuer()))
    scene.api.on("GET", EVENTS, listing("1"))
    return await explain_target(scene.reader, WEB, TrialOptions(off="nothing is tried"), NOW)


async def test_times_at_the_end_of_all_years_end_no_command(scene: Scene) -> None:
    """Whoever may edit Certificates, or Leases of a namespace, writes them."""
    last = "9999-12-31T23:59:59Z"
    odd = certificate("odd", 0, 0)
    odd["status"] |= {"renewalTime": last, "notAfter": last}
    led = lease("vault-issuer", "pod-1")
    led["spec"]["renewTime"] = last
    scene = told(scene, certificates=listing("1", odd), leases=listing("1", led))
    found = await overview(scene.reader, None, None, NOW)
    assert [one["leads"] for one in found["controllers"]] == [True]
    show_overview(found, console(io.StringIO()), NOW)
