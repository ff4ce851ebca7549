"""What is asked of both sides: policies, requests and who may use which policy, as plain JSON-able values.

A group is a few policies and the requests they may apply to; its issuer name or its namespace keeps every
other group's policies away, so that thousands of cases share one cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis.control import BuildContext
from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.strategies import SearchStrategy

from tests.differential.csrs import Plan, build

Spec = dict[str, Any]

SHARED_NAMESPACES: dict[str, dict[str, str]] = {
    "team-a": {"env": "prod", "team": "a"},
    "team-b": {"env": "dev", "team": "b"},
    "plain": {},
}


@dataclass(frozen=True, slots=True)
class User:
    """A requester; RBAC lets it use policies in these namespaces (None: all), of this parity (None: both)."""

    name: str
    groups: tuple[str, ...]
    namespaces: tuple[str, ...] | None = ()
    parity: int | None = None

    def may_use(self, policy: str, namespace: str) -> bool:
        """Whether the bindings of `rbac.py` allow `use` of this policy there."""
        if self.namespaces is not None and namespace not in self.namespaces:
            return False
        return self.parity is None or number(policy) % 2 == self.parity


USERS = {
    user.name: user
    for user in (
        User("ann", ("staff", "system:authenticated"), None),
        User("system:serviceaccount:team-a:app", ("system:serviceaccounts", "system:serviceaccounts:team-a"),
             ("team-a",)),
        User("ben", ("pki-users", "system:authenticated"), None, 0),
        User("cas", ("system:authenticated",), ("team-b", "plain"), 1),
        User("dot", ("system:authenticated",)),
    )
}  # fmt: skip


def number(policy: str) -> int:
    """A policy's number inside its group, from its name `g0012-p1`."""
    return int(policy.rpartition("-p")[2])


@dataclass(frozen=True, slots=True)
class Request:
    """A CertificateRequest before it is one; `reference` and `duration` as in its spec."""

    plan: Plan
    namespace: str
    user: str
    reference: Mapping[str, str]
    duration: str | None = None
    usages: tuple[str, ...] = ()
    is_ca: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Policies by name, labels of a namespace of its own if it has one, and requests."""

    policies: Mapping[str, Spec]
    requests: tuple[Request, ...]
    own_namespaces: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One request with everything that decides about it.

    `request` is the object as sent to the API server; `may_use` is what RBAC answers, policy by policy.
    """

    name: str
    policies: Mapping[str, Spec]
    request: Mapping[str, Any]
    labels: Mapping[str, str]
    may_use: Mapping[str, bool]

    @property
    def namespace(self) -> str:
        """The request's namespace."""
        return str(self.request["metadata"]["namespace"])


def generate(groups: int, number: int) -> list[Group]:
    """That many groups drawn from hypothesis' strategies; the same number gives the same groups.

    Hypothesis itself, out to break one test, repeats an example with small changes five times over; here each
    example is asked once of a real server, and variety counts. So every one is drawn from a seed of its own.
    """
    from tests.differential.strategies import groups as strategy  # late: it imports this module

    wanted = strategy()
    return [_numbered(_draw(wanted, f"{number}/{index}"), index) for index in range(groups)]


def _draw(strategy: SearchStrategy[Group], start: str) -> Group:
    data = ConjectureData(random=Random(start))
    with BuildContext(data, wrapped_test=generate):
        return data.draw(strategy)


def _numbered(group: Group, index: int) -> Group:
    """The group with its placeholder `gNNNN` replaced everywhere by a name of its own."""

    def put(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("gNNNN", f"g{index:04d}"))

    requests = tuple(
        Request(one.plan, put(one.namespace), one.user, put(dict(one.reference)), one.duration, one.usages,
                one.is_ca)
        for one in group.requests
    )  # fmt: skip
    own = {put(name): put(dict(labels)) for name, labels in group.own_namespaces.items()}
    return Group(put(dict(group.policies)), requests, own)


def cases(groups: list[Group]) -> list[Case]:
    """Every request of every group as a case, its CSR signed."""
    return [
        _case(f"{next(iter(group.policies)).partition('-')[0]}-r{index}", group, request)
        for group in groups
        for index, request in enumerate(group.requests)
    ]


def _case(name: str, group: Group, request: Request) -> Case:
    user = USERS[request.user]
    labels = {**SHARED_NAMESPACES, **group.own_namespaces}[request.namespace]
    spec: Spec = {
        "request": build(request.plan, request.usages, is_ca=request.is_ca),
        "issuerRef": dict(request.reference),
        "username": user.name,
        "groups": list(user.groups),
        **({"duration": request.duration} if request.duration else {}),
        **({"usages": list(request.usages)} if request.usages else {}),
        **({"isCA": True} if request.is_ca else {}),
    }
    sent = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": name, "namespace": request.namespace},
        "spec": spec,
    }
    may_use = {policy: user.may_use(policy, request.namespace) for policy in group.policies}
    return Case(name, group.policies, sent, labels, may_use)
