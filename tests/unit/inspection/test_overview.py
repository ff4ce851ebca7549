"""`status`: all at a glance, what needs attention, and what may not be seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from issuer.api.leases import GROUP_LABEL, SHARDS
from issuer.controller.leadership.lease_labels import labels
from issuer.inspection.overview.summary import SHOWN, overview
from issuer.inspection.overview.tables import show_overview
from tests.builders import NOW, certificate_request, condition, issuer_object, signing_request
from tests.unit.inspection.scene import Scene, issuer, plain, policy, ready
from tests.unit.kube.fake_api import Reply, listing, refuse

Object = dict[str, Any]
OURS = "/apis/vault-issuer.io/v1alpha1"
ALL: Mapping[str, str] = {
    "issuers": f"{OURS}/vaultissuers",
    "cluster issuers": f"{OURS}/vaultclusterissuers",
    "policies": f"{OURS}/certificaterequestpolicies",
    "leases": "/apis/coordination.k8s.io/v1/leases",
    "requests": "/apis/cert-manager.io/v1/certificaterequests",
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


LEADER = lease("vault-issuer", "pod-1")


def told(scene: Scene, **replies: Reply) -> Scene:
    """A cluster in which all is well, but for these lists."""
    well: dict[str, Reply] = {
        "issuers": listing("1"),
        "cluster_issuers": listing("1", issuer()),
        "policies": listing("1", policy() | {"status": {"conditions": [ready("True", "Ready")]}}),
        "leases": listing("1", LEADER),
        "requests": listing("1"),
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
    assert "All is well" in plain(partial(show_overview, found))


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
        "VaultIssuer team-a/new is not Ready: no controller has looked at it yet",
        "VaultClusterIssuer demo is not Ready (VaultSealed): unseal it",
        "VaultClusterIssuer warned: its CA ended at 2026-11-22T11:00:00Z",
        "VaultClusterIssuer warned: the CA ends soon",
        "VaultClusterIssuer changed is not Ready: it changed, and no controller has looked since",
        "CertificateRequestPolicy web is not Ready (Invalid): bad",
    ]
    shown = plain(partial(show_overview, found))
    assert "VaultSealed" in shown
    assert "Needs attention" in shown


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
    for kind, path in (("vaultissuers", OURS), ("certificaterequests", "/apis/cert-manager.io/v1")):
        scene.api.on("GET", f"{path}/namespaces/team-a/{kind}", listing("1"))
    scene.api.on("GET", ALL["cluster issuers"], listing("1"))
    scene.api.on("GET", ALL["policies"], listing("1"))
    scene.api.on("GET", ALL["leases"], listing("1", LEADER))
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
        ("who works is not shown", "list of leases.coordination.k8s.io in the whole cluster"),
        (
            "CertificateSigningRequests are not shown",
            "list of certificatesigningrequests.certificates.k8s.io in the whole cluster",
        ),
    ]
    assert found["attention"] == found["notShown"], "what is not seen can't be called well"


async def test_a_lease_that_ran_out_and_one_that_is_not_there_need_attention(scene: Scene) -> None:
    found = await look(told(scene, leases=listing("1", lease("vault-issuer", "pod-1", age=300))))
    assert found["controllers"][0]["leads"] is False
    assert "nobody holds the Lease sys/vault-issuer" in found["attention"][0]
    found = await look(told(scene, leases=listing("1")))
    assert "no controller has a Lease" in found["attention"][0]
    assert "none with a Lease" in plain(partial(show_overview, found))


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
    assert found["attention"] == ["1 of 3 shards of sys/vault-issuer are nobody's"]
    assert "3 (1 free)" in plain(partial(show_overview, found))
