"""CertificateSigningRequests go the way of all requests, but for who approves them and how they are told."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.kube.errors import Conflict, Forbidden, NotFound, Unavailable
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import DURATION, KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.signing.vault.profile import signing_profile
from testbed.samples import policy
from tests.builders import approved, issuer_object, signing_request
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench, with_meta

CSR = RequestKey("", "one")
NAMESPACED = "vaultissuers.vault-issuer.io/team-a.demo"


def with_csr(bench: Bench, **more: Any) -> Bench:
    more.setdefault("conditions", [approved()])
    bench.stores[KubernetesCSR].upsert(signing_request(**more))
    return bench


def read(bench: Bench, key: RequestKey = CSR) -> None:
    """The next call reads the whole request, before its status is written."""

    def current(_sent: Object) -> Object:
        known = bench.stores[KubernetesCSR].get(key)
        assert known is not None
        return {**known.object, "metadata": {**known.object["metadata"], "labels": {"team": "x"}}}

    bench.kube.expect("get", current)


def failed(bench: Bench) -> Object:
    [written] = bench.kube.written
    return next(one for one in written["status"]["conditions"] if one["type"] == "Failed")


def told(bench: Bench) -> list[str]:
    return [message for *what, message in bench.recorder.events if what == ["Warning", "Pending"]]


async def test_the_certificate_is_one_write_and_the_approval_is_not_ours(bench: Bench) -> None:
    with_csr(bench.with_ready_issuer().signs(), expirationSeconds=90 * 24 * 3600)
    read(bench)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    [written] = bench.kube.written
    assert written["metadata"]["labels"] == {"team": "x"}, "what isn't kept here is not taken away"
    assert set(written["status"]) == {"conditions", "certificate"}
    assert written["status"]["conditions"] == [approved()]
    assert base64.b64decode(written["status"]["certificate"]).count(b"BEGIN CERTIFICATE") == 2
    assert bench.stores[KubernetesCSR].get(CSR) is None
    assert {reason for _, reason, _ in bench.recorder.events} == {"CertificateDiffers"}


@pytest.mark.parametrize("approval", ["Policy", "External"])
async def test_nothing_is_done_or_said_before_it_is_approved(bench: Bench, approval: str) -> None:
    with_csr(bench.with_ready_issuer(), conditions=[], annotations={DURATION: "nonsense"})
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(approval=approval)["spec"])
    entry.profile = signing_profile(spec)
    await bench.reconcile(CSR)
    assert (bench.kube.written, bench.recorder.events, bench.access.asked) == ([], [], 0)


async def test_a_rule_with_a_namespace_is_not_asked_for_a_cluster_issuer(bench: Bench) -> None:
    rule = {"rule": "self.endsWith(cr.namespace + '.lab.example.test')"}
    open_rule = policy("everything", {"dnsNames": {"validations": [rule]}, "usages": ["client auth"]})
    bench.policies.upsert(with_meta(open_rule, generation=2))
    with_csr(bench.with_ready_issuer())
    read(bench)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    assert failed(bench)["reason"] == "PolicyDenied"
    assert "spec.allowed.dnsNames.validations[0]" in failed(bench)["message"]
    assert "is not asked, since cr.namespace is empty" in failed(bench)["message"]
    assert bench.signer.signed == 0


async def test_a_denial_by_policy_is_the_condition_failed(bench: Bench) -> None:
    bench.policies.upsert(with_meta(policy("everything", {}), generation=2))
    with_csr(bench.with_ready_issuer())
    read(bench)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    assert (failed(bench)["status"], failed(bench)["reason"]) == ("True", "PolicyDenied")
    assert "spec.allowed.dnsNames" in failed(bench)["message"]
    assert bench.kube.written[0]["status"]["conditions"][0] == approved()


async def test_why_it_waits_is_told_once_by_an_event_and_never_written(bench: Bench) -> None:
    bench.access.refused.add("everything")
    with_csr(bench.with_ready_issuer())
    await bench.reconcile(CSR)
    await bench.reconcile(CSR)
    assert len(told(bench)) == 1
    assert "everything" in told(bench)[0]
    bench.unprocessed.wake_all()
    assert bench.queue.depth == 1


async def test_one_made_again_under_its_name_is_told_too(bench: Bench) -> None:
    with_csr(bench)
    await bench.reconcile(CSR)
    with_csr(bench, uid="another")
    await bench.reconcile(CSR)
    assert len(told(bench)) == 2


async def test_it_waits_for_its_issuer_and_wakes_with_it(bench: Bench) -> None:
    with_csr(bench)
    await bench.reconcile(CSR)
    assert 'there is no VaultClusterIssuer "demo"' in told(bench)[0]
    bench.with_ready_issuer()
    assert bench.queue.depth == 1


async def test_a_namespaced_issuer_is_only_for_who_may_reference_it(bench: Bench) -> None:
    with_csr(bench, signer=NAMESPACED, uid="u", extra={"scope": ["a"]})
    asked: list[Object] = []

    def refuse(sent: Object) -> Object:
        asked.append(sent["spec"])
        return {"status": {"allowed": False}}

    bench.kube.expect("create", refuse)
    bench.kube.expect("create", refuse)
    read(bench)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    assert failed(bench)["reason"] == "DeniedReference"
    assert [one["resourceAttributes"]["name"] for one in asked] == ["demo", "*"]
    assert asked[0]["resourceAttributes"] == {
        "verb": "reference",
        "group": "vault-issuer.io",
        "resource": "signers",
        "name": "demo",
        "namespace": "team-a",
    }
    assert (asked[0]["user"], asked[0]["groups"], asked[0]["extra"]) == ("alice", ["dev"], {"scope": ["a"]})


async def test_an_api_server_that_cannot_say_who_may_reference_puts_it_off(bench: Bench) -> None:
    with_csr(bench, signer=NAMESPACED)
    bench.kube.expect("create", Unavailable("down"))
    await bench.reconcile(CSR)
    assert bench.kube.written == []
    assert bench.queue.delayed == 1


async def test_without_the_right_to_sign_nothing_is_judged_or_signed(bench: Bench) -> None:
    bench.rights.may_write = False
    with_csr(bench.with_ready_issuer())
    await bench.reconcile(CSR)
    assert (bench.access.asked, bench.signer.signed, bench.kube.written) == (0, 0, [])
    assert "config/rbac/certificate-signing-requests.yaml" in told(bench)[0]
    bench.rights.may_write = True
    bench.unprocessed.wake_all()
    assert bench.queue.depth == 1


async def test_a_refused_write_holds_back_other_csrs_but_no_certificaterequests(bench: Bench) -> None:
    with_csr(bench.with_ready_issuer().signs())
    read(bench)
    bench.kube.expect("replace_status", Forbidden("cannot update", status=403))
    bench.kube.expect("create", {"status": {"allowed": False}})
    await bench.reconcile(CSR)
    assert len(bench.delivery.held) == 1
    assert bench.registry.entry(CLUSTER_ISSUER).ready
    with_csr(bench, name="two")
    await bench.reconcile(RequestKey("", "two"))
    assert bench.signer.signed == 1
    assert "StatusWriteRefused" in told(bench)[-1]
    bench.with_request().signs()
    bench.kube.accepts_status()
    await bench.reconcile(KEY)
    assert bench.signer.signed == 2
    read(bench)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    bench.signs()
    read(bench, RequestKey("", "two"))
    bench.kube.accepts_status()
    await bench.reconcile(RequestKey("", "two"))
    assert bench.signer.signed == 3


async def test_a_conflict_is_read_again_and_the_same_certificate_is_delivered(bench: Bench) -> None:
    with_csr(bench.with_ready_issuer().signs())
    newer = signing_request(conditions=[approved()], annotations={"note": "by another"})
    read(bench)
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect("get", newer)
    bench.kube.expect("get", newer)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    assert bench.signer.signed == 1
    assert bench.kube.written[-1]["metadata"]["annotations"] == {"note": "by another"}


async def test_one_deleted_between_signing_and_writing_has_its_certificate_revoked(bench: Bench) -> None:
    with_csr(bench.with_ready_issuer().signs())
    bench.signer.revokes.append(None)
    read(bench)
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))
    await bench.reconcile(CSR)
    assert (len(bench.delivery.held), len(bench.signer.revoked)) == (0, 1)


async def test_a_lifetime_that_changed_is_judged_anew(bench: Bench) -> None:
    bench.policies.upsert(
        with_meta(policy("everything", {}, constraints={"minDuration": "1h"}), generation=2)
    )
    bench.policies.upsert(with_meta(policy("unusable", {})))
    bench.access.refused.update({"everything", "unusable"})
    with_csr(bench.with_ready_issuer(), annotations={DURATION: "48h"})
    await bench.reconcile(CSR)
    bench.access.refused.clear()
    with_csr(bench, annotations={DURATION: "30m"})
    read(bench)
    bench.kube.accepts_status()
    await bench.reconcile(CSR)
    assert "spec.constraints.minDuration" in failed(bench)["message"]


async def test_policies_see_the_issuers_namespace(bench: Bench) -> None:
    obj = issuer_object(namespace="team-a")
    bench.issuers["VaultIssuer"].upsert(obj)
    key = IssuerKey("VaultIssuer", "team-a", "demo")
    entry = bench.registry.entry(key)
    entry.uid, entry.generation, entry.spec = "uid-1", 1, VaultIssuerSpec.parse(obj["spec"])
    entry.profile = signing_profile(entry.spec)
    selector = {"issuerRef": {}, "namespace": {"matchNames": ["team-b"]}}
    bench.policies.upsert(with_meta(policy("everything", {}, selector=selector), 2))
    with_csr(bench, signer=NAMESPACED)
    bench.kube.expect("create", {"status": {"allowed": True}})
    await bench.reconcile(CSR)
    assert 'the request\'s namespace is "team-a"' in told(bench)[0]


def test_one_of_another_kind_with_the_same_name_is_another_request(bench: Bench) -> None:
    bench.with_request()
    with_csr(bench)
    assert bench.store.get(CSR) is None
    assert bench.stores[KubernetesCSR].get(CSR) is not None
    bench.stores[KubernetesCSR].begin()
    bench.stores[KubernetesCSR].end()
    assert bench.store.get(RequestKey("team-a", "one")) is not None
