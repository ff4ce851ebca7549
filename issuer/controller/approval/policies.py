"""The policies of the cluster, compiled once each, and their Ready condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from issuer.api.group import API_VERSION, POLICY_KIND
from issuer.controller.state.reasons import PolicyReason
from issuer.controller.state.watched.kept import slim
from issuer.controller.state.watched.store import Store
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, KubeError, NotFound
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.policy.compiled import CompiledPolicy, PolicyInvalid, compile_policy
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import selector_alone, selects
from issuer.policy.shown import shown
from issuer.requests.conditions import bounded, ready_of, says, with_condition
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES

log = structlog.get_logger(__name__)


class PolicyStore(Store[str]):
    """Every CertificateRequestPolicy: compiled, or the reason why it can't be.

    `on_change` hears of new, deleted and newly specified policies. `on_defect` hears of an error that
    nobody expected while one was compiled, and returns the message; such a policy allows nothing.
    """

    def __init__(self, on_change: Callable[[str], None], on_defect: Callable[[str, Exception], str]) -> None:
        super().__init__()
        self._on_change = on_change
        self._on_defect = on_defect
        self._broke: set[str] = set()
        self._objects: dict[str, Object] = {}
        self._compiled: dict[str, CompiledPolicy] = {}
        self._invalid: dict[str, str] = {}
        self._selectors: dict[str, CompiledPolicy | None] = {}  # of invalid ones
        self.version = 0
        """Grows whenever any policy's spec changes."""

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def policies(self) -> list[CompiledPolicy]:
        """The policies that can be evaluated, by name."""
        return [self._compiled[name] for name in sorted(self._compiled)]

    @property
    def invalid(self) -> dict[str, str]:
        """The reason of each policy that can't be evaluated, by its name."""
        return self._invalid

    def get(self, name: str) -> Object | None:
        """The policy as last seen."""
        return self._objects.get(name)

    def compiled(self, name: str) -> CompiledPolicy | None:
        """Return the policy as it is evaluated; None if it can't be."""
        return self._compiled.get(name)

    def problem(self, name: str) -> str | None:
        """Return why this policy is not evaluated, or None when it is."""
        return self._invalid.get(name)

    def reason(self, name: str) -> PolicyReason:
        """Return the reason of the policy's Ready condition."""
        if name in self._broke:
            return PolicyReason.INTERNAL_ERROR
        return PolicyReason.INVALID if name in self._invalid else PolicyReason.READY

    def selects(self, issuer: IssuerReference) -> bool:
        """Return True if any policy that can be evaluated selects this issuer."""
        return any(selects(policy, issuer) for policy in self._compiled.values())

    def may_select(self, issuer: IssuerReference) -> bool:
        """Return True if any policy selects this issuer, or would if it were valid: mistakes open nothing."""
        return self.selects(issuer) or len(self.invalid_elsewhere(issuer)) < len(self._invalid)

    def invalid_elsewhere(self, issuer: IssuerReference) -> frozenset[str]:
        """Return the names of those that can't be evaluated and are about other issuers than this one."""
        selectors = self._selectors.items()
        return frozenset(
            name for name, policy in selectors if policy is not None and not selects(policy, issuer)
        )

    def key_of(self, obj: Object) -> str:
        """Return the name of an object."""
        return str(obj["metadata"]["name"])

    def known(self) -> Iterable[str]:
        """Return the names of all policies."""
        return tuple(self._objects)

    def upsert(self, obj: Object) -> None:
        """Compile a policy that appeared or changed."""
        obj = _kept(obj)
        name, old = self.key_of(obj), self._objects.get(self.key_of(obj))
        self._objects[name] = obj
        if old is not None and _version(old) == _version(obj):
            return
        for kept in (self._compiled, self._invalid, self._selectors):
            kept.pop(name, None)
        self._broke.discard(name)
        self.version += 1
        try:
            self._compiled[name] = compile_policy(name, obj.get("spec") or {})
        except PolicyInvalid as error:
            self._invalid[name] = str(error)
        except Exception as error:  # noqa: BLE001 - reported on the policy, which allows nothing
            self._invalid[name] = self._on_defect(name, error)
            self._broke.add(name)
        if name in self._invalid:
            self._selectors[name] = selector_alone(name, obj.get("spec") or {})
        self._on_change(name)

    def refresh(self, obj: Object) -> None:
        """Keep a newer copy that we wrote of the very object that is known."""
        name = self.key_of(obj)
        known = self._objects.get(name)
        if known is not None and _version(known) == _version(obj):
            self._objects[name] = _kept(obj)

    def drop(self, key: str) -> None:
        """Forget a policy that is gone."""
        for kept in (self._objects, self._compiled, self._invalid, self._selectors):
            kept.pop(key, None)
        self._broke.discard(key)
        self.version += 1
        self._on_change(key)


def _kept(obj: Object) -> Object:
    """Return the fields of a policy that are read. Items of a list come without their type."""
    return {**slim(obj), "apiVersion": API_VERSION, "kind": POLICY_KIND}


def _version(obj: Object) -> tuple[Any, Any]:
    return obj["metadata"]["uid"], obj["metadata"]["generation"]


@dataclass(slots=True, eq=False)
class PolicyReconciler:
    """Writes each policy's Ready condition: whether it can be evaluated, and selects an issuer that exists.

    `issuers` returns all issuers. `writes_status` returns True in the process that writes.
    """

    client: KubeClient
    store: PolicyStore
    queue: WorkQueue[str]
    issuers: Callable[[], Iterable[IssuerReference]]
    writes_status: Callable[[], bool] = lambda: True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def reconcile(self, name: str) -> None:
        """Write the condition of one policy if it says something new."""
        self.queue.forget(name)
        obj = self.store.get(name)
        if obj is None or not self.writes_status():
            return
        ready, reason, message = self._finding(name)
        status = obj.get("status") or {}
        conditions = with_condition(
            status.get("conditions"),
            "Ready",
            ready,
            reason,
            message,
            self.now(),
            obj["metadata"]["generation"],
        )
        answer = {**obj, "status": {**status, "conditions": conditions}}
        wanted = ready_of(answer)
        if says(status.get("conditions"), wanted):
            return
        try:
            written = await self.client.replace_status(CERTIFICATE_REQUEST_POLICIES, answer)
        except NotFound:
            return
        except (Conflict, KubeError) as error:
            log.info("policy status not written yet", policy=name, error=str(error))
            self.queue.retry(name)
            return
        self.store.refresh(written)
        log.info("policy", policy=name, ready=ready, message=wanted["message"])

    def _finding(self, name: str) -> tuple[bool, PolicyReason, str]:
        """Return status, reason and message of the condition."""
        policy = self.store.compiled(name)
        if policy is None:
            message = bounded(f"the policy is not evaluated: {self.store.problem(name)}")
            return False, self.store.reason(name), message
        wanted = policy.selector.issuer
        if not wanted or any(selects(policy, issuer) for issuer in self.issuers()):
            return True, self.store.reason(name), "the policy is evaluated"
        fields = ", ".join(f"{field} {shown(pattern.text)}" for field, pattern in wanted)
        return (
            True,
            PolicyReason.ISSUER_NOT_FOUND,
            bounded(
                f"no issuer has the {fields} of spec.selector.issuerRef: the policy applies to no request. "
                "Create the issuer, or change the selector"
            ),
        )
