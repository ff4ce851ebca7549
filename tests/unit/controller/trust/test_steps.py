"""What is done in one namespace, and whom a ConfigMap belongs to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from issuer.api.issuers import SpecError
from issuer.controller.trust.claims import GRACE, Claim, Claims, Unreadable, read_claim
from issuer.controller.trust.objects import SeenObject
from issuer.controller.trust.roots import Roots
from issuer.controller.trust.steps import Leave, NotOurs, Remove, StayFor, Step, WantedRoots, Write, decide
from issuer.requests.issuers import IssuerKey
from tests.builders import issuer_object
from tests.unit.virtual_time import SetClock

KEY = IssuerKey("VaultClusterIssuer", "", "demo")
ROOTS = Roots("PEM", 1, "00")
LABELS = {"team": "a", "tier": "web"}


def claim(name: str = "demo", created: str = "2026-01-01T00:00:00Z", **more: Any) -> Claim:
    wanted = {"name": "roots", "namespaceSelector": {}, **more}
    issuer = issuer_object(name, trust={"configMap": wanted})
    issuer["metadata"]["creationTimestamp"] = created
    found = read_claim(KEY._replace(name=name), issuer)
    assert found is not None
    return found


def step(one: Claim | None, there: SeenObject | None, roots: Roots | None = ROOTS, kept: float = 0.0) -> Step:
    return decide("roots", "team-a", LABELS, None if one is None else WantedRoots(one, roots), there, kept)


def written(one: Claim, **other: Any) -> SeenObject:
    """What is there after it was written."""
    made = step(one, None)
    assert isinstance(made, Write)
    meta = {**made.body["metadata"], "uid": "u", "resourceVersion": "7"}
    return SeenObject.of({**made.body, "metadata": meta, **other})


def test_it_is_made_left_alone_and_mended() -> None:
    one = claim(key="roots.pem")
    made = step(one, None)
    assert isinstance(made, Write)
    assert (made.body["data"], made.over) == ({"roots.pem": "PEM"}, None)
    there = written(one)
    assert step(one, there) == Leave()
    for edited in (
        {"data": {"roots.pem": "other"}},
        {"data": {"roots.pem": "PEM", "more": ""}},
        {"binaryData": {"x": ""}},
    ):
        mended = step(one, written(one, **edited))
        assert isinstance(mended, Write)
        assert mended.over is not None
        fixed = written(one, **edited, immutable=True)
        assert step(one, fixed) == Remove(fixed, to_write_anew=True), "it can't be changed, and is made again"
    assert step(one, written(one, immutable=True)) == Leave()


def test_what_is_not_ours_is_never_touched() -> None:
    theirs = SeenObject.of({"metadata": {"uid": "u"}, "data": {"ca.crt": "PEM"}})
    assert step(claim(), theirs) == NotOurs()
    assert step(None, theirs) == Leave()
    assert step(claim(namespaceSelector={"matchLabels": {"team": "b"}}), theirs) == Leave()


def test_what_no_spec_wants_is_removed_and_what_is_not_known_stays() -> None:
    there = written(claim())
    assert step(None, there) == Remove(there)
    assert step(claim(namespaceSelector={"matchLabels": {"team": "b"}}), there) == Remove(there)
    assert step(None, there, kept=math.inf) == Leave()
    assert step(None, there, kept=9.0) == StayFor(9.0)
    assert step(claim(key="other"), there, roots=None) == Leave()


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        (("team", "In", ["a", "b"]), True),
        (("team", "NotIn", ["a"]), False),
        (("none", "In", ["a"]), False),
        (("none", "NotIn", ["a"]), True),
        (("tier", "Exists", []), True),
        (("tier", "DoesNotExist", []), False),
    ],
)
def test_namespaces_are_selected_as_kubernetes_does(
    expression: tuple[str, str, list[str]], selected: bool
) -> None:
    one = dict(zip(("key", "operator", "values"), expression, strict=True))
    selector = {"matchLabels": {"team": "a"}, "matchExpressions": [one]}
    assert isinstance(step(claim(namespaceSelector=selector), None), Write) is selected


def test_the_oldest_issuer_has_a_config_map_and_the_next_one_after_it() -> None:
    claims = Claims()
    for one in (claim("b"), claim("a"), claim("old", "2025-01-01T00:00:00Z")):
        assert claims.set(one.issuer, one) == {"roots"}
    order = []
    while (holder := claims.holder("roots")) is not None:
        order.append(holder.issuer.name)
        assert claims.drop(holder.issuer) == {"roots"}
    assert order == ["old", "a", "b"]


def test_an_issuer_that_cannot_be_read_keeps_what_was_written_for_it() -> None:
    claims = Claims()
    claims.set(KEY, claim())
    assert claims.set(KEY, Unreadable("too large")) == {"roots"}
    assert claims.holder("roots") is None
    assert claims.keeps("VaultClusterIssuer demo") == math.inf


def test_what_was_made_for_an_issuer_that_is_gone_stays_for_a_while() -> None:
    """Also after a restart, which knows of no issuer that went; not where its spec says otherwise."""
    clock = SetClock()
    claims, owner = Claims(clock), str(KEY)
    assert claims.keeps(owner) == GRACE
    clock.now += GRACE
    assert claims.keeps(owner) == 0
    claims.set(KEY, claim())
    claims.drop(KEY)
    clock.now += 1
    assert claims.keeps(owner) == GRACE - 1
    claims.set(KEY, None)
    assert claims.keeps(owner) == 0
    claims.drop(KEY)
    clock.now += GRACE
    assert claims.keeps(owner) == 0


def test_claims_are_of_cluster_issuers_alone() -> None:
    wanted = {"configMap": {"name": "roots", "namespaceSelector": {}}}
    assert read_claim(KEY, issuer_object()) is None
    assert read_claim(IssuerKey("VaultIssuer", "a", "b"), issuer_object("b", "a", trust=wanted)) is None
    for bad in ("x", {"configMap": {"name": "kube-root-ca.crt", "namespaceSelector": {}}}, {}):
        with pytest.raises(SpecError, match=r"spec\.trust"):
            read_claim(KEY, issuer_object(trust=bad))
