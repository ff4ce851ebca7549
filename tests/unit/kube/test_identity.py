"""TokenReviews: the user of a token; only a clear yes is somebody."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.kube import errors
from issuer.kube.access import may_reach
from issuer.kube.client import KubeClient
from issuer.kube.identity import User, review_token
from tests.unit.kube.fake_api import FakeApi, json, refuse

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
JANE = User("jane", "u-1", ("dev", "system:authenticated"), (("scopes", ("a", "b")),))


async def test_a_token_is_shown_and_its_user_comes_whole(api: FakeApi, client: KubeClient) -> None:
    user = {
        "username": "jane",
        "uid": "u-1",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scopes": ["a", "b"]},
    }
    api.on("POST", REVIEWS, json({"status": {"authenticated": True, "user": user}}, status=201))
    assert await review_token(client, "a-token") == JANE
    assert api.calls[0].body["spec"] == {"token": "a-token"}


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": False, "error": "expired"},
        {"authenticated": "true", "user": {"username": "jane"}},
        {"authenticated": True},
        {"authenticated": True, "user": {}},
        {"authenticated": True, "user": {"username": ""}},
        {"user": {"username": "jane"}},
    ],
)
async def test_anything_but_a_clear_yes_is_nobody(
    api: FakeApi, client: KubeClient, status: dict[str, Any]
) -> None:
    api.on("POST", REVIEWS, json({"status": status}, status=201))
    assert await review_token(client, "a-token") is None


async def test_an_answer_without_a_status_and_a_refusal_are_errors(api: FakeApi, client: KubeClient) -> None:
    api.on("POST", REVIEWS, json({}, status=201), refuse(403, "Forbidden"))
    with pytest.raises(errors.KubeError, match="without a status"):
        await review_token(client, "secret-token-1")
    with pytest.raises(errors.Forbidden) as refused:
        await review_token(client, "secret-token-1")
    assert "secret-token-1" not in str(refused.value)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_path_is_asked_for_with_the_whole_user(
    api: FakeApi, client: KubeClient, allowed: bool
) -> None:
    api.on("POST", ACCESS, json({"status": {"allowed": allowed}}, status=201))
    assert await may_reach(client, JANE, verb="get", path="/vault-issuer/status") is allowed
    assert api.calls[0].body["spec"] == {
        "user": "jane",
        "groups": ["dev", "system:authenticated"],
        "uid": "u-1",
        "extra": {"scopes": ["a", "b"]},
        "nonResourceAttributes": {"path": "/vault-issuer/status", "verb": "get"},
    }
