"""Answers of `inspect` and `explain` to a target: data, text for people, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from issuer.explain.advice import Advice
from issuer.inspection.kinds import CERTIFICATE, POLICY_TARGET, SECRET_KIND
from issuer.inspection.lookup import REQUESTS, find_request, read_target
from issuer.inspection.objects.account import ObjectAccount
from issuer.inspection.objects.certificates import certificate_account, overdue_of, word_of
from issuer.inspection.objects.issuers import TrialOptions, issuer_account
from issuer.inspection.objects.policies import policy_account
from issuer.inspection.objects.secrets import secret_account
from issuer.inspection.objects.tables import show_account
from issuer.inspection.overview.leases import controllers
from issuer.inspection.reading import Reader
from issuer.inspection.request.details import RequestDetails, gather
from issuer.inspection.request.diagnosis import diagnose, is_good, needs_controllers
from issuer.inspection.request.report import diagnosis_json, report
from issuer.inspection.request.tables import show_diagnosis, show_report
from issuer.inspection.target import InspectionTarget
from issuer.terminal.console import Console

GOOD: Final = 0
NOT_GOOD: Final = 1
"""Exit codes: the object does what it is there for, or it doesn't."""


@dataclass(frozen=True, slots=True)
class InspectionAnswer:
    """Answer to one target: `data` for JSON and YAML, `show` for people."""

    data: dict[str, Any]
    show: Callable[[Console], None]
    exit_code: int
    advice: Sequence[Advice] = ()


async def explain_target(
    reader: Reader, target: InspectionTarget, trial: TrialOptions, now: datetime
) -> InspectionAnswer:
    """Say why an object is as it is, and what to do; an issuer is tried as `trial` says.

    Raises BadInput, KubeError.
    """
    details = await _request(reader, target, now)
    if details is None:
        return await _account(reader, target, trial, now)
    known = await controllers(reader, None, now) if needs_controllers(details) else None
    details = replace(details, gaps=tuple(reader.gaps))
    found = diagnose(details, known)
    return InspectionAnswer(
        diagnosis_json(details, found),
        lambda to: show_diagnosis(details, found, to),
        GOOD if is_good(details) else NOT_GOOD,
        found.advice,
    )


async def inspect_target(reader: Reader, target: InspectionTarget, now: datetime) -> InspectionAnswer:
    """Show an object taken apart. Raises BadInput, KubeError."""
    details = await _request(reader, target, now)
    if details is None:
        return await _account(reader, target, TrialOptions(off="inspect tries nothing; explain does"), now)
    found = report(details, now)
    return InspectionAnswer(
        found, lambda to: show_report(details, found, to), NOT_GOOD if found["trouble"] else GOOD
    )


async def _request(reader: Reader, target: InspectionTarget, now: datetime) -> RequestDetails | None:
    """Return the details of the request that a target stands for; None where it stands for none."""
    if target.kind not in (*REQUESTS, CERTIFICATE):
        return None
    request = await find_request(reader, target)
    if request is None:
        return None
    details = await gather(reader, request)
    if target.kind != CERTIFICATE:
        return details
    certificate = await read_target(reader, target)
    return replace(
        details,
        certificate_word=word_of(certificate),
        certificate_overdue=overdue_of(certificate, now),
    )


async def _account(
    reader: Reader, target: InspectionTarget, trial: TrialOptions, now: datetime
) -> InspectionAnswer:
    found = await read_target(reader, target)
    if target.kind == CERTIFICATE:
        return _answer(await certificate_account(reader, found, now))
    if target.kind == POLICY_TARGET.kind:
        return _answer(await policy_account(reader, found, now))
    if target.kind == SECRET_KIND.kind:
        return _answer(secret_account(found, now))
    key = reader.backends.kinds[target.kind].key(target.namespace, target.name)
    return _answer(await issuer_account(reader, key, found, trial, now))


def _answer(found: ObjectAccount) -> InspectionAnswer:
    return InspectionAnswer(
        found.to_json(),
        lambda to: show_account(found, to),
        GOOD if found.good else NOT_GOOD,
        found.cures,
    )
