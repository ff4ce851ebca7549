"""Translation of step-ca's errors into outcomes: for whom each counts, and what people can do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from issuer.signing.outcomes import (
    AnswerFault,
    BadAnswer,
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    LifeNotAllowed,
    RateLimited,
    Retry,
    ServerFault,
)
from issuer.signing.reasons import SigningFailure, SigningIssuerReason
from issuer.signing.step.reasons import StepFailure, StepOutage, StepRetry
from issuer.step import errors
from issuer.transport import errors as transport

Outcome = Retry | Failed | IssuerUnavailable | IssuerBroken | BadAnswer
_NOT_FOUND_AGAIN: Final = (
    "so nobody knows if a certificate was signed, and step-ca lists none: one that was made can't be found "
    "again, and ends by itself"
)


def outcome(error: errors.StepError, url: str) -> Outcome:
    """Return the outcome for `error` of a call that signs nothing.

    Transient ones are Retry or IssuerUnavailable; the rest is the issuer's.
    """
    return _transient(error, url) or _broken(error, url)


def signing_outcome(error: errors.StepError, url: str, life: timedelta | None) -> Outcome:
    """Return the outcome for `error` of a signing call for that life; only a refusal of the CSR is Failed."""
    return _lost(error, url) or _transient(error, url) or _refused(error, life) or _broken(error, url)


def _lost(error: errors.StepError, url: str) -> Outcome | None:
    """Return the outcome of a signing call that step-ca may have carried out though it did not say so.

    A proxy says 502 also where it reached nothing, so that is no more than a reason to try again; 504 means
    that it waited for an answer (RFC 9110, sections 15.6.3 and 15.6.5). A fault of step-ca's own may come
    after it signed: it writes to its database last.
    """
    match error:
        case transport.Unreachable(sent=True) | errors.StepGateway(status=504):
            return BadAnswer(
                AnswerFault.LOST,
                f"{error} (server {url}), {_NOT_FOUND_AGAIN}. See whether step-ca is slow or ended, and what "
                "proxies and load balancers before it do",
            )
        case errors.StepFault() if error.status != 503:
            return _fault(error, url, may_have_signed=True)
        case transport.UnexpectedAnswer() if error.status is None or error.status < 300:
            return BadAnswer(
                AnswerFault.UNREADABLE,
                f"{error} (server {url}), {_NOT_FOUND_AGAIN}. Look at what stands before step-ca: a proxy or "
                "load balancer that answers itself, or changes or cuts answers",
            )
    return None


def _transient(error: errors.StepError, url: str) -> Retry | IssuerUnavailable | None:
    match error:
        case transport.Unreachable():
            return IssuerUnavailable(
                StepOutage.STEP_CA_UNREACHABLE,
                f"{error} (server {url}). Check that it runs, its address, DNS, proxy and network policies.",
            )
        case errors.StepRateLimited():
            return RateLimited(
                StepRetry.STEP_CA_RATE_LIMITED, f"No more calls are taken now. {error}.", error.retry_after
            )
        case errors.StepFault():
            return _fault(error, url)
    return None


def _fault(error: errors.StepFault, url: str, *, may_have_signed: bool = False) -> ServerFault:
    who = "What stands before step-ca at" if isinstance(error, errors.StepGateway) else "step-ca at"
    return ServerFault(
        StepRetry.STEP_CA_UNAVAILABLE,
        f"{who} {url} has a problem of its own. {error}.",
        may_have_signed=may_have_signed,
        remedy="Look into step-ca's log at the time of a try, and at its database and template.",
    )


def _refused(error: errors.StepError, life: timedelta | None) -> Failed | None:
    if not isinstance(error, errors.StepRefusal):
        return None
    if error.life is not None:
        return _life_refused(error.life, error, life)
    return Failed(
        StepFailure.REFUSED_BY_STEP_CA,
        f"step-ca refuses this certificate request. {error}. Ask for what the provisioner and the CA's "
        "policy allow, or change these.",
    )


def _life_refused(found: errors.RefusedLife, error: errors.StepRefusal, life: timedelta | None) -> Failed:
    if not found.too_long:
        return Failed(SigningFailure.DURATION_NOT_ALLOWED, f"a longer duration has to be asked for: {error}")
    return LifeNotAllowed(f"a shorter duration has to be asked for: {error}", _longest(found, life))


def _longest(found: errors.RefusedLife, life: timedelta | None) -> timedelta | None:
    """Return the longest life that may be asked for, None where it can't be told.

    What step-ca backdates is in the life that it names as asked for, and is added to its limit as well.
    """
    if found.limit is None or found.asked is None:
        return None
    backdated = timedelta() if life is None else max(timedelta(), found.asked - life)
    longest = found.limit - backdated
    return longest if longest > timedelta() else None


def _broken(error: errors.StepError, url: str) -> IssuerBroken:
    match error:
        case transport.ServerNotAllowed():
            return IssuerBroken(SigningIssuerReason.SERVER_NOT_ALLOWED, f"{error}.")
        case transport.UntrustedTLS():
            return IssuerBroken(
                SigningIssuerReason.TLS_VERIFICATION_FAILED,
                f"{error}. {_tls_remedy(error, url)}.",
            )
        case transport.ClientCertificateRefused():
            return IssuerBroken(
                SigningIssuerReason.TLS_VERIFICATION_FAILED,
                f"{error}. The CA at {url} asks every client for a certificate, and this issuer has none: "
                "let it take clients without one.",
            )
        case transport.InvalidConnection():
            return IssuerBroken(SigningIssuerReason.INVALID_CONNECTION, f"{error}.")
    return IssuerBroken(SigningIssuerReason.UNEXPECTED_ANSWER, f"{error} (server {url}).")


def _tls_remedy(error: transport.UntrustedTLS, url: str) -> str:
    return error.remedy("caBundle") or (
        f"Put the root of the CA at {url} into caBundle, and see that spec.url names it by one of its own "
        "names (dnsNames in its ca.json)"
    )
