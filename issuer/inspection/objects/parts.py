"""Parts of an issuer as items of its account: as they were tried now, else as its status has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from issuer.explain.advice import Advice
from issuer.inspection.objects.account import AccountItem, Mark
from issuer.inspection.objects.live import IssuerTrial
from issuer.manifests.text import shown
from issuer.signing.backend import IssuerPart
from issuer.signing.reasons import SigningIssuerReason

_LONG: Final = 1200


def part_items(
    parts: Sequence[IssuerPart], ready: Mapping[str, Any], trial: IssuerTrial, home: str, otherwise: Advice
) -> list[AccountItem]:
    """Return an item for each part, and one for the trial; `home` is the namespace of the Secrets.

    The part that failed has its own command, or that of `otherwise`.
    """
    if trial.health is not None:
        return [
            *(AccountItem(one.name, Mark.GOOD, one.text) for one in parts),
            AccountItem("Live", Mark.GOOD, "tried just now with your rights: login and check went well"),
        ]
    if trial.error is not None:
        reason, message = str(trial.error.reason), trial.error.message
        return [
            *_failed(parts, reason, message, otherwise),
            AccountItem("Live", Mark.BAD, f"tried just now with your rights: {reason}{_where(reason, home)}"),
        ]
    items = (
        [AccountItem(one.name, Mark.GOOD, f"{one.text} (the controller's last check)") for one in parts]
        if ready["ready"]
        else _failed(parts, ready["reason"], ready["message"], otherwise)
    )
    return [*items, AccountItem("Live", Mark.NOT_TRIED, trial.not_tried)]


def is_told(parts: Sequence[IssuerPart], ready: Mapping[str, Any], trial: IssuerTrial) -> bool:
    """Return True if the items of the parts hold the status's own message."""
    same = bool(trial.not_tried) or (trial.error is not None and trial.error.reason == ready["reason"])
    return same and any(ready["reason"] in part.reasons for part in parts)


def _where(reason: str, home: str) -> str:
    """Return where Secrets were looked for, if that is where it failed."""
    missing = reason in (SigningIssuerReason.SECRET_NOT_FOUND, SigningIssuerReason.SERVICE_ACCOUNT_NOT_FOUND)
    if not missing:
        return ""
    return (
        f', in namespace "{shown(home)}"; if that is not the controller\'s, give --cluster-resource-namespace'
    )


def _failed(parts: Sequence[IssuerPart], reason: str, message: str, otherwise: Advice) -> list[AccountItem]:
    """Return the parts of a check that failed: right before the one where it did, not known behind it."""
    failing = next((number for number, one in enumerate(parts) if reason in one.reasons), None)
    if failing is None:
        return [AccountItem(one.name, Mark.NOT_KNOWN, one.text) for one in parts]
    return list(_around(parts, failing, reason, message, otherwise))


def _around(
    parts: Sequence[IssuerPart], failing: int, reason: str, message: str, otherwise: Advice
) -> Iterator[AccountItem]:
    for number, one in enumerate(parts):
        if number < failing:
            yield AccountItem(one.name, Mark.GOOD, one.text)
        elif number > failing:
            yield AccountItem(one.name, Mark.NOT_KNOWN, f"{one.text} (comes after what failed)")
        else:
            text = f"{one.text}: {reason}: {shown(message, _LONG)}"
            cure = replace(otherwise, command=one.cures.get(reason) or otherwise.command)
            yield AccountItem(one.name, Mark.BAD, text, cure)
