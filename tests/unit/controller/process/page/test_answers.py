"""What the status page remembers of the answers that issuance publishes."""

from __future__ import annotations

from datetime import timedelta

from issuer.controller.process.page.answers import PageAnswerLog
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
    assert answer.certificate == ""
    assert len(answer.message) < 1000
    assert log.recent.totals == {"failed": 1}


def test_answers_for_one_certificate_are_known_by_its_owner_reference() -> None:
    log = PageAnswerLog()
    for name, uid in (("web-1", "u-1"), ("web-2", "u-1"), ("web-1", "of-another-web")):
        obj = certificate_request(name)
        obj["metadata"]["ownerReferences"] = [
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "Certificate",
                "name": "web",
                "uid": uid,
                "controller": True,
            }
        ]
        log.add(CertificateRequest(obj), "denied", "no", NOW)
    assert [(one.request, one.tries) for one in log.recent.last("denied")] == [
        ("team-a/web-1", 1),
        ("team-a/web-2", 2),
    ]


def test_an_answer_to_a_request_without_an_issuer_of_ours_is_remembered_too() -> None:
    log = PageAnswerLog()
    log.add(CertificateRequest(certificate_request(kind="Issuer")), "failed", "no such kind", NOW)
    assert log.recent.last("failed")[0].issuer == ""
