"""Every reason that the code can give is documented, and the pages name no reason that it can't give."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import issuer
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.reasons import DenialReason, FailureReason, IssuerReason, Reason, RetryReason
from tests.unit.docs.collected import ROOT
from tests.unit.docs.test_symptoms import reasons

PACKAGE = Path(issuer.__file__).parent
SHORT_LIVED = {ControllerIssuerReason.READY, ControllerIssuerReason.PENDING, ControllerIssuerReason.CHANGED}
"""What needs no row: the issuer is Ready, or is about to be checked."""


def enums() -> Iterator[type[Reason]]:
    """Yield the enums of reasons of all modules named `reasons`."""
    for path in sorted(PACKAGE.rglob("reasons.py")):
        module = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Reason) and value.__module__ == module.__name__:
                yield value


def members(*bases: type[Reason]) -> list[Reason]:
    return [member for enum in enums() if issubclass(enum, bases) for member in enum]


@pytest.mark.parametrize("reason", members(DenialReason, FailureReason, RetryReason), ids=repr)
def test_what_ends_a_request_or_an_attempt_is_a_label_on_the_page_of_metrics(reason: Reason) -> None:
    assert f"`{reason}`" in (ROOT / "docs" / "metrics.md").read_text()


def test_every_reason_of_an_issuer_has_a_row_in_troubleshooting() -> None:
    """What a CA's server answers to a check is one, too, where a request alone would wait for it."""
    answered = {one for one in members(RetryReason) if type(one).__module__.startswith("issuer.signing.")}
    assert {*members(IssuerReason), *answered} - {*reasons(), *SHORT_LIVED} == set()


def test_troubleshooting_names_no_reason_that_an_issuer_cannot_have() -> None:
    named = {reason.partition(" ")[0] for reason in reasons()}
    assert named - {*members(IssuerReason, RetryReason)} == set()


@pytest.mark.parametrize("reason", members(Reason), ids=repr)
def test_a_reason_is_one_camel_case_word(reason: Reason) -> None:
    assert reason.isalpha()
    assert reason[0].isupper()
