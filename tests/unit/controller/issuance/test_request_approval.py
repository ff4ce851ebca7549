"""Approval: one write, whoever approves, and nothing signed that no policy allows."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from issuer.api.issuers import VaultIssuerSpec
from issuer.kube.errors import Unavailable
from issuer.signing.vault.profile import signing_profile
from testbed.samples import policy
from tests.builders import approved, issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench, with_meta


async def test_an_approved_request_is_signed_and_answered_in_one_write(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    chain = base64.b64decode(written["status"]["certificate"]).decode()
    assert chain.count("BEGIN CERTIFICATE") == 2
    assert "root" not in chain
    assert base64.b64decode(written["status"]["ca"]).decode() == bench.ca.ca_pems.split("\n-----BEGIN")[
        1
    ].join(["-----BEGIN", ""])
    assert (bench.ready["status"], bench.ready["reason"]) == ("True", "Issued")
    assert written["status"]["conditions"][0] == approved()
    assert bench.store.get(KEY) is None


async def test_our_approval_and_the_certificate_are_one_write(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    kinds = {one["type"]: one for one in written["status"]["conditions"]}
    assert set(kinds) == {"Approved", "Ready"}
    assert kinds["Approved"]["reason"] == "vault-issuer.io"
    assert '"everything"' in kinds["Approved"]["message"]


async def test_a_denial_of_ours_is_one_write_with_its_reasons(bench: Bench) -> None:
    bench.policies.upsert(with_meta(policy("everything", {}), generation=2))
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    kinds = {one["type"]: one for one in written["status"]["conditions"]}
    assert "spec.allowed.dnsNames" in kinds["Denied"]["message"]
    assert kinds["Ready"]["reason"] == "Denied"
    assert written["status"]["failureTime"]
    assert bench.signer.signed == 0


def decided(bench: Bench, verdict: str, policy: str) -> float | None:
    labels = {"verdict": verdict, "policy": policy}
    return bench.metrics.registry.get_sample_value("vault_issuer_policy_decisions_total", labels)


async def test_a_denial_counts_for_each_policy_that_refused(bench: Bench) -> None:
    for name in ("everything", "other", "unusable"):
        bench.policies.upsert(with_meta(policy(name, {}), generation=2))
    bench.access.refused.add("unusable")
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert [decided(bench, "Denied", one) for one in ("everything", "other", "unusable", "")] == [
        1,
        1,
        None,
        0,
    ]


async def test_an_approval_counts_for_the_policy_that_approved_alone(bench: Bench) -> None:
    bench.policies.upsert(with_meta(policy("other", {}), generation=2))
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert decided(bench, "Approved", "everything") == 1
    assert decided(bench, "Denied", "other") is None


async def test_a_denial_beside_an_approval_is_a_failure_and_never_denied(bench: Bench) -> None:
    bench.policies.upsert(with_meta(policy("everything", {}), generation=2))
    bench.with_ready_issuer().with_request()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert {one["type"] for one in bench.kube.written[0]["status"]["conditions"]} == {"Approved", "Ready"}


async def test_a_request_no_policy_applies_to_says_so_and_wakes_with_the_policies(bench: Bench) -> None:
    bench.access.refused.add("everything")
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "everything" in bench.ready["message"]
    assert len(bench.unprocessed) == 1
    bench.unprocessed.wake_all()
    assert bench.queue.depth == 1


async def test_an_external_issuers_request_waits_for_the_other_approver(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(approval="External")["spec"])
    entry.profile = signing_profile(spec)
    await bench.reconcile()
    assert bench.kube.written == []
    bench.registry.spec_read(CLUSTER_ISSUER, spec, entry.profile)  # checked again
    assert bench.queue.depth == 0
    decides = VaultIssuerSpec.parse(issuer_object(approval="Policy")["spec"])
    bench.registry.spec_read(CLUSTER_ISSUER, decides, signing_profile(decides))
    assert bench.queue.depth == 1


async def test_a_request_that_waits_for_an_approver_hears_that_its_issuer_is_gone(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.registry.entry(CLUSTER_ISSUER).spec = VaultIssuerSpec.parse(
        issuer_object(approval="External")["spec"]
    )
    await bench.reconcile()
    (waits,) = bench.registry.known_waiting()
    await bench.registry.forget(CLUSTER_ISSUER)
    assert bench.queue.depth == 1
    assert bench.registry.known_waiting() == ()
    bench.registry.unapproved.add(waits, CLUSTER_ISSUER)
    bench.registry.leave(waits)  # it is deleted
    assert bench.registry.known_waiting() == ()


async def test_an_external_issuer_that_no_policy_selects_signs_on_the_other_approvers_word(
    bench: Bench,
) -> None:
    bench.policies.drop("everything")
    bench.with_ready_issuer().with_request().signs()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(approval="External")["spec"])
    entry.profile = signing_profile(spec)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_an_api_server_that_cannot_say_who_may_what_puts_the_request_off(bench: Bench) -> None:
    async def unable(*_: object) -> bool:
        raise Unavailable("down")

    bench.access.may_use = unable  # type: ignore[method-assign, assignment]
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.queue.delayed == 1


async def test_a_right_to_approve_that_went_is_noticed_before_anything_is_signed(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.rights.allowed = False
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert "ApprovalForbidden" in bench.ready["message"]
    assert bench.issuer_queue.delayed == 1


async def test_a_policy_that_comes_while_a_request_is_judged_has_it_judged_again(bench: Bench) -> None:
    bench.access.refused.add("everything")
    bench.with_ready_issuer().with_request(conditions=[])
    bench.queue.add(KEY)
    assert await bench.queue.get() == KEY
    real = bench.access.may_use

    async def meanwhile(policy: str, namespace: str, spec: Mapping[str, Any]) -> bool:
        bench.unprocessed.wake_all()
        return await real(policy, namespace, spec)

    bench.access.may_use = meanwhile  # type: ignore[method-assign, assignment]
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.queue.done(KEY)
    assert bench.queue.depth == 1


async def test_a_mistake_in_a_policy_does_not_open_an_external_issuer(bench: Bench) -> None:
    bench.policies.drop("everything")
    broken = policy("guard", {}, constraints={"minDuration": "3h", "maxDuration": "1h"})
    bench.policies.upsert(with_meta(broken))
    bench.with_ready_issuer().with_request()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(approval="External")["spec"])
    entry.profile = signing_profile(spec)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.ready["reason"] == "Pending"
    assert "guard" in bench.ready["message"]
