"""Asks the real approver-policy: everything is created on the testbed, and its answers are read back."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from testbed.approverpolicy import API_VERSION, POLICY_KIND
from testbed.cluster import Testbed
from testbed.kube import Object, condition
from tests.builders import csr_pem
from tests.differential.cases import SHARED_NAMESPACES, USERS, Case, number

CERT_MANAGER = "cert-manager.io/v1"
REQUEST = "CertificateRequest"
GROUP = "policy.cert-manager.io"
THREADS = 6
BATCH = 400
SETTLE_SECONDS = 1.0
_RBAC = "rbac.authorization.k8s.io"
_PATH = re.compile(
    r"(spec\.[\w.]+(?:\[[\w.]+\][\w.]*)*): (?:Invalid value|Required value|Internal error|Unsupported value)"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the peer decided; `Error` when it could not and says so in an event.

    `fields` are the paths that its denial names, policy by policy; None where it names none, as it gives up
    at names that Go can't decode.
    """

    verdict: str
    message: str = ""
    fields: Mapping[str, frozenset[str]] | None = None

    @classmethod
    def denied(cls, message: str) -> Answer:
        """A denial with this message."""
        if "could not be decoded" in message or "multiple SAN extensions" in message:
            return cls("Denied", message)
        parts = re.split(r"\[(g\d{4}-p\d+): ", message)
        named = zip(parts[1::2], parts[2::2], strict=True)
        return cls("Denied", message, {name: frozenset(_PATH.findall(text)) for name, text in named})


class Peer:
    """approver-policy on a testbed, asked in batches.

    Every batch ends with a sentinel that a policy of its own approves. The peer takes requests in order, so
    an approved sentinel says that those before it were looked at: one without a condition was left alone,
    not overlooked. The peer's event `Unprocessed` on the request says the same, and is asked for as well.
    """

    def __init__(self, bed: Testbed, first: int = 0) -> None:
        self._bed = bed
        self._sentinels = first

    def prepare(self, policies: Mapping[str, Mapping[str, Any]], namespaces: Mapping[str, Any]) -> None:
        """Create namespaces, bindings and policies, and wait until all of them count."""
        all_namespaces: Mapping[str, Any] = {**SHARED_NAMESPACES, "sentinel": {}, **namespaces}
        self._each(all_namespaces.items(), lambda one: self._bed.kube.apply(_namespace(*one)))
        self._each(list(bindings([*policies])), self._bed.kube.apply)
        self._each(policies.items(), lambda one: self._bed.kube.create(policy(*one)))
        self._bed.kube.create(policy("sentinel", _SENTINEL))
        self._until(
            lambda: all(condition(one, "Ready") for one in self._bed.kube.list(API_VERSION, POLICY_KIND))
        )
        self.sentinel()

    def ask(self, cases: Sequence[Case]) -> dict[str, Answer]:
        """The peer's answer to every case, by its name; `prepare` was called with their policies."""
        found: dict[str, Answer] = {}
        for start in range(0, len(cases), BATCH):
            batch = cases[start : start + BATCH]
            self._each(batch, lambda case: self._bed.kube.create(dict(case.request)))
            found |= self.answers(batch)
        return found

    def answers(self, batch: Sequence[Case]) -> dict[str, Answer]:
        """The answers to requests that are there already."""
        self.sentinel()
        return self._collect(batch)

    def sentinel(self) -> None:
        """Have one more request approved, which is taken up after all that were there before."""
        self._sentinels += 1
        name = f"sentinel-{self._sentinels}"
        self._bed.kube.create(_sentinel_request(name))
        self._bed.kube.wait(CERT_MANAGER, REQUEST, name, "sentinel", until="Approved", timeout=120)

    def _collect(self, batch: Sequence[Case]) -> dict[str, Answer]:
        names = {case.name for case in batch}
        deadline = time.monotonic() + 60
        while True:
            time.sleep(SETTLE_SECONDS)
            events = self._events()
            requests = {one["metadata"]["name"]: one for one in self._bed.kube.list(CERT_MANAGER, REQUEST)}
            found = {name: _answer(requests[name], events.get(name, set())) for name in names}
            silent = sorted(name for name, answer in found.items() if answer is None)
            if not silent:
                return {name: answer for name, answer in found.items() if answer is not None}
            if time.monotonic() > deadline:
                raise AssertionError(f"the peer said nothing, not even in an event, about {silent[:5]}")

    def _events(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for event in self._bed.kube.list("events.k8s.io/v1", "Event"):
            about = event.get("regarding") or {}
            if about.get("kind") == REQUEST:
                found.setdefault(about["name"], set()).add(event["reason"])
        return found

    @staticmethod
    def _each(items: Iterable[Any], do: Callable[[Any], Any]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(do, items):
                pass

    @staticmethod
    def _until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline, "the peer didn't make every policy Ready"
            time.sleep(SETTLE_SECONDS)


def _answer(request: Object, events: set[str]) -> Answer | None:
    approved, denied = condition(request, "Approved"), condition(request, "Denied")
    if approved is not None:
        return Answer("Approved", approved["message"])
    if denied is not None:
        return Answer.denied(denied["message"])
    if "EvaluationError" in events:
        return Answer("Error")
    return Answer("Unprocessed") if "Unprocessed" in events else None


_SENTINEL = {
    "selector": {"namespace": {"matchNames": ["sentinel"]}},
    "allowed": {"dnsNames": {"values": ["*"]}},
}


def _sentinel_request(name: str) -> Object:

    spec = {
        "request": base64.b64encode(csr_pem("sentinel.example.test")).decode(),
        "issuerRef": {"group": "vault-issuer.io", "kind": "VaultIssuer", "name": "sentinel"},
        "username": "ann",
        "groups": [],
    }
    meta = {"name": name, "namespace": "sentinel"}
    return {"apiVersion": CERT_MANAGER, "kind": REQUEST, "metadata": meta, "spec": spec}


def policy(name: str, spec: Mapping[str, Any]) -> Object:
    """The peer's object."""
    return {"apiVersion": API_VERSION, "kind": POLICY_KIND, "metadata": {"name": name}, "spec": dict(spec)}


def _namespace(name: str, labels: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def bindings(policies: Sequence[str]) -> Iterator[list[Object]]:
    """Roles and bindings that give every user of `cases.USERS` what its `may_use` says."""
    for index, user in enumerate(USERS.values()):
        if user.namespaces == ():
            continue
        named = [one for one in policies if user.parity is not None and number(one) % 2 == user.parity]
        yield [_role(f"use-{index}", named if user.parity is not None else [])]
        subject = {"kind": "User", "apiGroup": _RBAC, "name": user.name}
        if user.name == "ben":
            subject = {"kind": "Group", "apiGroup": _RBAC, "name": "pki-users"}
        if user.name.startswith("system:serviceaccount:"):
            home, _, name = user.name.removeprefix("system:serviceaccount:").partition(":")
            subject = {"kind": "ServiceAccount", "namespace": home, "name": name}
        for namespace in user.namespaces or (None,):
            yield [_binding(f"use-{index}", subject, namespace)]


def _role(name: str, policies: Sequence[str]) -> Object:
    rule: dict[str, Any] = {
        "apiGroups": [GROUP],
        "resources": ["certificaterequestpolicies"],
        "verbs": ["use"],
        **({"resourceNames": list(policies)} if policies else {}),
    }
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]}


def _binding(role: str, subject: Mapping[str, str], namespace: str | None) -> Object:
    meta = {"name": role, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [dict(subject)],
    }
