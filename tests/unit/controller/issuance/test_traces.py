"""A request's way as a real collector gets it: steps in their places, and nothing secret."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator

import pytest

from issuer.kube.errors import Unavailable
from issuer.signing.outcomes import Failed, Retry
from issuer.signing.signer import SigningRequest
from issuer.signing.vault.reasons import VaultFailure, VaultRetry
from issuer.signing.vault.signer import VaultSigner
from issuer.telemetry.address import traces_url
from issuer.telemetry.otlp import Traces
from issuer.telemetry.tracing import NOTHING, span
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AppRole
from tests.builders import csr_pem
from tests.otlp import Collected, collector
from tests.unit.controller.bench import Bench
from tests.unit.vault import fake
from tests.unit.vault.fake import fake_vault


@pytest.fixture
def collected() -> Iterator[Collected]:
    with collector() as running:
        yield running


@pytest.fixture
def traces(collected: Collected) -> Iterator[Traces]:
    one = Traces(traces_url(collected.url), "this-process")
    one.start()
    yield one
    one.close()


async def sent(traces: Traces) -> None:
    """Everything has arrived."""
    await asyncio.to_thread(traces.close)


async def test_an_issued_request_is_a_trace_of_its_steps(
    bench: Bench, traces: Traces, collected: Collected
) -> None:
    csr = csr_pem("a.lab.example.test")
    bench.with_ready_issuer().with_request(conditions=[], request=csr).signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    await sent(traces)
    (root,) = collected.named("request")
    assert collected.below(root) == ["decide", "sign", "verify", "write"]
    assert {one.trace for one in collected.spans} == {root.trace}
    assert root.parent == ""
    told = {key.removeprefix("vault_issuer."): value for key, value in root.attributes.items()}
    assert told.pop("serial")
    assert told == {
        "namespace": "team-a",
        "name": "one",
        "uid": "uid-of-team-a-one",
        "came_to": "Issued",
        "outcome": "issued",
        "reason": "Issued",
        "decision": "approved by policy",
        "policy": "everything",
    }
    assert collected.resources[0]["service.name"] == "vault-issuer"
    assert collected.resources[0]["service.instance.id"] == "this-process"
    for secret in (csr, base64.b64encode(csr), b"BEGIN"):
        assert secret not in collected.raw


async def test_an_attempt_without_an_answer_says_what_it_came_to(
    bench: Bench, traces: Traces, collected: Collected
) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "502 of https://vault.example.test"))
    bench.kube.accepts_status()
    await bench.reconcile()
    await sent(traces)
    (root,), (sign,) = collected.named("request"), collected.named("sign")
    assert root.attributes["vault_issuer.came_to"] == "RetryLater"
    assert "vault_issuer.outcome" not in root.attributes
    assert sign.error == "Retry"
    assert b"vault.example.test" not in collected.raw  # texts of errors are the log's


async def test_a_certificate_that_was_written_late_is_told_in_the_attempt_that_wrote_it(
    bench: Bench, traces: Traces, collected: Collected
) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.expect("replace_status", Unavailable("no answer"))
    await bench.reconcile()
    bench.kube.accepts_status()
    await bench.reconcile()
    await sent(traces)
    first, second = collected.named("request")
    assert collected.below(first) == ["decide", "sign", "verify", "write"]
    assert collected.below(second) == ["write"]
    assert [one.attributes.get("vault_issuer.outcome") for one in (first, second)] == [None, "issued"]


async def test_a_failed_request_is_written_without_being_verified(
    bench: Bench, traces: Traces, collected: Collected
) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, "no"))
    bench.kube.accepts_status()
    await bench.reconcile()
    await sent(traces)
    (root,) = collected.named("request")
    assert collected.below(root) == ["decide", "sign", "write"]
    assert root.attributes["vault_issuer.reason"] == "RefusedByVault"


async def test_a_login_that_signing_waits_for_is_inside_of_it(traces: Traces, collected: Collected) -> None:
    async with fake_vault() as vault:
        vault.tell(fake.APPROLE_LOGIN, fake.login("s.one"))
        vault.tell(fake.SIGN, fake.signed())
        signer = VaultSigner(Connection(vault.url), AppRole("role", "secret"), "pki/sign/web")
        try:
            with span("sign"):
                await signer.sign(SigningRequest(csr_pem("a.test").decode(), None, frozenset(), is_ca=False))
        finally:
            await signer.close()
    await sent(traces)
    (sign,), (login,) = collected.named("sign"), collected.named("login")
    assert login.parent == sign.id
    assert login.attributes == {"vault_issuer.method": "AppRole login at auth/approle"}
    assert b"s.one" not in collected.raw


async def test_a_trace_that_the_sampler_leaves_out_is_named_nowhere(
    collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    traces = Traces(traces_url(collected.url), "this-process")
    traces.start()
    with span("request") as one:
        assert (one.on, one.trace_id) == (False, "")
    await sent(traces)
    assert collected.spans == []


async def test_requests_side_by_side_do_not_mix(traces: Traces, collected: Collected) -> None:
    async def one(name: str) -> None:
        with span("request", name=name):
            await asyncio.sleep(0)
            with span("decide", name=name):
                await asyncio.sleep(0)

    await asyncio.gather(*(one(f"r{number}") for number in range(20)))
    await sent(traces)
    roots = {span.id: span for span in collected.named("request")}
    assert len({span.trace for span in roots.values()}) == 20
    for inner in collected.named("decide"):
        assert roots[inner.parent].attributes == inner.attributes


async def test_a_collector_that_is_away_holds_up_nothing(bench: Bench) -> None:
    traces = Traces("http://127.0.0.1:9/v1/traces", "this-process")  # the discard port: nobody listens
    traces.start()
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["status"] == "True"
    await asyncio.to_thread(traces.close)
    assert span("request") is NOTHING
