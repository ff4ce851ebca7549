"""Why a request is as it is, and what to do next. Pure, by what was gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from issuer.explain.advice import Advice, advise
from issuer.inspection.progress import State, ready_json, text_of
from issuer.inspection.request_details import Case
from issuer.manifests.text import shown
from issuer.policy.decision import PolicyVerdict
from issuer.requests.conditions import find
from issuer.requests.status import APPROVAL_REASON

Controllers = Sequence[Mapping[str, Any]] | None
"""As `leases` finds them; None where they may not be seen."""

_Told = Iterator[str | Advice]
_LONG: Final = 1200
_REASONS: Final = "docs/troubleshooting.md has every reason"


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons in sentences, and what to do, each in the order in which it counts."""

    reasons: tuple[str, ...]
    advice: tuple[Advice, ...]


def why(case: Case, controllers: Controllers) -> Why:
    """Why it is as it is. `controllers` matter only where `needs_controllers`."""
    told = list(_not_served(case) if case.issuer_key is None else _BY_STATE[case.standing.state](case))
    if needs_controllers(case):
        told += _work(case, controllers, hindered=any(isinstance(one, Advice) for one in told))
    return Why(
        tuple(one for one in told if isinstance(one, str)),
        tuple(one for one in told if isinstance(one, Advice)),
    )


def needs_controllers(case: Case) -> bool:
    """Whether it matters who works: the request waits, and can be answered."""
    waits = case.standing.state is State.WAITING and not case.request.deleted
    return waits and case.issuer_key is not None


def _not_served(case: Case) -> _Told:
    yield shown(case.spec_problem, _LONG)
    if case.request.is_ours:
        yield Advice(f"The spec of a request can't be changed. {_again(case)}")


def _issued(case: Case) -> _Told:
    message = case.standing.message
    yield f"it has its certificate: {shown(message, _LONG)}" if message else "it has its certificate"


def _denied(case: Case) -> _Told:
    condition = find(case.request.conditions, "Denied") or {}
    reason = text_of(condition, "reason")
    message = shown(text_of(condition, "message") or case.standing.message, _LONG)
    if reason == APPROVAL_REASON:
        yield f"the policies denied it, for good: {message}"
        yield from _policies_now(case)
    else:
        yield f"another approver ({shown(reason) or 'without a name'}) denied it, for good: {message}"
    yield Advice(f"A denied request stays so. {_again(case)}")


def _failed(case: Case) -> _Told:
    yield f"it failed, for good: {shown(case.standing.message, _LONG)}"
    if case.explanation is not None and case.explanation.decision.verdict is not PolicyVerdict.APPROVED:
        yield from _policies_now(case)
    yield Advice(f"Mend what is named there ({_REASONS}). A failed request stays so. {_again(case)}")


def _policies_now(case: Case) -> _Told:
    if case.explanation is None:
        return
    if case.explanation.decision.verdict is PolicyVerdict.APPROVED:
        yield f"the policy {case.explanation.decision.policy} would approve it by now"
    yield from advise(case.explanation)


def _waiting(case: Case) -> _Told:
    if case.request.deleted:
        yield "it is being deleted: it gets no answer any more, and a finalizer keeps it"
        return
    yield from _own_word(case)
    if case.csr is None:
        yield f"its CSR can't be read, so it will fail: {shown(case.csr_problem)}"
        yield Advice(f"Whoever made the CSR has to make another. {_again(case)}")
        return
    yield from _approval(case)
    yield from _issuer(case)
    yield from _policies(case)


def _own_word(case: Case) -> _Told:
    """What the controller said of it: in its status, or for Kubernetes' own requests in an event."""
    if case.request.tells_by_event:
        warnings = [one for one in case.events if one["type"] == "Warning"]
        message = str(warnings[-1]["message"]) if warnings else ""
    else:
        message = case.standing.message
    if message:
        yield f"the controller says: {shown(message, _LONG)}"


def _approval(case: Case) -> _Told:
    """Another approver's word, where it is wanted first."""
    request, spec = case.request, case.issuer_spec
    if request.approved:
        return
    if request.only_others_approve:
        yield "nobody has approved it, and vault-issuer approves no CertificateSigningRequests"
        yield Advice(f"If it should be signed: kubectl certificate approve {request.key.name}")
    elif spec is not None and spec.approval == "External":
        yield f"{case.issuer_key} has spec.approval External, and no other approver has approved it"
        yield Advice(
            f"If it should be signed: cmctl approve {request.key.name} -n {request.key.namespace}; or see "
            "why the approver that is meant says nothing, and whether it may approve."
        )


def _issuer(case: Case) -> _Told:
    if case.issuer is None:
        if case.issuer_readable:
            yield f"there is no {case.issuer_key}"
            yield Advice(
                "Create it: the request is answered then. The issuer that a request names can't be changed; "
                f"if another is meant: {_again(case)}"
            )
        return
    ready = ready_json(case.issuer)
    if ready["ready"] is not True:
        reason = f" ({shown(ready['reason'])})" if ready["reason"] else ""
        yield f"{case.issuer_key} is not Ready{reason}: {shown(ready['message'], _LONG)}"
        yield Advice(f"Mend the issuer ({_REASONS}); its requests are answered by themselves then.")


def _policies(case: Case) -> _Told:
    if case.explanation is None or case.explanation.decision.verdict is PolicyVerdict.APPROVED:
        return
    if case.explanation.decision.verdict is PolicyVerdict.DENIED:
        yield "the policies that apply don't allow all of it, so it will be denied"
    else:
        yield "no policy applies to it"
    yield from advise(case.explanation)


def _work(case: Case, controllers: Controllers, *, hindered: bool) -> _Told:
    """Who should answer it; what to do where nothing else is in the way."""
    if controllers is not None and not any(one["leads"] for one in controllers):
        yield "no controller was found at work: none holds a Lease"
        yield Advice(
            "See whether the controller runs: kubectl get pods -A -l app.kubernetes.io/name=vault-issuer"
        )
    elif not hindered:
        yield "nothing that can be seen from here is in its way"
        yield Advice(
            "It waits for its turn, or for a retry: look again in a minute. Issuers that are held back by "
            "spec.rateLimit, or by a Vault that doesn't answer, show in vault_issuer_throttled_seconds_total."
        )


def _again(case: Case) -> str:
    if case.certificate:
        return (
            "cert-manager makes a new one by itself, after an hour at first and ever later, or at once by "
            f"cmctl renew {shown(case.certificate)} -n {case.request.key.namespace}"
        )
    return "Make a new request."


_BY_STATE: Final[dict[State, Callable[[Case], _Told]]] = {
    State.ISSUED: _issued,
    State.DENIED: _denied,
    State.FAILED: _failed,
    State.WAITING: _waiting,
}
