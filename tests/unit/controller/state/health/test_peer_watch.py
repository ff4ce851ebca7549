"""Another controller that answers an issuer's requests: found by who wrote an answer."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.controller.state.health.peer_watch import LOOK_AGAIN, PeerWatch, answered_by
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey

KEY = IssuerKey("ExampleIssuer.example.test", "shop", "ca")
REQUEST = RequestKey("shop", "web-1")


def watch(now: list[float]) -> PeerWatch:
    return PeerWatch(lambda: now[0])


def test_an_answer_of_another_stops_the_issuer_until_it_is_tried_again() -> None:
    peer = watch([0.0])
    assert peer.suspect(REQUEST)
    peer.looked("other-issuer", "vault-issuer", None)
    problem = peer.problem(KEY, "other-issuer", None)
    assert problem is not None
    assert problem.startswith('"other-issuer" answered the request shop/web-1')
    assert "kubectl annotate exampleissuer.example.test ca -n shop" in problem
    assert peer.problem(KEY, "other-issuer", "again") is None
    assert peer.problem(KEY, "other-issuer", "again") is None


@pytest.mark.parametrize("manager", ["vault-issuer", None], ids=["our own", "nobody's"])
def test_an_answer_of_ours_that_the_watch_showed_early_stops_nothing(manager: str | None) -> None:
    peer = watch([0.0])
    peer.suspect(REQUEST)
    peer.looked(manager, "vault-issuer", None)
    assert peer.problem(KEY, "other-issuer", None) is None


def test_a_status_that_another_wrote_after_ours_stops_the_issuer_until_it_is_tried_again() -> None:
    peer = watch([0.0])
    assert not peer.is_overwritten("Verified")  # as the other controller left it when it went
    peer.status_written("Ready")
    assert not peer.is_overwritten("Ready")
    assert peer.is_overwritten("Verified")
    peer.looked_at_status("vault-issuer", "vault-issuer", None)  # another replica of ours
    assert peer.problem(KEY, "other-issuer", None) is None
    peer.looked_at_status("other-issuer", "vault-issuer", None)
    problem = peer.problem(KEY, "other-issuer", None)
    assert problem is not None
    assert problem.startswith('"other-issuer" wrote the status of this issuer')
    peer.status_written("TwoControllers")
    assert peer.problem(KEY, "other-issuer", "again") is None
    assert not peer.is_overwritten("Verified"), "what it wrote last is not held against it"


def test_few_answers_are_looked_at() -> None:
    now = [0.0]
    peer = watch(now)
    assert [peer.suspect(REQUEST) for _ in range(100)].count(True) == 1
    later = RequestKey("shop", "web-2")
    assert not peer.suspect(later)
    assert peer.suspected == later  # for the issuer's next check
    now[0] = LOOK_AGAIN
    assert peer.suspect(REQUEST)


def entry(manager: str, status: dict[str, Any], subresource: str = "status") -> dict[str, Any]:
    return {"manager": manager, "subresource": subresource, "fieldsV1": {"f:status": status}}


@pytest.mark.parametrize(
    ("managers", "found"),
    [
        ([entry("a", {"f:certificate": {}})], "a"),
        ([entry("approver", {"f:conditions": {}}), entry("a", {"f:failureTime": {}})], "a"),
        ([entry("approver", {"f:conditions": {}})], None),
        ([entry("a", {"f:certificate": {}}, subresource="")], None),
        ([entry("", {"f:certificate": {}})], ""),
        ([], None),
    ],
)
def test_who_answered_is_who_wrote_the_certificate_or_the_failure(
    managers: list[dict[str, Any]], found: str | None
) -> None:
    there = {"certificate": "x", "failureTime": "y", "conditions": []}
    assert answered_by({"metadata": {"managedFields": managers}, "status": there}) == found


def test_who_claims_what_is_not_there_did_not_answer() -> None:
    """The API server takes such claims of whoever may edit a request."""
    managers = [entry("a", {"f:failureTime": {}}), entry("vault-issuer", {"f:certificate": {}})]
    assert (
        answered_by({"metadata": {"managedFields": managers}, "status": {"certificate": "x"}})
        == "vault-issuer"
    )


def test_a_request_that_is_gone_names_nobody() -> None:
    assert answered_by({}) is None
