"""What is read from an answer of step-ca whose words may be shown, and from one whose words may not."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from issuer.signing.outcomes import LifeNotAllowed
from issuer.signing.step.errors import signing_outcome
from issuer.step.errors import RefusedLife, StepBadRequest, StepError, StepForbidden
from issuer.step.translate import error_from_answer
from issuer.transport.failures import Answer

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TOO_LONG = (
    "requested duration of 2160h1m0s is more than the authorized maximum certificate duration of 24h1m0s"
)
TOO_SHORT = "requested duration of 1m0s is less than the authorized minimum certificate duration of 5m0s."

either = pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])


def refused(status: int, message: str, *, shown: bool) -> StepError:
    body = orjson.dumps({"status": status, "message": message})
    return error_from_answer("POST /1.0/sign", Answer(status, {}, body, "a server", shown))


@either
def test_a_refused_life_is_read_whoever_may_see_the_words(shown: bool) -> None:
    error = refused(403, f"The request was forbidden by the certificate authority: {TOO_LONG}", shown=shown)
    assert isinstance(error, StepForbidden)
    assert error.life == RefusedLife(True, 2160 * HOUR + MINUTE, 24 * HOUR + MINUTE)
    assert ("forbidden" in str(error)) is shown


@either
def test_a_life_that_is_too_long_tells_the_longest(shown: bool) -> None:
    found = signing_outcome(refused(403, TOO_LONG, shown=shown), "https://ca.test", 2160 * HOUR)
    assert isinstance(found, LifeNotAllowed)
    assert found.longest == 24 * HOUR
    assert found.shortened(2160 * HOUR, "Shorten") == 24 * HOUR
    assert ("requested duration" in str(found)) is shown


@either
def test_a_life_that_is_too_short_is_told(shown: bool) -> None:
    found = signing_outcome(refused(403, TOO_SHORT, shown=shown), "https://ca.test", None)
    assert found.reason == "DurationNotAllowed"
    assert "a longer duration" in str(found)


@either
def test_a_life_that_cant_be_read_is_no_limit(shown: bool) -> None:
    found = signing_outcome(
        refused(403, TOO_LONG.replace("24h1m0s", "forever"), shown=shown), "https://ca.test", HOUR
    )
    assert isinstance(found, LifeNotAllowed)
    assert found.longest is None


@either
def test_a_certificate_that_is_revoked_already_is_known(shown: bool) -> None:
    error = refused(400, "certificate with serial number '1' is already revoked.", shown=shown)
    assert isinstance(error, StepBadRequest)
    assert error.already_revoked
    assert ("serial number" in str(error)) is shown


def test_another_refusal_is_none_of_these() -> None:
    error = refused(400, "bad request", shown=True)
    assert isinstance(error, StepBadRequest)
    assert (error.life, error.already_revoked) == (None, False)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The request could not be completed: not you.", ": The request could not be completed: not you"),
        ("See the logs for more info..", ": See the logs for more info"),
        (".", ""),
    ],
)
def test_words_stand_in_a_sentence_without_their_own_full_stop(said: str, shown: str) -> None:
    """Its default messages end with one, to which it adds another."""
    assert str(refused(400, said, shown=True)) == f"step-ca answered 400 to POST /1.0/sign{shown}"
