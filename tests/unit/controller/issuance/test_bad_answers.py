"""Answers to signing calls that can't be delivered and say nothing of the request."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from issuer.signing.outcomes import AnswerFault, BadAnswer, NotRevoked, Retry
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.signing.vault.reasons import VaultRetry, VaultRevocationReason
from issuer.x509.request import read_request
from tests.builders import NOW, csr_pem
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench
from tests.unit.controller.issuance.bad_answers import LOST, told, unknown, waits


def key_sha256(bench: Bench) -> str:
    request = bench.store.get(KEY)
    assert request is not None
    public_key = read_request(bench.signer.asked[-1].csr_pem.encode()).public_key
    return hashlib.sha256(public_key).hexdigest()


Change = Callable[[TestCA, SigningRequest, SignedCertificate], SignedCertificate]

# More CAs than a chain may have, and more than are read.
CHANGES: dict[str, Change] = {
    "no CA": lambda _ca, _asked, signed: replace(signed, ca_pems=""),
    "another's CA": lambda _ca, _asked, signed: replace(signed, ca_pems=TestCA.make().ca_pems),
    "too many CAs": lambda _ca, _asked, signed: replace(signed, ca_pems=signed.ca_pems * 40),
    "CAs that are no PEM": lambda _ca, _asked, signed: replace(signed, ca_pems="x" + signed.ca_pems[:300]),
    "a clock ahead": lambda ca, asked, _signed: ca.sign(asked.csr_pem, now=NOW + timedelta(hours=2)),
    "a clock behind": lambda ca, asked, _signed: ca.sign(asked.csr_pem, now=NOW - timedelta(days=2)),
    "another key": lambda ca, _asked, _signed: ca.sign(csr_pem("a.lab.example.test").decode()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_can_be_read_is_revoked_and_the_request_waits(bench: Bench, change: Change) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(lambda asked: change(bench.ca, asked, bench.ca.sign(asked.csr_pem)))
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    assert "BadAnswer" in waits(bench)
    [line] = told(logs, "certificate not delivered")
    assert (line["request"], line["revoked"]) == (str(KEY), True)
    assert len(line["serial"]) > 30
    assert len(bench.signer.revoked) == 1
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "BadAnswer")
    assert bench.issuer_queue.delayed == 1


async def test_a_certificate_from_before_our_call_is_left_alone(bench: Bench) -> None:
    """A cache may have sent one that somebody uses."""
    bench.with_ready_issuer().with_request()
    old = bench.ca.sign(csr_pem("b.lab.example.test").decode(), now=NOW - timedelta(minutes=5))
    bench.signer.signs.append(old)
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    assert "BadAnswer" in waits(bench)
    [line] = told(logs, "certificate not delivered")
    assert (line["serial"], line["revoked"]) == (old.serial, False)
    assert bench.signer.revoked == []
    [unknown] = told(logs, "outcome unknown")
    assert unknown["public_key_sha256"] == key_sha256(bench), "one for our key may be elsewhere"


async def test_a_revocation_that_is_refused_leaves_the_serial(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(lambda asked: replace(bench.ca.sign(asked.csr_pem), ca_pems=""))
    bench.signer.revokes.append(NotRevoked(VaultRevocationReason.REVOCATION_NOT_PERMITTED, "no"))
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    [line] = told(logs, "certificate not delivered")
    assert line["serial"]
    assert (line["revoked"], "no" in line["not_revoked_because"]) == (False, True)


UNKNOWN: dict[str, tuple[Exception | SignedCertificate, str]] = {
    "lost": (LOST, "lost"),
    "no answer to it": (BadAnswer(AnswerFault.UNREADABLE, "no JSON"), "unreadable"),
    "garbled": (SignedCertificate("-----BEGIN CERTIFICATE-----\nMIIB\n", "", "aa:bb"), "unreadable"),
    "an error nobody expects": (ZeroDivisionError("x"), "unreadable"),
}


@pytest.mark.parametrize(("answer", "fault"), UNKNOWN.values(), ids=UNKNOWN)
async def test_what_nobody_saw_is_on_record_by_its_key(
    bench: Bench, answer: Exception | SignedCertificate, fault: str
) -> None:
    bench.with_ready_issuer().with_request()

    def sign(asked: SigningRequest) -> SignedCertificate:
        asked.before_sending()
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.signer.signs.append(sign)
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    assert "BadAnswer" in waits(bench)
    [line] = told(logs, "outcome unknown")
    assert line["uid"] == f"uid-of-{KEY.namespace}-{KEY.name}"
    assert line["public_key_sha256"] == key_sha256(bench)
    assert line["fault"] == fault
    assert unknown(bench, fault) == 1


async def test_an_error_before_anything_was_sent_is_no_bad_answer(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(ZeroDivisionError("x"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert "InternalError" in waits(bench)
    assert bench.registry.entry(CLUSTER_ISSUER).ready


async def test_a_call_that_is_interrupted_is_on_record(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    sent = asyncio.Event()

    async def sign(request: SigningRequest) -> SignedCertificate:
        request.before_sending()
        sent.set()
        await asyncio.sleep(3600)
        raise AssertionError

    bench.signer.sign = sign  # type: ignore[method-assign]
    with capture_logs() as logs:
        attempt = asyncio.create_task(bench.reconciler.reconcile(KEY))
        await sent.wait()
        attempt.cancel()
        await asyncio.wait([attempt])
    [line] = told(logs, "outcome unknown")
    assert line["fault"] == "interrupted"


async def test_a_failing_proxy_is_on_record_once_for_each_request(bench: Bench) -> None:
    """In an outage there are many attempts, all of one key; the issuer is not to blame."""
    bench.with_ready_issuer().with_request()
    for _ in range(3):
        bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "502", may_have_signed=True))
        with capture_logs() as logs:
            if not bench.kube.written:
                bench.kube.accepts_status()
            await bench.reconciler.reconcile(KEY)
        bench.queue.forget(KEY)
    assert bench.registry.entry(CLUSTER_ISSUER).ready
    assert told(logs, "outcome unknown") == []
    assert unknown(bench, "lost") == 1
