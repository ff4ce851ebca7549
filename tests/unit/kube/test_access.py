"""Reviews as the API server gets them, and only a clear yes is a yes."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.kube import errors
from issuer.kube.access import may, may_i
from issuer.kube.client import KubeClient
from issuer.kube.identity import User
from tests.unit.kube.fake_api import FakeApi, json, refuse

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
OWN_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


JANE = User("jane", "u-1", ("dev", "system:authenticated"), (("scopes", ("a", "b")),))


async def ask(client: KubeClient, user: User = JANE, **changes: Any) -> bool:
    question: dict[str, Any] = {
        "verb": "use",
        "group": "vault-issuer.io",
        "resource": "certificaterequestpolicies",
        "name": "web",
        "namespace": "team-a",
    }
    return await may(client, user, **question | changes)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_review_carries_the_whole_requester_and_the_question(
    api: FakeApi, client: KubeClient, allowed: bool
) -> None:
    api.on("POST", REVIEWS, json({"status": {"allowed": allowed}}, status=201))
    assert await ask(client) is allowed
    assert api.calls[0].body == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "jane",
            "groups": ["dev", "system:authenticated"],
            "uid": "u-1",
            "extra": {"scopes": ["a", "b"]},
            "resourceAttributes": {
                "verb": "use",
                "group": "vault-issuer.io",
                "resource": "certificaterequestpolicies",
                "name": "web",
                "namespace": "team-a",
            },
        },
    }


async def test_without_a_namespace_the_whole_cluster_is_asked_about(api: FakeApi, client: KubeClient) -> None:
    api.on("POST", REVIEWS, json({"status": {"allowed": True}}))
    assert await ask(client, namespace=None)
    assert "namespace" not in api.calls[0].body["spec"]["resourceAttributes"]


async def test_a_broken_binding_beside_the_answer_changes_nothing(api: FakeApi, client: KubeClient) -> None:
    api.on("POST", REVIEWS, json({"status": {"allowed": False, "evaluationError": "role is gone"}}))
    assert not await ask(client)


async def test_nobody_may_nothing_and_the_server_is_not_asked(api: FakeApi, client: KubeClient) -> None:
    assert not await ask(client, User(""))
    assert not api.calls


@pytest.mark.parametrize("answer", [{}, {"status": None}, {"status": {}}, {"status": {"allowed": "true"}}])
async def test_an_answer_without_a_yes_or_no_is_an_error(
    api: FakeApi, client: KubeClient, answer: dict[str, Any]
) -> None:
    api.on("POST", REVIEWS, json(answer))
    with pytest.raises(errors.KubeError, match=r"status\.allowed"):
        await ask(client)


async def test_a_refused_review_says_so(api: FakeApi, client: KubeClient) -> None:
    api.on("POST", REVIEWS, refuse(403, "Forbidden", "cannot create subjectaccessreviews"))
    with pytest.raises(errors.Forbidden):
        await ask(client)


async def test_what_we_may_ourselves_is_asked_without_a_subject(api: FakeApi, client: KubeClient) -> None:
    api.on("POST", OWN_REVIEWS, json({"status": {"allowed": True}}))
    name = "vaultissuers.vault-issuer.io/team-a.demo"
    assert await may_i(client, verb="approve", group="cert-manager.io", resource="signers", name=name)
    attributes = {"verb": "approve", "group": "cert-manager.io", "resource": "signers", "name": name}
    assert api.calls[0].body == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
