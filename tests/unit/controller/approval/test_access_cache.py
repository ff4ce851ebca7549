"""Who may use a policy is asked once for seconds, by every input of the question."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from issuer.controller.approval.approver import AccessCache
from issuer.kube.client import KubeClient
from issuer.kube.errors import Unavailable
from issuer.kube.identity import User
from issuer.kube.resources import Resource
from issuer.kube.single_flight import Epochs

INFO = {"username": "alice", "groups": ["dev"], "uid": "1", "extra": {"scope": ["a"]}}
ALICE = User.of(INFO)


class Reviews:
    """An API server that answers SubjectAccessReviews and nothing else."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.allowed = True
        self.error: Exception | None = None

    async def create(
        self, resource: Resource, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        assert resource.plural == "subjectaccessreviews"
        assert namespace is None
        self.asked.append(body["spec"])
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {"status": {"allowed": self.allowed}}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(reviews: Reviews, clock: Clock) -> AccessCache:
    return AccessCache(cast(KubeClient, reviews), clock=clock)


async def test_the_question_holds_all_that_was_stamped(cache: AccessCache, reviews: Reviews) -> None:
    assert await cache.may_use("web", "team-a", ALICE)
    [asked] = reviews.asked
    assert asked["user"] == "alice"
    assert asked["groups"] == ["dev"]
    assert asked["uid"] == "1"
    assert asked["extra"] == {"scope": ["a"]}
    assert asked["resourceAttributes"] == {
        "group": "vault-issuer.io",
        "resource": "certificaterequestpolicies",
        "verb": "use",
        "name": "web",
        "namespace": "team-a",
    }


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_answer_is_believed_for_five_seconds(
    cache: AccessCache, reviews: Reviews, clock: Clock, allowed: bool
) -> None:
    reviews.allowed = allowed
    assert await cache.may_use("web", "team-a", ALICE) is allowed
    reviews.allowed = not allowed
    clock.now += 4.9
    assert await cache.may_use("web", "team-a", ALICE) is allowed
    clock.now += 0.2
    assert await cache.may_use("web", "team-a", ALICE) is not allowed


@pytest.mark.parametrize(
    "other",
    [
        {"username": "bob"},
        {"groups": ["dev", "ops"]},
        {"uid": "2"},
        {"extra": {"scope": ["a", "b"]}},
        {"extra": {}},
    ],
)
async def test_every_input_of_the_question_makes_it_another(
    cache: AccessCache, reviews: Reviews, other: dict[str, Any]
) -> None:
    await cache.may_use("web", "team-a", ALICE)
    await cache.may_use("web", "team-a", User.of({**INFO, **other}))
    assert len(reviews.asked) == 2


async def test_another_policy_or_namespace_is_another_question(cache: AccessCache, reviews: Reviews) -> None:
    for policy, namespace in (("web", "a"), ("web", "b"), ("api", "a")):
        await cache.may_use(policy, namespace, ALICE)
    assert len(reviews.asked) == 3


async def test_many_who_ask_the_same_at_once_share_one_call(cache: AccessCache, reviews: Reviews) -> None:
    answers = await asyncio.gather(*(cache.may_use("web", "team-a", ALICE) for _ in range(50)))
    assert answers == [True] * 50
    assert len(reviews.asked) == 1


async def test_a_change_of_rbac_ends_every_answer(cache: AccessCache, reviews: Reviews) -> None:
    await cache.may_use("web", "team-a", ALICE)
    cache.clear()
    reviews.allowed = False
    assert not await cache.may_use("web", "team-a", ALICE)


async def test_an_error_is_told_and_not_remembered(cache: AccessCache, reviews: Reviews) -> None:
    reviews.error = Unavailable("down")
    with pytest.raises(Unavailable):
        await cache.may_use("web", "team-a", ALICE)
    reviews.error = None
    assert await cache.may_use("web", "team-a", ALICE)


async def test_one_who_gives_up_does_not_spoil_it_for_the_others(
    cache: AccessCache, reviews: Reviews
) -> None:
    first = asyncio.create_task(cache.may_use("web", "team-a", ALICE))
    second = asyncio.create_task(cache.may_use("web", "team-a", ALICE))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert len(reviews.asked) == 1


async def test_before_sending_only_a_fresh_yes_counts_and_nobody_is_asked(
    cache: AccessCache, reviews: Reviews, clock: Clock
) -> None:
    question = ("web", "team-a", ALICE)
    assert not cache.still_may_use(*question), "it was never asked"
    asking = asyncio.ensure_future(cache.may_use(*question))
    await asyncio.sleep(0)
    assert not cache.still_may_use(*question), "it is being asked"
    await asking
    assert cache.still_may_use(*question)
    clock.now += 5.1
    assert not cache.still_may_use(*question)
    assert await cache.may_use(*question)
    cache.clear()
    assert not cache.still_may_use(*question), "RBAC changed"
    reviews.allowed = False
    await cache.may_use(*question)
    assert not cache.still_may_use(*question)
    reviews.error = Unavailable("down")
    cache.clear()
    with pytest.raises(Unavailable):
        await cache.may_use(*question)
    assert not cache.still_may_use(*question)
    assert len(reviews.asked) == 4


async def test_a_change_in_one_namespace_forgets_its_answers_alone(reviews: Reviews, clock: Clock) -> None:
    """Also where so many namespaces change that none can be told from those before."""
    cache = AccessCache(cast(KubeClient, reviews), clock=clock)
    cache._epochs = Epochs(most=2)
    for namespace in ("a", "b"):
        assert await cache.may_use("p", namespace, ALICE)
    cache.clear_in("a")
    assert not cache.still_may_use("p", "a", ALICE)
    assert cache.still_may_use("p", "b", ALICE)
    assert await cache.may_use("p", "a", ALICE)
    assert len(reviews.asked) == 3
    for namespace in ("c", "d", "e"):
        cache.clear_in(namespace)
    assert not cache.still_may_use("p", "a", ALICE)
