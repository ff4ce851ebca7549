"""Keeps each issuer's state true: credentials, login, CA chain, and its Ready condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from issuer.api.issuers import IssuerSpec, SpecError
from issuer.controller.access.permissions import ApprovalRights, forbidden_text
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.issuers.ca_chains import ca_facts, ca_validities
from issuer.controller.issuers.status import (
    CheckResult,
    is_transition,
    new_expiry_warnings,
    new_warnings,
    with_result,
)
from issuer.controller.scheduling.checks import CheckFlows, TookLong
from issuer.controller.state.ca_expiry import ExpiryWarning, warning
from issuer.controller.state.defects import Defects
from issuer.controller.state.issuers import Identity, IssuerEntry, IssuerRegistry, SharedSigner
from issuer.controller.state.reasons import ControllerIssuerReason, EventReason
from issuer.controller.state.stores import IssuerStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, KubeError, NotFound
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.policy.facts import IssuerReference
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import Backends, Connector
from issuer.signing.outcomes import IssuerBroken, IssuerUnavailable, SigningError
from issuer.signing.profile import SigningProfile
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.secrets import kubernetes_retry
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class IssuerReconciler:
    """Checks one issuer at a time, by key, and writes what it found.

    `period` is the longest time in seconds between two checks of a healthy
    issuer; a broken one is checked with the queue's backoff. `writes_status` says whether
    this is the process that writes status and events. `connectors` open the signers of
    each kind of issuer.
    """

    client: KubeClient
    stores: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    queue: WorkQueue[IssuerKey]
    flows: CheckFlows
    backends: Backends
    connectors: Mapping[str, Connector]
    policies: PolicyStore
    approval_rights: ApprovalRights
    revocation_rights: RevocationRights
    recorder: EventRecorder
    metrics: Metrics
    defects: Defects
    period: float
    writes_status: Callable[[], bool] = lambda: True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def reconcile(self, key: IssuerKey) -> None:
        """Check the issuer of that key and plan its next check."""
        obj = self.stores[key.kind].get(key)
        if obj is None:
            self.queue.forget(key)
            await self.registry.forget(key)
            self.metrics.forget_issuer(*key)
            return
        try:
            result = await self._result(key, obj)
        except TookLong:
            self.queue.add(key)
            return
        current = self.stores[key.kind].get(key)
        if current is None or not _same_version(current, obj):
            self.queue.add(key)  # it changed meanwhile: this result is about another issuer
            return
        self._remember(key, result)
        if not await self._write(key, current, result):
            self.queue.retry(key)
            return
        self._plan(key, result)

    async def _result(self, key: IssuerKey, obj: dict[str, Any]) -> CheckResult:
        try:
            return await self.flows.bounded(key, self._check(key, obj))
        except TookLong:
            raise
        except SpecError as error:
            return CheckResult(False, SigningIssuerReason.INVALID_SPEC, str(error))
        except SigningError as error:
            entry = self.registry.entry(key)
            if entry.spec is None:
                return CheckResult(False, error.reason, error.message)
            warnings, expiring = self._spec_warnings(key, entry.spec), self._expiring(entry, entry.spec)
            return CheckResult(False, error.reason, error.message, warnings=warnings, expiring=expiring)
        except Exception as error:  # noqa: BLE001 - reported on the issuer, and tried again with backoff
            return CheckResult(
                False, ControllerIssuerReason.INTERNAL_ERROR, self.defects.note("issuers", key, error)
            )

    async def _check(self, key: IssuerKey, obj: dict[str, Any]) -> CheckResult:
        uid, generation = obj["metadata"]["uid"], obj["metadata"]["generation"]
        entry = self.registry.begin_check(key, uid, generation)
        backend = self.backends.of(key.kind)
        spec = backend.parse(await self._spec(key, obj))
        profile = backend.profile(spec)
        self.registry.spec_read(key, spec, profile)
        await self._check_approval(key, spec)
        await self._check_revocation(key, spec)
        self._check_policies(key, profile)
        shared = await self._signer(key, uid, generation, spec)
        health = await shared.signer.check()
        if entry.refused is not None:
            raise IssuerBroken(ControllerIssuerReason.STATUS_WRITE_REFUSED, entry.refused)
        stranger = self.registry.take_stranger(key)
        if stranger is not None:
            raise stranger  # the next check lets one request try again
        now = self.now()
        ca = ca_facts(health.ca_pem, profile.leaf.name, profile, now, shared.anchors)
        validity, more = ca_validities(profile, ca, health.authority_pem, now, shared.anchors)
        self.registry.checked(key, validity)
        return CheckResult(
            ready=True,
            reason=ControllerIssuerReason.READY,
            message=backend.ready_message(spec),
            ca=ca,
            warnings=(*self._spec_warnings(key, spec), *health.warnings, *ca.warnings, *more),
            expiring=self._expiring(entry, spec),
            again_in=health.check_again_in,
        )

    async def _spec(self, key: IssuerKey, obj: dict[str, Any]) -> dict[str, Any]:
        """The spec, which is read again where there was no room for it and now is. Raises SpecError."""
        store = self.stores[key.kind]
        if store.fits_now(key):
            try:
                resource = self.backends.kinds[key.kind].resource
                store.refresh(await self.client.get(resource, key.name, key.namespace))
            except KubeError as error:
                raise kubernetes_retry(error, "read it again, now that there is room for it") from error
            obj = store.get(key) or obj
        problem = store.problem(key)
        if problem is not None:
            raise SpecError(problem)
        return obj.get("spec") or {}

    async def _check_approval(self, key: IssuerKey, spec: IssuerSpec) -> None:
        """In Policy mode we set Approved and Denied: be sure that we may before anything is signed."""
        may_approve = spec.approval != "Policy" or await self.approval_rights.may_approve(key)
        self.registry.approval_checked(key, may_approve)
        if not may_approve:
            raise IssuerBroken(
                ControllerIssuerReason.APPROVAL_FORBIDDEN,
                forbidden_text(self.approval_rights.signer_names(key)),
            )

    async def _check_revocation(self, key: IssuerKey, spec: IssuerSpec) -> None:
        """A mode that revokes needs rights of its own: be sure of them before anything is signed."""
        if spec.revocation.policy != "Never":
            problem = await self.revocation_rights.issuer_problem(key)
            if problem is not None:
                raise IssuerBroken(ControllerIssuerReason.REVOCATION_FORBIDDEN, problem)

    def _check_policies(self, key: IssuerKey, profile: SigningProfile) -> None:
        """Raise IssuerBroken where only policies would restrict what is signed, and there is none."""
        policy_only = profile.policy_only_paths
        if policy_only and not self.policies.selects(self._reference(key)):
            raise IssuerBroken(
                ControllerIssuerReason.NO_POLICY,
                f"{policy_only[0]} signs whatever is asked, and no CertificateRequestPolicy selects this "
                "issuer: write one whose selector names it",
            )

    def _spec_warnings(self, key: IssuerKey, spec: IssuerSpec) -> tuple[str, ...]:
        """Return what deserves a look, be the issuer Ready or not."""
        found = []
        if spec.approval == "External" and not self.policies.may_select(self._reference(key)):
            found.append("no CertificateRequestPolicy selects this issuer: another approver's word is enough")
        return (*found, *self.backends.of(key.kind).warnings(spec))

    def _reference(self, key: IssuerKey) -> IssuerReference:
        return IssuerReference(key.name, key.kind, self.backends.kinds[key.kind].group)

    def _expiring(self, entry: IssuerEntry, spec: IssuerSpec) -> tuple[ExpiryWarning, ...]:
        """Return the warnings of the CAs that soon end before their certificates would."""
        now = self.now()
        found = (
            warning(ca, spec.ca_expiry, entry.longest_requested[is_ca], now)
            for is_ca, ca in entry.current_ca_validity.items()
        )
        return tuple(text for text in found if text is not None)

    async def _signer(self, key: IssuerKey, uid: str, generation: int, spec: IssuerSpec) -> SharedSigner:
        """The signer of exactly this issuer, spec and Secrets; a new one when any of them changed."""
        prepared = await self.connectors[key.kind].prepare(key, spec)
        current = self.stores[key.kind].get(key)
        if current is None or (current["metadata"]["uid"], current["metadata"]["generation"]) != (
            uid,
            generation,
        ):
            # What was just read may belong to the new spec: never send it where the old one points.
            raise IssuerUnavailable(
                ControllerIssuerReason.CHANGED, "the issuer changed while it was being checked"
            )
        identity: Identity = (uid, generation, prepared.versions)
        shared = self.registry.entry(key).shared
        if shared is None or shared.identity != identity:
            if prepared.memory is not None:
                self.registry.use_tls(key, prepared.memory)
            shared = SharedSigner(prepared.build(), identity, prepared.anchors)
            await self.registry.use_signer(key, shared)
        return shared

    def _remember(self, key: IssuerKey, result: CheckResult) -> None:
        self.metrics.issuer_ready.labels(*key).set(1 if result.ready else 0)
        if result.ca is not None:
            ends = (life.ends for life in self.registry.entry(key).current_ca_validity.values())
            self.metrics.ca_not_after.labels(*key).set(min(ends, default=result.ca.not_after).timestamp())
        if result.ready:
            self.registry.mark_ready(key)
        else:
            self.registry.mark_broken(key, result.reason, result.message)

    def _plan(self, key: IssuerKey, result: CheckResult) -> None:
        if not result.ready:
            self.queue.retry(key)
            return
        if not self.registry.entry(key).half_open:
            self.queue.forget(key)
        again = self.period if result.again_in is None else min(self.period, result.again_in)
        self.queue.add_after(key, max(again, 0.5))

    async def _write(self, key: IssuerKey, obj: dict[str, Any], result: CheckResult) -> bool:
        """Write the status if it would say something new; False when it should be tried again."""
        if not self.writes_status():
            return True
        new = with_result(obj, result, self.backends.of(key.kind).status_fields, self.now())
        if new is None:
            return True
        changed = is_transition(obj, result)
        try:
            written = await self.client.replace_status(self.backends.kinds[key.kind].resource, new)
        except NotFound:
            return True
        except Conflict:
            return False
        except KubeError as error:
            log.warning("issuer status not written", issuer=str(key), error=str(error))
            return False
        self.stores[key.kind].refresh(written)
        for text in new_warnings(obj, result):
            log.warning("issuer warning", issuer=str(key), message=text)
        if changed:
            log.info(
                "issuer", issuer=str(key), ready=result.ready, reason=result.reason, message=result.message
            )
            record = self.recorder.normal if result.ready else self.recorder.warning
            record(new, result.reason, result.message)
        for text in new_expiry_warnings(obj, result):
            self.recorder.warning(new, EventReason.CA_EXPIRES_SOON, text)
        return True


def _same_version(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one["metadata"][name] == other["metadata"][name] for name in ("uid", "generation"))
