"""Names that no policy can allow end a request at once, whoever approves and whatever policies there are."""

from __future__ import annotations

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from tests.builders import approved, certificate_request, issuer_object, signing_request
from tests.unit.controller.bench import CLUSTER_ISSUER, Bench
from tests.unit.policy.forge import CN, attribute, csr, dns, sans, subject, tlv

TWO_IN_ONE = csr(sans(dns("a.lab.example.test"), dns("bank.com,x.lab.example.test")))
ODD = {
    "a list": (TWO_IN_ONE, "InvalidName: the DNS name \"bank.com,x.lab.example.test\" has ',' in it;"),
    "an x400Address": (
        csr(sans(tlv(0xA3))),
        "InvalidName: the subject alternative name is of the kind x400Address",
    ),
    "an ediPartyName": (
        csr(sans(tlv(0xA5))),
        "InvalidName: the subject alternative name is of the kind ediPartyName",
    ),
    "a common name": (csr(name=subject(attribute(CN, "a..test"))), 'the subject attribute "a..test" has'),
    "a hidden character": (csr(name=subject(attribute(CN, "a\u200bb"))), 'attribute "a\\u200bb" has the inv'),
}


def external(bench: Bench) -> Bench:
    bench.policies.drop("everything")
    bench.with_ready_issuer()
    bench.registry.entry(CLUSTER_ISSUER).spec = VaultIssuerSpec.parse(
        issuer_object(approval="External")["spec"]
    )
    return bench


def counted(bench: Bench, outcome: str) -> float | None:
    labels = {"outcome": outcome, "reason": "InvalidName"}
    return bench.metrics.registry.get_sample_value("vault_issuer_requests_total", labels)


@pytest.mark.parametrize("policies", ["one allows everything", "there is none"])
@pytest.mark.parametrize("odd", ODD)
async def test_a_request_is_denied_and_nobody_is_asked(bench: Bench, odd: str, policies: str) -> None:
    if policies == "there is none":
        bench.policies.drop("everything")
    pem, says = ODD[odd]
    bench.with_ready_issuer().with_request(request=pem, conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    kinds = {one["type"]: one for one in written["status"]["conditions"]}
    assert says in kinds["Denied"]["message"]
    assert (kinds["Ready"]["reason"], kinds["Ready"]["message"]) == ("Denied", kinds["Denied"]["message"])
    assert "No policy can allow that" in kinds["Ready"]["message"]
    assert written["status"]["failureTime"]
    assert (bench.access.asked, bench.signer.signed, counted(bench, "denied")) == (0, 0, 1)
    assert len(bench.unprocessed) == 0


@pytest.mark.parametrize("odd", ODD)
async def test_another_approvers_word_is_not_enough(bench: Bench, odd: str) -> None:
    pem, says = ODD[odd]
    external(bench).with_request(request=pem)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert says in bench.ready["message"]
    assert (bench.signer.signed, counted(bench, "failed")) == (0, 1)
    assert bench.store.get(RequestKey("team-a", "one")) is None, "it is answered for good"


async def test_nothing_is_said_before_the_other_approver(bench: Bench) -> None:
    external(bench).store.upsert(certificate_request(request=TWO_IN_ONE, conditions=[]))
    await bench.reconcile()
    assert bench.kube.written == []


async def test_a_kubernetes_csr_has_the_reason_in_its_condition(bench: Bench) -> None:
    bench.with_ready_issuer()
    obj = signing_request(request=TWO_IN_ONE, conditions=[approved()])
    bench.stores[KubernetesCSR].upsert(obj)
    bench.kube.expect("get", obj)
    bench.kube.accepts_status()
    await bench.reconcile(RequestKey("", "one"))
    [written] = bench.kube.written
    failed = next(one for one in written["status"]["conditions"] if one["type"] == "Failed")
    assert failed["reason"] == "InvalidName"
    assert "bank.com,x.lab.example.test" in failed["message"]


async def test_many_bad_names_make_a_bounded_message(bench: Bench) -> None:
    names = [dns(f"a..{number}.{'x' * 200}.test") for number in range(500)]
    request = csr(sans(*names))
    bench.with_ready_issuer().with_request(request=request, conditions=[])
    bench.kube.expect("get", certificate_request(request=request, conditions=[]))  # too large to be kept
    bench.kube.accepts_status()
    await bench.reconcile()
    assert len(bench.ready["message"]) <= 1100
