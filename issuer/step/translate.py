"""step-ca's answers, translated once into the errors of this package."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import orjson

from issuer.duration import parse_duration
from issuer.step.errors import (
    NotImplementedThere,
    RefusedLife,
    StepBadRequest,
    StepError,
    StepFault,
    StepForbidden,
    StepGateway,
    StepNamesRefused,
    StepNotFound,
    StepRateLimited,
    StepRefusal,
    TokenRefused,
)
from issuer.transport.errors import UnexpectedAnswer
from issuer.transport.failures import Answer, cleaned, media_type, retry_after

_KINDS: dict[int, type[StepError]] = {
    400: StepBadRequest,
    401: TokenRefused,
    403: StepForbidden,
    404: StepNotFound,
    413: StepBadRequest,
    501: NotImplementedThere,
}
# step-ca's `validityValidator` (authority/provisioner/sign_options.go).
_LIFE: Final = re.compile(
    r"requested duration of (?P<asked>\S{1,40}) is (?P<which>more|less) than the authorized "
    r"(maximum|minimum) certificate duration of (?P<limit>\S{1,40}?)\.?$"
)
# `signX509` (authority/tls.go), where `isAllowedToSignX509Certificate` fails otherwise than by refusing.
_NAMES_REFUSED: Final = "error creating certificate"
_ALREADY_REVOKED: Final = "is already revoked"
_MAX_READ_CHARS: Final = 4096


def error_from_answer(where: str, answer: Answer) -> StepError:
    """Return the error for an answer of status 400 or more. `where` is the method and path of the call.

    If the sender has not shown that it is a CA's, the error has none of its words: an issuer must not make it
    possible to read some server of the network. The lives that a refusal names are no words.
    """
    status, said = answer.status, _message(answer.body)
    if status == 429:
        return StepRateLimited(f"step-ca answered 429 to {where}", retry_after=retry_after(answer))
    if said is None:
        return _not_in_its_form(where, answer)
    words = cleaned(said) if answer.shown else ""
    messages = (words,) if words else ()
    kind = _KINDS.get(status, StepFault if status >= 500 else UnexpectedAnswer)
    if status == 500 and said == _NAMES_REFUSED:
        kind = StepNamesRefused
    message = f"step-ca answered {status} to {where}"
    if issubclass(kind, StepRefusal):
        return kind(
            message,
            status=status,
            messages=messages,
            life=_refused_life(said[:_MAX_READ_CHARS]),
            already_revoked=_ALREADY_REVOKED in said[:_MAX_READ_CHARS],
        )
    return kind(message, status=status, messages=messages)


def _refused_life(said: str) -> RefusedLife | None:
    found = _LIFE.search(said)
    if found is None:
        return None
    return RefusedLife(found["which"] == "more", _life(found["asked"]), _life(found["limit"]))


def _life(text: str) -> timedelta | None:
    try:
        return parse_duration(text)
    except ValueError:
        return None


def _not_in_its_form(where: str, answer: Answer) -> StepError:
    said = f"The server answered {answer.status} ({media_type(answer)}) to {where}"
    if answer.status >= 500:
        return StepGateway(said, status=answer.status)
    # Only the CA's own answers may fail a request: a page of some proxy says nothing about a CSR.
    return UnexpectedAnswer(f"{said}, not in step-ca's form: is this its address?", status=answer.status)


def _message(body: bytes) -> str | None:
    """Return the text of `{"status": ..., "message": ...}`, None if the body isn't of that form."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("status"), int):
        return None
    message = found.get("message")
    return message if isinstance(message, str) else None
