"""Answers of the API server become errors of our own, bounded."""

from __future__ import annotations

import pytest

from issuer.kube import errors
from tests.unit.kube.fake_api import failure


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequest),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Expired),
        (410, "Gone", errors.Expired),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.Unavailable),
        (503, "ServiceUnavailable", errors.Unavailable),
        (418, "", errors.KubeError),
    ],
)
def test_status_becomes_its_error(code: int, reason: str, kind: type[errors.KubeError]) -> None:
    error = errors.from_status(code, failure(code, reason, "because"), what="GET /x")
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, reason, "GET /x: because")


def test_a_full_quota_is_told_from_other_refusals() -> None:
    text = (
        'configmaps "x" is forbidden: exceeded quota: few, requested: count/configmaps=1, '
        "used: count/configmaps=0, limited: count/configmaps=0"
    )
    error = errors.from_status(403, failure(403, "Forbidden", text), what="POST /x")
    assert type(error) is errors.QuotaExceeded


def test_a_resource_version_of_the_future_asks_for_a_new_list() -> None:
    body = failure(
        504, "Timeout", "Too large resource version", causes=[{"reason": "ResourceVersionTooLarge"}]
    )
    assert isinstance(errors.from_status(504, body, what="WATCH /x"), errors.Expired)


def test_the_seconds_to_wait_come_from_the_header_else_from_the_status() -> None:
    body = failure(429, "TooManyRequests", retryAfterSeconds=7)
    assert errors.from_status(429, body, what="x").retry_after == 7
    assert errors.from_status(429, body, what="x", retry_after=2.0).retry_after == 2
    assert errors.from_status(429, None, what="x").retry_after is None


def test_messages_are_one_bounded_printable_line() -> None:
    error = errors.KubeError("a\x1b[31m\n" + "b" * 10_000)
    assert len(error.message) == errors.MAX_MESSAGE
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (413, "Request entity too large: limit is 3145728", errors.ObjectTooLarge),
        (500, "etcdserver: request is too large", errors.ObjectTooLarge),
        (
            500,
            "rpc error: desc = trying to send message larger than max (2367819 vs. 2097152)",
            errors.ObjectTooLarge,
        ),
        (500, 'Internal error occurred: failed calling webhook "x": no answer', errors.AdmissionFailed),
        (503, 'admission webhook "x" denied the request: no', errors.AdmissionFailed),
        (500, "etcdserver: leader changed", errors.Unavailable),
    ],
)
def test_faults_of_one_object_are_told_from_outages(
    code: int, message: str, kind: type[errors.KubeError]
) -> None:
    assert type(errors.from_status(code, failure(code, "", message), what="PUT")) is kind


@pytest.mark.parametrize(
    ("code", "refused"), [(400, 1), (403, 1), (418, 1), (422, 1), (401, 0), (409, 0), (429, 0)]
)
def test_refusals_by_rules_are_told_from_what_passes(code: int, refused: int) -> None:
    assert errors.is_refusal(errors.from_status(code, failure(code, "", "no"), what="PUT")) is bool(refused)


@pytest.mark.parametrize("body", [None, {}, {"kind": "Pod"}, failure(500, "") | {"details": 3, "message": 4}])
def test_an_odd_body_is_still_an_error(body: dict[str, object] | None) -> None:
    assert errors.from_status(500, body, what="GET /x").message == "GET /x: HTTP 500 without a reason"


def test_a_path_the_server_does_not_know_hints_at_the_crd() -> None:
    assert "is the CRD installed?" in errors.from_status(404, None, what="GET /x").message
