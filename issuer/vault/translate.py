"""Vault's answers, translated once into the errors of this package."""

from __future__ import annotations

import re

import orjson

from issuer.transport.failures import Answer, media_type, retry_after
from issuer.transport.failures import cleaned as fit_to_be_shown
from issuer.vault.errors import (
    GatewayError,
    Sealed,
    ServerError,
    UnexpectedAnswer,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
    VaultRateLimited,
)

_MAX_MESSAGES = 3
# Vault's form of a list with one error; only the error's text is shown.
_LIST_OF_ONE = re.compile(r"^1 error occurred:\s*\* ")
# Sentences of Vault that may be shown before it has shown a CA chain, up to where they would quote something.
_VAULTS_WORDS = re.compile(
    r"(1 error occurred:\s*\* )?("
    r"(error: )?vault is (sealed|in standby mode)|local node not active but active cluster node not found|"
    r"permission denied|missing client token|no handler for route|unsupported (path|operation)|"
    r"namespace not found|internal error|unknown role: |"
    r"cannot satisfy request, as TTL would result in notAfter|Either ttl or not_after should be provided|"
    r"could not load backend configuration|"
    r"((could not fetch the CA certificate|error fetching CA certificate)( \(was one set\?\))?(: )?)?"
    r"(unable to find PKI issuer for reference: |no default issuer currently configured|"
    r"unable to fetch corresponding key)|"
    r"could not fetch the CA certificate|error fetching CA certificate)",
    re.IGNORECASE,
)


def error_from_answer(where: str, answer: Answer) -> VaultError:
    """Return the error for an answer of status 400 or more. `where` is the method and path of the call.

    If the sender has not shown that it is Vault, the error has status and media type, and of the body only
    Vault's own fixed sentences: an issuer must not make it possible to read some server of the network.
    """
    status, raw = answer.status, _vault_messages(answer.body)
    said = f"Vault answered {status} to {where}"
    if not answer.shown:
        said, raw = _of_anybody(where, answer, raw)
    messages = tuple(cleaned(message) for message in (raw or ())[:_MAX_MESSAGES])
    if status == 429:
        after = retry_after(answer)
        return VaultRateLimited(said, status=status, messages=messages, retry_after=after)
    if status >= 500 or status == 412:  # 412: this node of a cluster lags behind the one written to
        kind = GatewayError if raw is None else Sealed if _says_sealed(raw) else ServerError
        error = kind(said, status=status, messages=messages)
        error.retry_after = retry_after(answer)
        return error
    if status == 413:
        return VaultBadRequest(said, status=status, messages=messages or ("the request is too large",))
    if raw is None:
        # Only Vault's own answers may fail a request: a page of some proxy says nothing about a CSR.
        if b"HTTP request to an HTTPS server" in answer.body:
            hint = "The server expects HTTPS: its address must begin with https://"
            return UnexpectedAnswer(f"{said}. {hint}", status=status)
        question = "is this Vault's address?"
        if answer.shown:
            said += f", but not in Vault's form ({media_type(answer)})"
        return UnexpectedAnswer(f"{said}: {question}", status=status)
    if status == 403:
        by_policy = any(_LIST_OF_ONE.match(message) and "permission denied" in message for message in raw)
        return VaultForbidden(said, status=status, messages=messages, by_policy=by_policy)
    kinds: dict[int, type[VaultError]] = {400: VaultBadRequest, 404: VaultNotFound, 405: VaultNotFound}
    return kinds.get(status, UnexpectedAnswer)(said, status=status, messages=messages)


def _vault_messages(body: bytes) -> list[str] | None:
    """Return the strings of `errors`, or None if the body isn't Vault's."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    errors = parsed.get("errors") if isinstance(parsed, dict) else None
    if not isinstance(errors, list):
        return None
    return [message for message in errors if isinstance(message, str)]


def _of_anybody(where: str, answer: Answer, raw: list[str] | None) -> tuple[str, list[str] | None]:
    """Return the message and Vault's fixed sentences for an answer whose sender has not shown that it is
    Vault."""
    said = f"The server answered {answer.status} ({media_type(answer)}) to {where}"
    if not raw:
        return said, raw
    known = [match.group() for message in raw if (match := _VAULTS_WORDS.match(message)) is not None]
    return (said if known else f"{said} (its words are left out until it has shown a CA chain)"), known


def _says_sealed(raw: list[str] | None) -> bool:
    return any(re.match(r"(error: )?vault is sealed", message, re.IGNORECASE) for message in raw or ())


def cleaned(message: str) -> str:
    """Return Vault's words, fit to be shown; of a list with one error, that one alone."""
    return fit_to_be_shown(_LIST_OF_ONE.sub("", message))
