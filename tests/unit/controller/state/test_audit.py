"""Each request has exactly one log line when it is answered, with the times of its steps, in both formats."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from issuer.kube.errors import NotFound, Unavailable
from issuer.kube.wire import Object
from issuer.signing.outcomes import Failed, Retry
from issuer.signing.vault.reasons import VaultFailure, VaultRetry
from issuer.telemetry.logs import LogFormat, configure
from testbed.samples import policy
from tests.builders import certificate_request, condition, csr_pem
from tests.unit.controller.bench import Bench, with_meta

Lines = Callable[[], list[str]]
ANSWERS = ("issued", "denied", "failed")
DURATIONS = ("waiting", "deciding", "signing", "writing")
REQUESTER = "system:serviceaccount:cert-manager:cert-manager"


@pytest.fixture(params=["json", "console"])
def log_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lines(log_format: LogFormat, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The log as it is written: its lines that tell of an answer."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    before = structlog.get_config()
    configure(log_format, "debug")
    for module in (
        "state.audit",
        "issuance.reconciler",
        "delivery.delivering",
        "delivery.discarding",
        "delivery.held",
        "state.defects",
    ):
        # Loggers keep what was configured when they were used first.
        path = f"issuer.controller.{module}.log"
        monkeypatch.setattr(path, structlog.get_logger(module))

    def told() -> list[str]:
        found = stream.getvalue().splitlines()
        if log_format == "json":
            return [one for one in found if json.loads(one)["event"] in ANSWERS]
        return [one for one in found if any(f"] {word} " in one for word in ANSWERS)]

    yield told
    structlog.configure(**before)


def fields(line: str, log_format: str, *names: str) -> dict[str, Any]:
    """These fields of a line; what a console line has is only looked for."""
    if log_format == "json":
        read = json.loads(line)
        return {name: read.get(name) for name in names}
    found = {}
    for name in names:
        start = line.find(f"{name}=")
        found[name] = None if start < 0 else line[start + len(name) + 1 :]
    return found


def says(line: str, log_format: str, **wanted: str | None) -> None:
    """The line has these fields with these values; None: not at all."""
    for name, value in fields(line, log_format, *wanted).items():
        expected = wanted[name]
        if expected is None or log_format == "json":
            assert value == expected
        else:
            assert value is not None
            assert value.startswith((expected, repr(expected)))


def has_durations(line: str, log_format: str) -> None:
    for name, value in fields(line, log_format, *DURATIONS, "seconds").items():
        assert value is not None, name
        if log_format == "json":
            assert isinstance(value, float)
            assert value >= 0


async def test_an_issued_request_tells_who_what_policy_serial_and_durations(
    bench: Bench, lines: Lines, log_format: str
) -> None:
    bench.with_ready_issuer().with_request(conditions=[], username=REQUESTER).signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    says(
        line,
        log_format,
        request="team-a/one",
        requester=REQUESTER,
        issuer="VaultClusterIssuer demo",
        decision="approved by policy",
        policy="everything",
        reason="Issued",
        message=None,
    )
    has_durations(line, log_format)
    assert fields(line, log_format, "serial")["serial"]
    assert str(fields(line, log_format, "not_after")["not_after"])[:2] == "20"
    assert "CERTIFICATE" not in line


async def test_a_denied_request_tells_why(bench: Bench, lines: Lines, log_format: str) -> None:
    bench.policies.upsert(with_meta(policy("everything", {}), 2))
    bench.with_ready_issuer().with_request(conditions=[], username=REQUESTER)
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    says(line, log_format, decision="denied by policy", reason="Denied", requester=REQUESTER, serial=None)
    assert fields(line, log_format, "message")["message"]
    has_durations(line, log_format)


async def test_a_request_that_others_denied_says_so(bench: Bench, lines: Lines, log_format: str) -> None:
    bench.with_ready_issuer().with_request(conditions=[condition("Denied")])
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    says(line, log_format, decision="denied by another approver", reason="Denied")


async def test_a_failed_request_tells_the_reason_and_who_approved(
    bench: Bench, lines: Lines, log_format: str
) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, "not\nthis name"))
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    says(line, log_format, decision="approved by policy", policy="everything", reason="RefusedByVault")
    assert _count(bench, "failed", "RefusedByVault") == 1


async def test_a_request_that_can_never_be_served_was_decided_by_nobody(
    bench: Bench, lines: Lines, log_format: str
) -> None:
    bench.with_ready_issuer().with_request(kind="Issuer", conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    says(line, log_format, decision="none", reason="InvalidRequest", issuer=None)


async def test_waiting_and_trying_again_have_no_line_but_the_answer_has_one(
    bench: Bench, lines: Lines, log_format: str
) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()  # says once why it waits
    for _ in range(2):
        bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "502"))
        await bench.reconcile()
    assert lines() == []
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert len(lines()) == 1


async def test_a_certificate_written_late_has_its_one_line_then(
    bench: Bench, lines: Lines, log_format: str
) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.expect("replace_status", Unavailable("no answer"))
    await bench.reconcile()
    assert lines() == []
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    says(line, log_format, decision="approved by policy", policy="everything", reason="Issued")
    assert _count(bench, "issued", "Issued") == 1


async def test_a_write_that_arrived_although_its_answer_was_lost_is_counted_and_told(
    bench: Bench, lines: Lines
) -> None:
    written: list[Object] = []

    def lost(sent: Object) -> Unavailable:
        written.append(sent)
        return Unavailable("no answer")

    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.expect("replace_status", lost)
    await bench.reconcile()
    bench.store.upsert({**written[0]})  # the watch shows that it is finished
    bench.kube.expect("get", {**written[0]})
    await bench.reconcile()
    assert len(lines()) == 1
    assert _count(bench, "issued", "Issued") == 1


async def test_a_certificate_whose_request_is_gone_is_no_answer(bench: Bench, lines: Lines) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.signer.revokes.append(None)
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))
    await bench.reconcile()
    assert lines() == []
    assert _count(bench, "issued", "Issued") == 0


async def test_no_csr_and_no_secret_gets_into_the_line(bench: Bench, lines: Lines) -> None:
    secret = "hvs." + "CAESIJ7x" * 6
    csr = csr_pem("a.lab.example.test")
    bench.with_ready_issuer().with_request(conditions=[], request=csr, username=f"me {secret}")
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, f"token {secret} is odd"))
    bench.kube.accepts_status()
    await bench.reconcile()
    (line,) = lines()
    assert secret not in line
    assert line.count("[redacted]") == 2
    assert certificate_request(request=csr)["spec"]["request"] not in line
    assert "CERTIFICATE REQUEST" not in line


def _count(bench: Bench, outcome: str, reason: str) -> float:
    labels = {"outcome": outcome, "reason": reason}
    return bench.metrics.registry.get_sample_value("vault_issuer_requests_total", labels) or 0.0
