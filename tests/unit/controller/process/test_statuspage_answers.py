"""What the status page remembers of the answers that issuance publishes."""

from __future__ import annotations

from datetime import timedelta

from issuer.controller.process.statuspage_answers import PageAnswerLog
from issuer.requests.certificate_request import CertificateRequest
from tests.builders import NOW, certificate_request


def test_an_answer_is_remembered_with_its_requester_and_time() -> None:
    log = PageAnswerLog()
    request = CertificateRequest(certificate_request(username="alice"))
    log.add(request, "failed", "no " * 1000, request.created + timedelta(seconds=2))
    [answer] = log.recent.last("failed")
    assert (answer.request, answer.issuer, answer.requester) == (
        "team-a/one",
        "VaultClusterIssuer demo",
        "alice",
    )
    assert answer.seconds == 2
    assert len(answer.message) < 1000
    assert log.recent.totals == {"failed": 1}


def test_an_answer_to_a_request_without_an_issuer_of_ours_is_remembered_too() -> None:
    log = PageAnswerLog()
    log.add(CertificateRequest(certificate_request(kind="Issuer")), "failed", "no such kind", NOW)
    assert log.recent.last("failed")[0].issuer == ""
