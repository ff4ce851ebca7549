"""`status`: all at a glance, what needs attention, and what may not be seen."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from issuer.api.leases import GROUP_LABEL, SHARDS
from issuer.controller.leadership.lease_labels import labels
from issuer.inspection.overview.requests import LAST, SHOWN
from issuer.inspection.overview.summary import overview
from issuer.inspection.overview.tables import show_overview
from issuer.inspection.overview.watching import watch
from issuer.requests.issuers import IssuerKey
from issuer.requests.reason_message import Opening, issuer_not_ready
from issuer.requests.reasons import CanaryReason
from issuer.signing.vault.reasons import VaultOutage
from issuer.terminal.console import console
from issuer.text import rfc3339
from tests.builders import NOW, certificate_request, condition, issuer_object, signing_request
from tests.unit.inspection.scene import Scene, issuer, plain, policy, ready
from tests.unit.kube.fake_api import Reply, listing, refuse

Object = dict[str, Any]
OURS = "/apis/vault-issuer.io/v1alpha1"
ALL: Mapping[str, str] = {
    "issuers": f"{OURS}/vaultissuers",
    "cluster issuers": f"{OURS}/vaultclusterissuers",
    "step issuers": f"{OURS}/stepissuers",
    "step cluster issuers": f"{OURS}/stepclusterissuers",
    "policies": f"{OURS}/certificaterequestpolicies",
    "leases": "/apis/coordination.k8s.io/v1/leases",
    "requests": "/apis/cert-manager.io/v1/certificaterequests",
    "certificates": "/apis/cert-manager.io/v1/certificates",
    "events": "/apis/events.k8s.io/v1/events",
    "csrs": "/apis/certificates.k8s.io/v1/certificatesigningrequests",
}


def lease(name: str, holder: str, *, age: int = 2, marks: Mapping[str, str] | None = None) -> Object:
    """A Lease of the controllers, renewed so many seconds ago."""
    renewed = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    meta = {"name": name, "namespace": "sys", "labels": {GROUP_LABEL: "vault-issuer", **(marks or {})}}
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 30,
        "renewTime": renewed,
        "acquireTime": "2026-11-22T10:00:00.000000Z",
    }
    return {"metadata": meta, "spec": spec}


ROTATE = "rotate it, https://vault-issuer.io/docs/rotate-the-ca.html"
LEADER = lease("vault-issuer", "pod-1")


def told(scene: Scene, **replies: Reply) -> Scene:
    """A cluster in which all is well, but for these lists."""
    well: dict[str, Reply] = {
        "issuers": listing("1"),
        "cluster_issuers": listing("1", issuer()),
        "policies": listing("1", policy() | {"status": {"conditions": [ready("True", "Ready")]}}),
        "leases": listing("1", LEADER),
        "requests": listing("1"),
        "certificates": listing("1"),
        "events": listing("1"),
        "csrs": listing("1"),
    }
    for name, reply in {**well, **replies}.items():
        scene.api.on("GET", ALL[name.replace("_", " ")], reply)
    return scene


async def look(scene: Scene, namespace: str | None = None) -> Object:
    """The overview."""
    return await overview(scene.reader, namespace, None, NOW)


async def test_where_all_is_well_nothing_needs_attention(scene: Scene) -> None:
    found = await look(told(scene))
    assert found["attention"] == []
    assert found["controllers"] == [
        {
            "namespace": "sys",
            "lease": "vault-issuer",
            "leader": "pod-1",
            "leads": True,
            "since": "2026-11-22T10:00:00Z",
            "renewed": "2026-11-22T11:59:58Z",
            "shards": None,
            "shardsFree": 0,
            "replicas": [],
        }
    ]
    assert "All is well" in plain(partial(show_overview, found, now=NOW))


async def test_roots_that_are_not_everywhere_are_told(scene: Scene) -> None:
    behind, fine = issuer(name="behind"), issuer(name="fine")
    for one, status in ((behind, "False"), (fine, "True")):
        one["spec"]["trust"] = {"clusterTrustBundle": {}}
        said = {"type": "TrustDistributed", "status": status, "reason": "RootMissing", "message": "import it"}
        one["status"]["conditions"].append(said)
    found = await look(told(scene, cluster_issuers=listing("1", behind, fine)))
    assert found["attention"] == [
        'VaultClusterIssuer "behind": its roots are not everywhere (RootMissing): import it'
    ]


async def test_issuers_and_policies_that_are_not_ready_and_warnings_are_told(scene: Scene) -> None:
    warned = issuer(name="warned")
    warned["status"] |= {"warnings": ["the CA ends soon"], "caNotAfter": "2026-11-22T11:00:00Z"}
    changed = issuer(name="changed", generation=3)
    changed["status"]["conditions"][0]["observedGeneration"] = 2
    found = await look(
        told(
            scene,
            issuers=listing("1", issuer_object("new", "team-a")),
            cluster_issuers=listing("1", issuer("VaultSealed", "unseal it"), warned, changed),
            policies=listing("1", policy() | {"status": {"conditions": [ready("False", "Invalid", "bad")]}}),
        )
    )
    assert found["attention"] == [
        'VaultIssuer "team-a/new" is not Ready: no controller has looked at it yet',
        'VaultClusterIssuer "demo" is not Ready (VaultSealed): unseal it',
        'VaultClusterIssuer "warned": its CA expired at 2026-11-22T11:00:00Z: ' + ROTATE,
        'VaultClusterIssuer "warned": the CA ends soon',
        'VaultClusterIssuer "changed" is not Ready: it changed, and no controller has looked since',
        'CertificateRequestPolicy "web" is not Ready (Invalid): bad',
    ]
    to = io.StringIO()
    show_overview(found, console(to, width=40), now=NOW)
    end = to.getvalue().partition("Needs attention\n")[2]
    assert end.splitlines() == [f"- {line}" for line in found["attention"]]  # a command in one can be copied


def waiting(number: int, minutes: int) -> Object:
    """A request that waits."""
    obj = certificate_request(f"r{number}", conditions=[ready("False", "Pending", f"why {number}")])
    obj["metadata"]["creationTimestamp"] = (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return obj


async def test_requests_are_counted_by_state_and_the_oldest_waiting_told(scene: Scene) -> None:
    others = [
        certificate_request("i", conditions=[ready("True", "Issued")]),
        certificate_request("d", conditions=[condition("Denied"), ready("False", "Denied")]),
        certificate_request("f", conditions=[ready("False", "Failed")]),
        certificate_request("x", issuerRef={"group": "other.io", "kind": "X", "name": "y"}),
    ]
    told(scene, requests=refuse(400, "BadRequest", "field label not supported"))
    first = listing("1", *others, *(waiting(n, n) for n in range(10)), more="next")
    scene.api.on("GET", ALL["requests"], first, listing("1", *(waiting(n, n) for n in range(10, 15))))
    found = await look(scene)
    counts = {"Issued": 1, "Waiting": 15, "Denied": 1, "Failed": 1}
    assert found["requests"]["CertificateRequest"] == counts
    assert [one["name"] for one in found["waiting"]] == [f"r{n}" for n in range(14, 14 - SHOWN, -1)]
    assert found["waiting"][0]["message"] == "why 14"
    assert found["attention"] == ["12 requests have waited for more than 2 minutes"]
    pages = [call for call in scene.api.calls if call.path == ALL["requests"]]
    assert [call.query.get("fieldSelector") for call in pages] == [
        "spec.issuerRef.group=vault-issuer.io",
        None,
        None,
    ]


async def test_a_namespace_has_its_issuers_requests_and_kubernetes_requests_alone(scene: Scene) -> None:
    of_cert_manager = "/apis/cert-manager.io/v1"
    for kind, path in (
        ("vaultissuers", OURS),
        ("certificaterequests", of_cert_manager),
        ("certificates", of_cert_manager),
    ):
        scene.api.on("GET", f"{path}/namespaces/team-a/{kind}", listing("1"))
    scene.api.on("GET", ALL["cluster issuers"], listing("1"))
    scene.api.on("GET", ALL["policies"], listing("1"))
    scene.api.on("GET", ALL["leases"], listing("1", LEADER))
    for namespace in ("team-a", "default"):
        scene.api.on("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", listing("1"))
    mine = signing_request("mine", signer="vaultissuers.vault-issuer.io/team-a.web")
    scene.api.on(
        "GET", ALL["csrs"], listing("1", mine, signing_request("others"), signing_request("y", signer="z/a"))
    )
    found = await look(scene, "team-a")
    assert [one["name"] for one in found["waiting"]] == ["mine"]
    assert found["waiting"][0]["message"] == "nobody has approved it yet"


async def test_missing_rights_are_named_and_the_rest_is_shown(scene: Scene) -> None:
    refused = refuse(403, "Forbidden")
    found = await look(told(scene, leases=refused, csrs=refused, issuers=refused))
    assert found["controllers"] is None
    assert [one["name"] for one in found["issuers"]] == ["demo"]
    lacking = [one.partition(": that takes ")[::2] for one in found["notShown"]]
    assert lacking == [
        ("VaultIssuers are not shown", "list of vaultissuers.vault-issuer.io in the whole cluster"),
        ("controllers are not shown", "list of leases.coordination.k8s.io in the whole cluster"),
        (
            "CertificateSigningRequests are not shown",
            "list of certificatesigningrequests.certificates.k8s.io in the whole cluster",
        ),
    ]
    assert found["attention"] == found["notShown"], "what is not seen can't be called well"


async def test_a_lease_that_ran_out_and_one_that_is_not_there_need_attention(scene: Scene) -> None:
    found = await look(told(scene, leases=listing("1", lease("vault-issuer", "pod-1", age=300))))
    assert found["controllers"][0]["leads"] is False
    assert 'no controller holds the Lease "sys/vault-issuer"' in found["attention"][0]
    found = await look(told(scene, leases=listing("1")))
    assert "no controller has a Lease" in found["attention"][0]
    assert "none with a Lease" in plain(partial(show_overview, found, now=NOW))


async def test_a_ca_that_expires_within_30_days_needs_attention(scene: Scene) -> None:
    soon, later = issuer(name="soon"), issuer(name="later")
    soon["status"]["caNotAfter"] = "2026-11-22T13:00:00Z"
    later["status"]["caNotAfter"] = "2026-12-23T12:00:00Z"
    found = await look(told(scene, cluster_issuers=listing("1", soon, later)))
    (one,) = found["attention"]
    assert one.startswith('VaultClusterIssuer "soon": its CA, or one above it, expires in 60m, at 2026-')
    assert one.endswith(f": {ROTATE}")


async def test_two_controllers_at_work_need_attention(scene: Scene) -> None:
    other = lease("vault-issuer", "pod-2")
    other["metadata"]["namespace"] = "default"
    found = await look(told(scene, leases=listing("1", LEADER, other)))
    (one,) = found["attention"]
    assert one.startswith('2 controllers work, by the Leases "default/vault-issuer" and "sys/vault-issuer":')


async def test_a_lease_that_an_installation_left_behind_is_told_with_how_to_delete_it(scene: Scene) -> None:
    left = lease("vault-issuer", "")
    left["metadata"]["namespace"] = "old"
    found = await look(told(scene, leases=listing("1", LEADER, left)))
    (one,) = found["attention"]
    assert one.endswith("Is that installation gone? kubectl delete lease vault-issuer -n old")


async def test_shards_are_told_with_who_has_them(scene: Scene) -> None:
    main = lease("vault-issuer", "a")
    main["metadata"]["annotations"] = {SHARDS: "3"}
    shard, member = labels("vault-issuer", "shard", 3), labels("vault-issuer", "member", 3)
    group = [
        main,
        lease("vault-issuer-shard-0", "a", marks=shard),
        lease("vault-issuer-shard-1", "b", marks=shard),
        lease("vault-issuer-shard-2", "", marks=shard),
        lease("m1", "a", marks=member),
        lease("m2", "b", marks=member),
        lease("m3", "c", marks=member),
    ]
    found = await look(told(scene, leases=listing("1", *group)))
    (one,) = found["controllers"]
    assert (one["shards"], one["shardsFree"]) == (3, 1)
    assert one["replicas"] == [
        {"identity": "a", "shards": 1},
        {"identity": "b", "shards": 1},
        {"identity": "c", "shards": 0},
    ]
    assert found["attention"] == ['1 of 3 shards of "sys/vault-issuer" have no owner']
    assert "3 (1 free)" in plain(partial(show_overview, found, now=NOW))


async def test_what_may_not_be_read_is_not_known_rather_than_none(scene: Scene) -> None:
    refused = refuse(403, "Forbidden")
    found = await look(told(scene, **{name.replace(" ", "_"): refused for name in ALL}))
    assert [found[name] for name in ("issuers", "policies", "controllers", "canaries", "certificates")] == [
        None
    ] * 5
    assert found["requests"] == {"CertificateRequest": None, "CertificateSigningRequest": None}
    text = plain(partial(show_overview, found, now=NOW))
    for part in ("Controllers", "Issuers", "Policies", "Certificates"):
        assert f"{part} not known" in text
    assert "CertificateRequest not known" in text
    assert "none" not in text.partition("Needs attention")[0]
    assert " 0 " not in text


async def test_one_kind_of_issuer_that_may_not_be_read_is_not_known(scene: Scene) -> None:
    found = await look(told(scene, issuers=refuse(403, "Forbidden")))
    assert [one["name"] for one in found["issuers"]] == ["demo"]
    assert found["issuersNotKnown"] == ["VaultIssuer"]
    assert "VaultIssuer: not known" in plain(partial(show_overview, found, now=NOW))


async def test_waiting_requests_are_grouped_by_reason_with_the_oldest_of_each(scene: Scene) -> None:
    sealed = issuer_not_ready(
        IssuerKey("VaultClusterIssuer", "", "demo").quoted, VaultOutage.VAULT_SEALED, "unseal it"
    )
    requests = [
        *(waiting_for(f"s{number}", sealed, number) for number in (3, 7, 5)),
        waiting_for("p", f"{Opening.NO_POLICY_EXISTS} in this cluster.", 9),
        waiting_for("n", "", 1),
    ]
    found = await look(told(scene, requests=listing("1", *requests)))
    groups = [(one["reason"], one["count"], one["oldest"]["name"]) for one in found["waitingByReason"]]
    assert groups == [("VaultSealed", 3, "s7"), ("NoPolicyExists", 1, "p"), ("NotJudgedYet", 1, "n")]
    text = plain(partial(show_overview, found, now=NOW))
    assert "VaultSealed: 3 requests for " in text
    assert "the oldest, team-a/s7, for 7m" in text
    assert "unseal it" in text


async def test_a_request_that_others_have_to_approve_is_told_so(scene: Scene) -> None:
    approved = certificate_request("signed-next", conditions=[condition("Approved")])
    requests = listing("1", waiting_for("n", "", 1), approved)
    found = await look(
        told(scene, cluster_issuers=listing("1", issuer(approval="External")), requests=requests)
    )
    groups = {one["reason"]: one["oldest"] for one in found["waitingByReason"]}
    assert {reason: one["name"] for reason, one in groups.items()} == {
        "NotApproved": "n",
        "NotJudgedYet": "signed-next",
    }
    assert "spec.approval External" in groups["NotApproved"]["message"]


async def test_the_last_denied_and_failed_are_named_newest_first(scene: Scene) -> None:
    requests = [
        *(ended_request(f"d{number}", "Denied", number) for number in range(8)),
        ended_request("f", "Failed", 3),
    ]
    found = await look(told(scene, requests=listing("1", *requests)))
    assert [one["name"] for one in found["lastDenied"]] == [f"d{number}" for number in range(LAST)]
    assert [one["name"] for one in found["lastFailed"]] == ["f"]
    text = plain(partial(show_overview, found, now=NOW))
    assert "team-a/d2: denied 2m ago" in text
    assert "team-a/f: failed 3m ago" in text
    assert "why f" in text
    assert "All is well, unless what is above should not have been denied" in text


async def test_a_canary_that_fails_needs_attention_until_it_passes(scene: Scene) -> None:
    failed = canary_event(CanaryReason.CANARY_FAILED, "vault: it is sealed", 5)
    passed = canary_event(CanaryReason.CANARY_PASSED, "all stages passed", 1)
    told(scene, events=listing("1", failed))
    found = await look(tell_events(scene))
    assert found["attention"] == ['the canary of VaultClusterIssuer "demo" fails: vault: it is sealed']
    assert "VaultClusterIssuer/demo: fails, 5m ago" in plain(partial(show_overview, found, now=NOW))
    told(scene, events=listing("1", failed))
    found = await look(tell_events(scene, passed))
    assert found["attention"] == []
    assert "passes again, 60s ago" in plain(partial(show_overview, found, now=NOW))


async def test_nothing_is_broken_at_80_columns_and_times_are_ages(scene: Scene) -> None:
    named = issuer(
        "VaultSealed", "unseal it at https://vault.example.test:8200", name="a-cluster-issuer-of-the-lab"
    )
    named["status"]["caNotAfter"] = "2031-11-22T12:00:00Z"
    leader = lease("vault-issuer", "vault-issuer-7d9c5b6f84-x2abc_1f0a3c55-0b7e-4f0e-9a51-1d2c3b4a5968")
    cluster = told(
        scene,
        cluster_issuers=listing("1", named),
        leases=listing("1", leader),
        requests=listing("1", waiting_for("a-request-with-a-long-name", "a reason of many words " * 9, 90)),
    )
    found = await look(cluster)
    to = io.StringIO()
    show_overview(found, console(to, width=80), NOW)
    lines = to.getvalue().partition("Needs attention")[0].splitlines()
    assert max(map(len, lines)) <= 80
    words = set(to.getvalue().split())
    assert {"vault-issuer-7d9c5b6f84-x2abc_1f0a3c55-0b7e-4f0e-9a51-1d2c3b4a5968"} <= words
    assert {"VaultClusterIssuer/a-cluster-issuer-of-the-lab", "https://vault.example.test:8200"} <= words
    assert "in 5y" in to.getvalue()
    assert "2026-11-22T" not in to.getvalue()


async def test_watching_looks_again_and_survives_an_outage(scene: Scene) -> None:
    scene.api.on("GET", ALL["policies"], refuse(500, "InternalError"))
    to, looks = io.StringIO(), 0

    async def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise asyncio.CancelledError
        told(scene)

    with pytest.raises(asyncio.CancelledError):
        await watch(scene.reader, None, None, console(to, width=80), lambda: NOW, sleep)
    assert to.getvalue().count("All is well.") == 2
    assert "Asking again." in to.getvalue()


def tell_events(scene: Scene, *events: Object) -> Scene:
    """What is told of events when they are asked for once more."""
    scene.api.on("GET", ALL["events"], listing("1", *events))
    return scene


def ago(minutes: int) -> str:
    return rfc3339(NOW - timedelta(minutes=minutes))


def waiting_for(name: str, message: str, minutes: int) -> Object:
    """A request that has waited so many minutes, and says so; without a message nobody answered yet."""
    conditions = [ready("False", "Pending", message)] if message else []
    obj = certificate_request(name, conditions=conditions)
    obj["metadata"]["creationTimestamp"] = ago(minutes)
    return obj


def ended_request(name: str, reason: str, minutes: int) -> Object:
    """A request that was denied or failed so many minutes ago."""
    condition = ready("False", reason, f"why {name}") | {"lastTransitionTime": ago(minutes)}
    return certificate_request(name, conditions=[condition])


def canary_event(reason: CanaryReason, note: str, minutes: int) -> Object:
    """An event that the controller wrote about the canary of an issuer."""
    return {
        "metadata": {"name": f"demo.{reason}"},
        "regarding": {
            "apiVersion": "vault-issuer.io/v1alpha1",
            "kind": "VaultClusterIssuer",
            "name": "demo",
        },
        "reason": reason.value,
        "note": note,
        "eventTime": ago(minutes),
    }


async def test_a_policy_that_selects_no_issuer_needs_attention_though_it_is_ready(scene: Scene) -> None:
    idle = policy() | {"status": {"conditions": [ready("True", "IssuerNotFound", "no issuer has the name")]}}
    told(scene, policies=listing("1", idle))
    found = await overview(scene.reader, None, None, NOW)
    assert 'CertificateRequestPolicy "web" (IssuerNotFound): no issuer has the name' in found["attention"]
    assert "no issuer has the name" in plain(partial(show_overview, found, now=NOW))
