"""`explain --cluster`: policies, namespaces and RBAC from the API server, asked as little as is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.explain.cluster import ClusterOptions, explain_all
from issuer.explain.evaluation import Explanation
from issuer.explain.review_input import RequestOptions, ReviewInput, read_requests
from issuer.kube.identity import User
from issuer.manifests.errors import BadInput
from issuer.policy.decision import PolicyVerdict
from tests.builders import certificate_request, csr_pem
from tests.unit.explain.conftest import Build, Folder
from tests.unit.kube.fake_api import FakeApi, json, listing, refuse

POLICIES = "/apis/vault-issuer.io/v1alpha1/certificaterequestpolicies"
NAMESPACE = "/api/v1/namespaces/team-a"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
MYSELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
def ask(api: FakeApi, folder: Folder) -> Callable[..., Any]:
    """Explains requests by the scripted server."""

    async def go(*requests: dict[str, Any], **options: Any) -> list[Explanation]:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": api.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = folder.write("kubeconfig", yaml.safe_dump(config))
        found: list[ReviewInput] = read_requests(folder.write("r.yaml", *requests), RequestOptions())
        return await explain_all(found, ClusterOptions(kubeconfig=path, **options))

    return go


def allowed(answer: bool) -> Any:
    return json({"status": {"allowed": answer}}, status=201)


async def test_the_server_is_asked_about_the_real_requester(
    api: FakeApi, ask: Callable[..., Any], policy: Build
) -> None:
    one = policy(selector={"namespace": {"matchLabels": {"pki": "on"}}})
    api.on("GET", POLICIES, listing("1", one, more="next"), listing("1", policy("other")))
    api.on("GET", NAMESPACE, json({"metadata": {"labels": {"pki": "on"}}}))
    api.on("POST", REVIEWS, allowed(False), allowed(True))
    body = certificate_request(request=csr_pem("a.lab.example"), usages=[])
    body["spec"] |= {"username": "jane", "groups": ["dev"], "uid": "u", "extra": {"k": ["v"]}}
    (found,) = await ask(body)
    assert found.decision.verdict is PolicyVerdict.APPROVED
    assert found.decision.policy == "web"
    asked = [call.body["spec"] for call in api.called("POST")]
    assert [one["resourceAttributes"]["name"] for one in asked] == ["other", "web"]
    assert asked[0] | {"resourceAttributes": None} == {
        "user": "jane",
        "groups": ["dev"],
        "uid": "u",
        "extra": {"k": ["v"]},
        "resourceAttributes": None,
    }
    assert asked[0]["resourceAttributes"]["namespace"] == "team-a"


async def test_a_request_nobody_made_yet_is_the_callers_own(
    api: FakeApi, ask: Callable[..., Any], policy: Build
) -> None:
    api.on("GET", POLICIES, listing("1", policy()))
    api.on("GET", NAMESPACE, json({"metadata": {}}))
    api.on("POST", MYSELF, json({"status": {"userInfo": {"username": "me", "groups": ["admins"]}}}))
    api.on("POST", REVIEWS, allowed(True))
    (found,) = await ask(certificate_request(request=csr_pem("a.lab.example"), usages=[]))
    assert found.requester == User("me", groups=("admins",))
    assert found.decision.verdict is PolicyVerdict.APPROVED


async def test_options_take_the_place_of_questions(
    api: FakeApi, ask: Callable[..., Any], policy: Build
) -> None:
    api.on("GET", POLICIES, listing("1", policy()))
    options = {"requester": User("jane"), "allow_use": ("web",), "labels": {}}
    (found,) = await ask(certificate_request(request=csr_pem("a.lab.example"), usages=[]), **options)
    assert found.decision.verdict is PolicyVerdict.APPROVED


async def test_a_cluster_without_the_crd_has_no_policies(api: FakeApi, ask: Callable[..., Any]) -> None:
    api.on("GET", POLICIES, refuse(404, "NotFound"))
    api.on("GET", NAMESPACE, json({"metadata": {}}))
    (found,) = await ask(certificate_request(username="jane"))
    assert found.decision.verdict is PolicyVerdict.UNPROCESSED
    assert "apply the CRDs" in found.policies.notes[0]


async def test_a_missing_right_is_told_with_what_it_takes(api: FakeApi, ask: Callable[..., Any]) -> None:
    api.on("GET", POLICIES, refuse(403, "Forbidden", "jane cannot list"))
    with pytest.raises(BadInput, match=r"jane cannot list.*Explaining takes list of"):
        await ask(certificate_request(username="jane"))


async def test_a_missing_namespace_is_told(api: FakeApi, ask: Callable[..., Any]) -> None:
    api.on("GET", POLICIES, listing("1"))
    api.on("GET", NAMESPACE, refuse(404, "NotFound"))
    with pytest.raises(BadInput, match='no namespace "team-a"'):
        await ask(certificate_request(username="jane"))


def test_a_cluster_that_is_not_there_is_bad_input(folder: Folder, certificate: Build) -> None:
    request = folder.write("r.yaml", certificate())
    missing = str(Path(request).parent / "none")
    result = folder.run("explain", "-f", request, "--cluster", "--kubeconfig", missing)
    assert result.code == 3
    assert "no cluster" in result.stderr
