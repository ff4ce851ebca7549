"""Diagnosis of a request: why it is in its state and what to do next. Pure, from what was gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from issuer.explain.advice import Advice, advise
from issuer.inspection.commands import (
    CONTROLLER_PODS,
    edit,
    explain_issuer,
    in_namespace,
    name_issuer,
    quoted,
    renew,
)
from issuer.inspection.objects.certificates import CERT_MANAGER_PODS
from issuer.inspection.progress import RequestState, ready_json, text_of
from issuer.inspection.request.details import RequestDetails
from issuer.manifests.text import shown
from issuer.policy.decision import PolicyVerdict
from issuer.requests.conditions import find
from issuer.requests.reason_message import reason_of
from issuer.requests.reasons import RequestRetry
from issuer.requests.status import APPROVAL_REASON
from issuer.site import docs_page

Controllers = Sequence[Mapping[str, Any]] | None
"""Controllers as `leases` finds them; None if they may not be read."""

_Findings = Iterator[str | Advice]
_LONG: Final = 1200
_FINAL: Final = "that is final: this request will not be retried"
_REASONS: Final = f"Every reason is in {docs_page('troubleshooting')}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Reasons in sentences, and advice, each in the order in which it counts."""

    reasons: tuple[str, ...]
    advice: tuple[Advice, ...]


def diagnose(details: RequestDetails, controllers: Controllers) -> Diagnosis:
    """Return the reasons of the state and what to do. `controllers` count only if `needs_controllers`."""
    findings = list(
        _not_served(details) if details.issuer_key is None else _BY_STATE[details.progress.state](details)
    )
    if details.certificate_word and details.progress.state is RequestState.ISSUED:
        findings.append(f"cert-manager says of the Certificate: {details.certificate_word}")
    if details.progress.state is RequestState.ISSUED:
        findings += _overdue(details)
    if needs_controllers(details):
        findings += _work(details, controllers, hindered=any(isinstance(one, Advice) for one in findings))
    return Diagnosis(
        tuple(one for one in findings if isinstance(one, str)),
        tuple(one for one in findings if isinstance(one, Advice)),
    )


def is_good(details: RequestDetails) -> bool:
    """Return True if the request has its certificate, and its Certificate needs no other by now."""
    return details.progress.state is RequestState.ISSUED and not details.certificate_overdue


def needs_controllers(details: RequestDetails) -> bool:
    """Return True if the diagnosis depends on controllers at work: the request waits, and can be answered."""
    waits = details.progress.state is RequestState.WAITING and not details.request.deleted
    return waits and details.issuer_key is not None


def _not_served(details: RequestDetails) -> _Findings:
    yield shown(details.spec_problem, _LONG)
    if details.request.is_ours and details.request.issuer_if_any is None:
        yield from _another_issuer(details)
    elif details.request.is_ours:
        yield _again(details, "The spec of a request can't be changed. ")


def _issued(details: RequestDetails) -> _Findings:
    message = details.progress.message
    yield f"it has its certificate: {shown(message, _LONG)}" if message else "it has its certificate"


def _overdue(details: RequestDetails) -> _Findings:
    """Yield that the next certificate is due, and that cert-manager, whose turn it is, has asked for none."""
    if not details.certificate_overdue:
        return
    yield details.certificate_overdue
    yield Advice(
        "See whether cert-manager and its webhook run, and what its controller logs of the Certificate.",
        command=CERT_MANAGER_PODS,
    )
    yield Advice(
        "Once it runs it renews automatically. To ask again now:",
        command=renew(details.certificate, details.request.key.namespace),
    )


def _denied(details: RequestDetails) -> _Findings:
    condition = find(details.request.conditions, "Denied") or {}
    reason = text_of(condition, "reason")
    message = shown(text_of(condition, "message") or details.progress.message, _LONG)
    if reason == APPROVAL_REASON:
        yield f"the policies denied it: {message}"
        yield from _policies_now(details)
    else:
        yield f"another approver ({shown(reason) or 'without a name'}) denied it: {message}"
    yield _FINAL
    yield _again(details)


def _failed(details: RequestDetails) -> _Findings:
    yield f"it failed: {shown(details.progress.message, _LONG)}"
    yield _FINAL
    if details.explanation is not None and details.explanation.decision.verdict is not PolicyVerdict.APPROVED:
        yield from _policies_now(details)
    yield _again(details, f"Correct what the message names. {_REASONS}. ")


def _policies_now(details: RequestDetails) -> _Findings:
    if details.explanation is None:
        return
    if details.explanation.decision.verdict is PolicyVerdict.APPROVED:
        yield f'the policy "{details.explanation.decision.policy}" would approve it by now'
    yield from advise(details.explanation)


def _waiting(details: RequestDetails) -> _Findings:
    if details.request.deleted:
        yield "it is being deleted: it gets no answer any more, and a finalizer keeps it"
        return
    yield from _own_word(details)
    if details.csr is None:
        yield f"its CSR can't be read, so it will fail: {shown(details.csr_problem)}"
        yield _again(details, "Whoever made the CSR has to make another. ")
        return
    yield from _approval(details)
    yield from _issuer(details)
    yield from _policies(details)


def _own_word(details: RequestDetails) -> _Findings:
    """Yield the controller's message: from the status, or for Kubernetes' own requests from an event."""
    if details.request.tells_by_event:
        warnings = [one for one in details.events if one["type"] == "Warning"]
        message = str(warnings[-1]["message"]) if warnings else ""
    else:
        message = details.progress.message
    if message:
        yield f"the controller says: {shown(message, _LONG)}"
    if reason_of(message) == RequestRetry.RENEWAL_LOOP:
        yield Advice(
            "See what renews the Certificate again and again: its spec.renewBefore beside the life that its "
            "certificates have, or a Secret that is deleted or overwritten. The request is signed "
            "automatically when the wait is over, or once the spec of the Certificate changes."
        )


def _approval(details: RequestDetails) -> _Findings:
    """Yield that another approver has to approve first, if so."""
    request, spec = details.request, details.issuer_spec
    if request.approved:
        return
    if request.only_others_approve:
        yield "nobody has approved it, and vault-issuer approves no CertificateSigningRequests"
        yield Advice(
            "If it should be signed:", command=f"kubectl certificate approve {quoted(request.key.name)}"
        )
    elif spec is not None and spec.approval == "External":
        yield f"{_issuer_name(details)} has spec.approval External, and no other approver has approved it"
        yield Advice(
            "See why the approver that is meant is silent, and if it may approve. If it should be signed:",
            command=f"cmctl approve {quoted(request.key.name)}{in_namespace(request.key.namespace)}",
        )


def _issuer(details: RequestDetails) -> _Findings:
    if details.issuer is None:
        if details.issuer_readable:
            yield f"there is no {_issuer_name(details)}"
            yield from _another_issuer(details)
        return
    ready = ready_json(details.issuer)
    if ready["ready"] is not True:
        reason = f" ({shown(ready['reason'])})" if ready["reason"] else ""
        sentence = f"{_issuer_name(details)} is not Ready{reason}: {shown(ready['message'], _LONG)}"
        if sentence not in shown(
            details.progress.message, _LONG
        ):  # else the controller's word has it already
            yield sentence
        yield Advice(
            f"Correct the issuer; its requests are answered automatically then. {_REASONS}.",
            command="" if details.issuer_key is None else explain_issuer(details.issuer_key),
        )


def _issuer_name(details: RequestDetails) -> str:
    return "" if details.issuer_key is None else shown(details.issuer_key.quoted)


def _another_issuer(details: RequestDetails) -> _Findings:
    """Advise to name an issuer that is there; policies come later, as they are about an issuer."""
    names = [shown(key.quoted) for key in details.alternatives]
    there = f" There is {' and '.join(names)}." if names else ""
    create = "" if details.issuer_key is None else " Or create the issuer: the request is answered then."
    if not details.certificate:
        yield Advice(f"A request can't be changed: make a new one that names another issuer.{there}{create}")
        return
    namespace = details.request.key.namespace
    command = edit("certificate", details.certificate, namespace)
    if details.alternatives:
        kinds = details.request.issuer_kinds
        command = name_issuer(details.certificate, namespace, details.alternatives[0], kinds)
    yield Advice(
        f'Edit issuerRef of the Certificate "{shown(details.certificate)}"; a new request follows at '
        f"once.{there}{create}",
        command=command,
    )


def _policies(details: RequestDetails) -> _Findings:
    if details.issuer is None and details.issuer_readable:
        return  # which policies matter is known once an issuer is
    if details.explanation is None or details.explanation.decision.verdict is PolicyVerdict.APPROVED:
        return
    if details.explanation.decision.verdict is PolicyVerdict.DENIED:
        yield "the policies that apply don't allow all of it, so it will be denied"
    else:
        yield "no policy applies to it"
    yield from advise(details.explanation)


def _work(details: RequestDetails, controllers: Controllers, *, hindered: bool) -> _Findings:
    """Yield that no controller works, or that the request waits for its turn if nothing hinders it."""
    if controllers is not None and not any(one["leads"] for one in controllers):
        yield "no controller was found at work: none holds a Lease"
        yield Advice("See whether the controller runs:", command=CONTROLLER_PODS)
    elif not hindered:
        yield "nothing that can be seen from here is in its way"
        yield Advice(
            "It waits for its turn, or for a retry: look again in a minute. Issuers that are held back by "
            "spec.rateLimit, or by a server that doesn't answer, show in "
            "vault_issuer_throttled_seconds_total."
        )


def _again(details: RequestDetails, before: str = "") -> Advice:
    """Return how another request is made, behind what is to be done `before`."""
    if not details.certificate:
        return Advice(f"{before}Make a new request.")
    return Advice(
        f"{before}Change the Certificate. Without a change cert-manager retries after 1 h, then 2 h, 4 h…; "
        "to retry now:",
        command=renew(details.certificate, details.request.key.namespace),
    )


_BY_STATE: Final[dict[RequestState, Callable[[RequestDetails], _Findings]]] = {
    RequestState.ISSUED: _issued,
    RequestState.DENIED: _denied,
    RequestState.FAILED: _failed,
    RequestState.WAITING: _waiting,
}
