"""Checks an issuer: spec, permissions, policies, login, and the CAs that sign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from issuer.api.issuers import IssuerSpec, SpecError
from issuer.cluster import NAME
from issuer.controller.access.permissions import ApprovalRights, forbidden_text
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.issuers.ca_chains import ca_facts, ca_validities
from issuer.controller.issuers.signers import CheckOutdated, IssuerSigners
from issuer.controller.issuers.status import CheckResult, bad_answers_before
from issuer.controller.state.health.ca_expiry import CAExpired, ExpiryWarning, check_not_expired, warning
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.peer_watch import answered_by, status_written_by
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.controller.state.watched.issuers import IssuerStore, retry_mark
from issuer.duration import format_seconds
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError, NotFound
from issuer.policy.facts import IssuerReference
from issuer.requests.conditions import ready_of
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.signing.backend import Backends
from issuer.signing.outcomes import IssuerBroken, SigningError
from issuer.signing.profile import SigningProfile
from issuer.signing.secrets import kubernetes_retry
from issuer.signing.signer import Health
from issuer.x509.chains.chain import CLOCK_SKEW


@dataclass(slots=True, eq=False)
class IssuerChecker:
    """Checks one issuer and keeps what it found in the registry; writes nothing to the API server.

    `is_own_answer` returns True if this process answered the request of that key and uid.
    """

    client: KubeClient
    stores: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    backends: Backends
    signers: IssuerSigners
    policies: PolicyStore
    approval_rights: ApprovalRights
    revocation_rights: RevocationRights
    is_own_answer: Callable[[RequestKey, str], bool] = lambda _key, _uid: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def check(self, key: IssuerKey, obj: dict[str, Any]) -> CheckResult:
        """Return what a check found of an issuer that is Ready.

        Raises SpecError, SigningError, and CheckOutdated where it is to be checked again at once.
        """
        uid, generation = obj["metadata"]["uid"], obj["metadata"]["generation"]
        entry = self.registry.begin_check(key, uid, generation)
        backend = self.backends.of(key.kind)
        spec = backend.parse(await self._spec(key, obj))
        profile = backend.profile(spec)
        self.registry.spec_read(key, spec, profile)
        await self._check_approval(key, spec)
        await self._check_revocation(key, spec)
        self._check_policies(key, profile)
        await self._check_peer(key, obj, entry)
        shared = await self.signers.open(key, uid, generation, spec)
        health = await shared.signer.check()
        if entry.shared is not shared:
            raise CheckOutdated
        if entry.refused is not None:
            raise IssuerBroken(ControllerIssuerReason.STATUS_WRITE_REFUSED, entry.refused)
        now = self.now()
        ca = ca_facts(health.ca_pem, profile.leaf.name, profile, now, shared.anchors)
        validity, more = ca_validities(profile, ca, health.authority_pem, now, shared.anchors)
        if health.clock is not None:
            entry.bad_answers.clocks_compared(differ=abs(health.clock) > CLOCK_SKEW)
        self.registry.checked(key, validity, _marks(obj, shared), bad_answers_before(obj), health.lives)
        self._check_expiry(entry, health, now)
        bad = entry.bad_answers
        return CheckResult(
            ready=bad.error is None,
            reason=ControllerIssuerReason.READY if bad.error is None else bad.error.reason,
            message=bad.message(key) if bad.error else backend.ready_message(spec) + health.lives.told(),
            ca=ca,
            warnings=(*self._spec_warnings(key, spec), *health.warnings, *ca.warnings, *more),
            expiring=self._expiring(entry, spec),
            again_in=_sooner(
                health.check_again_in if bad.error is None else bad.wait or None,
                (entry.current_ca_validity[False].ends - now).total_seconds(),
            ),
            bad_answers=entry.bad_answers.in_status(entry.basis),
        )

    def failed(self, key: IssuerKey, error: SigningError) -> CheckResult:
        """Return what is known of an issuer whose check raised this."""
        entry = self.registry.entry(key)
        if entry.spec is None:
            return CheckResult(False, error.reason, error.message)
        return CheckResult(
            False,
            error.reason,
            error.message,
            warnings=self._spec_warnings(key, entry.spec),
            expiring=self._expiring(entry, entry.spec),
            bad_answers=entry.bad_answers.in_status(entry.basis),
        )

    async def _spec(self, key: IssuerKey, obj: dict[str, Any]) -> dict[str, Any]:
        """Return the spec, read again if there was no room for it and now is. Raises SpecError."""
        store = self.stores[key.kind]
        if store.fits_now(key):
            try:
                store.refresh(await _read(self.client, self.backends, key))
            except KubeError as error:
                raise kubernetes_retry(error, "read it again, now that there is room for it") from error
            obj = store.get(key) or obj
        problem = store.problem(key)
        if problem is not None:
            raise SpecError(problem)
        return obj.get("spec") or {}

    async def _check_approval(self, key: IssuerKey, spec: IssuerSpec) -> None:
        """Raise IssuerBroken if we would set Approved and Denied, and may not."""
        may_approve = spec.approval != "Policy" or await self.approval_rights.may_approve(key)
        self.registry.approval_checked(key, may_approve)
        if not may_approve:
            raise IssuerBroken(
                ControllerIssuerReason.APPROVAL_FORBIDDEN,
                forbidden_text(self.approval_rights.signer_names(key)),
            )

    async def _check_revocation(self, key: IssuerKey, spec: IssuerSpec) -> None:
        """Raise IssuerBroken if the issuer revokes, and we lack a right that this needs."""
        if spec.revocation.policy != "Never":
            problem = await self.revocation_rights.issuer_problem(key)
            if problem is not None:
                raise IssuerBroken(ControllerIssuerReason.REVOCATION_FORBIDDEN, problem)

    async def _check_peer(self, key: IssuerKey, obj: dict[str, Any], entry: IssuerEntry) -> None:
        """Raise IssuerBroken if another controller answers this issuer's requests, or writes its status.

        Who wrote is read from the object itself, and only here: watches leave it out, and few answers come
        from elsewhere.
        """
        backend, reason = self.backends.of(key.kind), _reason(obj)
        if backend.peer and entry.peer.is_overwritten(reason):
            try:
                issuer = await _read(self.client, self.backends, key)
            except KubeError as error:
                raise kubernetes_retry(error, "see who wrote the issuer's status") from error
            entry.peer.looked_at_status(status_written_by(issuer), NAME, retry_mark(obj))
        request = entry.peer.suspected
        if request is not None:
            try:
                found = await self.client.get(request.resource, request.name, request.namespace or None)
            except NotFound:
                found = {}
            except KubeError as error:
                raise kubernetes_retry(error, "see who answered a request") from error
            # Whoever may edit a request may write into its managedFields, too.
            own = self.is_own_answer(request, str((found.get("metadata") or {}).get("uid", "")))
            entry.peer.looked(None if own else answered_by(found), NAME, retry_mark(obj))
        problem = entry.peer.problem(key, backend.peer, retry_mark(obj))
        if problem is not None:
            raise IssuerBroken(ControllerIssuerReason.TWO_CONTROLLERS, problem)

    def _check_policies(self, key: IssuerKey, profile: SigningProfile) -> None:
        """Raise IssuerBroken where only policies would restrict what is signed, and there is none."""
        policy_only = profile.policy_only_paths
        if policy_only and not self.policies.selects(self._reference(key)):
            raise IssuerBroken(
                ControllerIssuerReason.NO_POLICY,
                f"{policy_only[0]} signs whatever is asked, and no CertificateRequestPolicy selects this "
                "issuer: write one whose selector names it",
            )

    def _check_expiry(self, entry: IssuerEntry, health: Health, now: datetime) -> None:
        """Raise CAExpired if no leaf can be signed. A CA for CA certificates alone holds up these alone."""
        try:
            check_not_expired(entry.ca_validity.get(False), entry.seen.get(False), now)
        except CAExpired as error:
            advice = (_only_by_our_clock(error, health, now), health.ca_assumed)
            raise CAExpired(error.ca, ". ".join(filter(None, advice))) from error

    def _spec_warnings(self, key: IssuerKey, spec: IssuerSpec) -> tuple[str, ...]:
        """Return what deserves a look, be the issuer Ready or not."""
        found = []
        if spec.approval == "External" and not self.policies.may_select(self._reference(key)):
            found.append("no CertificateRequestPolicy selects this issuer: another approver's word is enough")
        return (*found, *self.backends.of(key.kind).warnings(spec))

    def _reference(self, key: IssuerKey) -> IssuerReference:
        return IssuerReference(**self.backends.kinds.reference(key))

    def _expiring(self, entry: IssuerEntry, spec: IssuerSpec) -> tuple[ExpiryWarning, ...]:
        """Return the warnings of the CAs that soon end before their certificates would."""
        now = self.now()
        found = (
            warning(ca, spec.ca_expiry, entry.longest_issued[is_ca], now)
            for is_ca, ca in entry.current_ca_validity.items()
        )
        return tuple(text for text in found if text is not None)


def _only_by_our_clock(error: CAExpired, health: Health, now: datetime) -> str:
    """Return a sentence where the CA's server wouldn't say that the CA has expired, "" elsewhere."""
    ahead = -(health.clock or timedelta())
    if ahead <= CLOCK_SKEW or error.ca.has_expired(now - ahead):
        return ""
    return (
        f"It has not by the clock of the CA's server, which is {format_seconds(ahead)} behind this "
        "controller's: set the clocks before anything is rotated"
    )


def _marks(issuer: dict[str, Any], shared: SharedSigner) -> Iterable[str]:
    """Return what lets an issuer with bad answers be tried again, beside its generation and its CAs."""
    anchors = shared.anchors
    return retry_mark(issuer) or "", *(sorted(anchors.fingerprints) if anchors is not None else ())


async def _read(client: KubeClient, backends: Backends, key: IssuerKey) -> dict[str, Any]:
    """Read an issuer whole. Raises KubeError."""
    return await client.get(backends.kinds[key.kind].resource, key.name, key.namespace or None)


def _reason(issuer: dict[str, Any]) -> str:
    """Return the reason of Ready in an issuer's status, "" for none."""
    return str(ready_of(issuer).get("reason") or "")


def _sooner(seconds: float | None, ca_ends: float) -> float | None:
    """Return when to check again: as told, but at the CA's end at the latest, so that nothing is sent after.

    A CA whose end lies behind is not the one that signs.
    """
    if ca_ends <= 0:
        return seconds
    return ca_ends if seconds is None else min(seconds, ca_ends)
