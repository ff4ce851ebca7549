"""The stores keep what the work needs, notice what changed, and forget what is gone."""

from __future__ import annotations

from functools import partial

from issuer.controller.approval.policies import PolicyStore
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.controller.state.watched.store import ChangeNotifier
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.telemetry.metrics import Metrics
from tests.builders import certificate_request, condition, issuer_object
from tests.unit.controller.fakes import ScriptedSigner

KEY = RequestKey("team-a", "one")
ISSUER = IssuerKey("VaultClusterIssuer", "", "demo")


def policy(name: str = "web", generation: int = 1, **spec: object) -> Object:
    meta = {"name": name, "uid": f"uid-{name}", "generation": generation, "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"selector": {"issuerRef": {}}, **spec}}


def test_a_finished_request_takes_no_room_and_its_end_is_told() -> None:
    told: list[RequestKey] = []
    store = RequestStore(CertificateRequest, told.append)
    store.upsert(certificate_request())
    assert len(store) == 1
    store.upsert(certificate_request(conditions=[condition("Ready", reason="Issued")]))
    assert len(store) == 0
    assert told == [KEY, KEY]


def test_a_new_list_drops_what_it_does_not_name() -> None:
    told: list[RequestKey] = []
    store = RequestStore(CertificateRequest, told.append)
    store.upsert(certificate_request())
    store.upsert(certificate_request("two"))
    store.begin()
    store.add(certificate_request("two"))
    store.end()
    assert store.get(KEY) is None
    assert store.get(RequestKey("team-a", "two")) is not None


def test_a_request_made_again_after_our_answer_is_work_again() -> None:
    store = RequestStore(CertificateRequest, lambda _key: None)
    store.upsert(certificate_request())
    found = store.get(KEY)
    assert found is not None
    store.mark_answered(found)
    store.upsert(certificate_request())
    assert store.get(KEY) is None
    store.upsert(certificate_request(uid="another"))
    assert store.get(KEY) is not None


def test_a_late_answer_about_an_old_object_does_not_replace_the_new_one() -> None:
    store = IssuerStore("VaultClusterIssuer", lambda _key: None)
    store.upsert(issuer_object(uid="new"))
    store.refresh(issuer_object(uid="old"))
    store.refresh(issuer_object(uid="new", generation=7))
    kept = store.get(ISSUER)
    assert kept is not None
    assert (kept["metadata"]["uid"], kept["metadata"]["generation"]) == ("new", 1)


def test_our_own_status_write_is_no_change_of_an_issuer() -> None:
    told: list[IssuerKey] = []
    store = IssuerStore("VaultClusterIssuer", told.append)
    store.upsert(issuer_object())
    store.upsert({**issuer_object(), "status": {"conditions": []}})
    assert told == [ISSUER]
    store.upsert(issuer_object(generation=2))
    store.remove(issuer_object(generation=2))
    assert told == [ISSUER] * 3


def test_only_a_change_of_labels_is_news_of_a_namespace() -> None:
    told: list[str] = []
    store = NamespaceStore(told.append)
    store.upsert({"metadata": {"name": "a", "labels": {"team": "x"}}})
    store.upsert({"metadata": {"name": "a", "labels": {"team": "x"}, "annotations": {"b": "c"}}})
    assert told == ["a"]
    assert store.labels("a") == {"team": "x"}
    assert store.labels("b") is None


def test_a_namespace_made_again_while_the_watch_was_away_is_not_being_deleted() -> None:
    told: list[str] = []
    store = NamespaceStore(told.append)
    old = {"name": "a", "uid": "1", "labels": {"team": "x"}}
    store.upsert({"metadata": old})
    store.upsert({"metadata": {**old, "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert store.terminating("a")
    store.begin()
    store.add({"metadata": {**old, "uid": "2"}})
    store.end()
    assert not store.terminating("a")
    store.upsert({"metadata": {**old, "uid": "3"}})
    assert told == ["a"] * 4


def test_a_signal_is_silent_about_the_first_list_and_loud_about_the_next() -> None:
    told: list[str] = []
    signal = ChangeNotifier(told.append)
    for _ in range(2):
        signal.begin()
        signal.add({"metadata": {"name": "x"}})
        signal.end()
    assert told == [""]
    signal.upsert({"metadata": {"name": "x"}})
    signal.remove({"metadata": {"name": "x", "namespace": "team-a"}})
    assert told == ["", "", "team-a"]


def test_an_invalid_policy_is_known_with_its_reason_and_never_evaluated() -> None:
    told: list[str] = []
    store = PolicyStore(told.append, partial(Defects(Metrics()).note, "policies"))
    store.upsert(policy(allowed={"dnsNames": {"validations": [{"rule": "self.nonsense("}]}}))
    assert store.policies == []
    assert "spec.allowed.dnsNames.validations" in (store.problem("web") or "")
    store.upsert(policy(generation=2, allowed={"dnsNames": {"values": ["*"]}}))
    assert [one.name for one in store.policies] == ["web"]
    assert store.problem("web") is None
    store.drop("web")
    assert len(store) == 0
    assert told == ["web"] * 3


def test_waiting_requests_wake_by_namespace_or_all_together() -> None:
    woken: list[RequestKey] = []
    waiting = UnprocessedRequests(woken.append)
    for namespace in ("a", "b"):
        for name in ("1", "2"):
            waiting.add(RequestKey(namespace, name), namespace)
    waiting.discard(RequestKey("a", "1"))
    waiting.wake_namespace("a")
    assert woken == [RequestKey("a", "2")]
    waiting.wake_all()
    assert sorted(woken) == [RequestKey("a", "2"), RequestKey("b", "1"), RequestKey("b", "2")]
    assert len(waiting) == 0


async def test_a_replaced_signer_closes_when_its_last_user_is_done() -> None:
    registry = IssuerRegistry(lambda _key: None)
    old, new = ScriptedSigner(), ScriptedSigner()
    shared = SharedSigner(old, Identity("uid", 1, ()))
    await registry.use_signer(ISSUER, shared)
    shared.borrow()
    await registry.use_signer(ISSUER, SharedSigner(new, Identity("uid", 2, ())))
    assert (old.closed, new.closed) == (False, False)
    await shared.give_back()
    assert (old.closed, new.closed) == (True, False)
    await registry.forget(ISSUER)
    assert (old.closed, new.closed) == (True, True)


def test_an_answer_that_comes_from_elsewhere_is_told_with_its_issuer() -> None:
    told: list[tuple[RequestKey, IssuerKey | None]] = []
    store = RequestStore(
        CertificateRequest, lambda _key: None, on_answer=lambda key, issuer: told.append((key, issuer))
    )
    issued = [condition("Ready", reason="Issued")]
    store.upsert(certificate_request("old", conditions=issued))
    store.upsert(certificate_request())
    store.upsert(certificate_request(conditions=issued))
    assert told == [(KEY, ISSUER)]
    store.upsert(certificate_request("two"))
    found = store.get(RequestKey("team-a", "two"))
    assert found is not None
    store.mark_answered(found)
    store.upsert(certificate_request("two", conditions=issued))
    assert told == [(KEY, ISSUER)]
