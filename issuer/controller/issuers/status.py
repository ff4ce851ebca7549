"""The status that a check of an issuer leads to, and what of it is news. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuer.api.issuers import IssuerStatus, SpecError
from issuer.controller.issuers.ca_chains import CAFacts
from issuer.controller.state.health.bad_answers import BadAnswersBefore
from issuer.controller.state.health.ca_expiry import ExpiryWarning
from issuer.reasons import Reason
from issuer.requests.conditions import ready_of, says, with_condition
from issuer.signing.reasons import SigningIssuerReason
from issuer.text import rfc3339


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Findings of one check of an issuer.

    `again_in` is the number of seconds until the next, `expiring` are warnings that are worth an event, too.
    `bad_answers` is the status field of that name, empty where there is nothing to count, and None where this
    process doesn't know yet: then what another process wrote stays.
    """

    ready: bool
    reason: Reason
    message: str
    ca: CAFacts | None = None
    warnings: tuple[str, ...] = ()
    expiring: tuple[ExpiryWarning, ...] = ()
    again_in: float | None = None
    bad_answers: dict[str, Any] | None = None


def bad_answers_before(obj: dict[str, Any]) -> BadAnswersBefore:
    """Return what the issuer's status tells of bad answers to calls of another process."""
    status = obj.get("status") or {}
    ready = ready_of(obj)
    told = (ready.get("reason"), ready.get("observedGeneration"))
    by_reason = told == (SigningIssuerReason.BAD_ANSWER, obj["metadata"]["generation"])
    try:
        counted = IssuerStatus.parse({"badAnswers": status.get("badAnswers")}).bad_answers
    except SpecError:  # somebody else wrote it
        counted = None
    return BadAnswersBefore(counted, by_reason)


def new_warnings(obj: dict[str, Any], result: CheckResult) -> list[str]:
    """Return the warnings that the issuer's status doesn't hold yet."""
    old, behind = _old_warnings(obj)
    return [text for text in result.warnings if text not in old and _sentence(text) not in behind]


def is_transition(obj: dict[str, Any], result: CheckResult) -> bool:
    """Return True if the Ready condition has another status or reason so far."""
    old = ready_of(obj)
    return not old or (old.get("status") == "True", old.get("reason")) != (result.ready, result.reason)


def new_expiry_warnings(obj: dict[str, Any], result: CheckResult) -> list[str]:
    """Return the warnings about a CA's end that the status doesn't hold yet, in whatever words."""
    old, behind = _old_warnings(obj)
    return [
        str(warning)
        for warning in result.expiring
        if not warning.stands_in(old) and warning.ending not in behind
    ]


def _old_warnings(obj: dict[str, Any]) -> tuple[Sequence[str], str]:
    """Return the status's warnings, and the message of Ready: it holds them where the CRD has no field."""
    return (obj.get("status") or {}).get("warnings") or (), str(ready_of(obj).get("message") or "")


def with_result(
    obj: dict[str, Any],
    result: CheckResult,
    known: frozenset[str],
    now: datetime,
    *,
    keeps_generation: bool = True,
) -> dict[str, Any] | None:
    """Return the issuer with its new status, None where that says nothing new.

    `known` are the CRD's fields, and `keeps_generation` whether its conditions have `observedGeneration`:
    what the API server prunes would be missing from each status that is read back.
    """
    status = obj.get("status") or {}
    conditions = with_condition(
        status.get("conditions"),
        "Ready",
        result.ready,
        result.reason,
        result.message if "warnings" in known else _with_warnings(result),
        now,
        obj["metadata"]["generation"] if keeps_generation else None,
    )
    fields = {name: value for name, value in _facts(result).items() if name in known}
    kept = {**status, **fields, "conditions": conditions}
    unchanged = says(status.get("conditions"), ready_of({"status": kept}))
    if unchanged and all(status.get(name) == value for name, value in fields.items()):
        return None
    return {**obj, "status": {name: value for name, value in kept.items() if value is not None}}


def _with_warnings(result: CheckResult) -> str:
    """Return the message with the warnings behind it, for a CRD without a field for them."""
    warnings = [_sentence(one) for one in (*result.warnings, *map(str, result.expiring))]
    return " ".join([_sentence(result.message), *warnings]) if warnings else result.message


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}."


def _facts(result: CheckResult) -> dict[str, Any]:
    """The fields beside the conditions; None where there is nothing to say.

    What was known of the CA stays while the issuer is broken: that is when somebody reads it.
    """
    fields: dict[str, Any] = {"warnings": [*result.warnings, *map(str, result.expiring)] or None}
    if result.bad_answers is not None:
        fields["badAnswers"] = result.bad_answers or None
    if result.ca is not None:
        fields |= {
            "caSubject": result.ca.subject,
            "caSerial": result.ca.serial,
            "caNotAfter": rfc3339(result.ca.not_after),
        }
    return fields
