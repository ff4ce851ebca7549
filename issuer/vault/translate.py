"""Vault's answers and aiohttp's exceptions, translated once into the errors of this package."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import orjson

from issuer.text import clip
from issuer.vault.answers import TooMuch
from issuer.vault.errors import (
    ClientCertificateRefused,
    GatewayError,
    Sealed,
    ServerError,
    ServerNotAllowed,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
    VaultRateLimited,
)
from issuer.vault.peers import AddressRefused

_MAX_MESSAGES = 3
_MAX_MESSAGE_CHARS = 300
_MAX_READ_CHARS = 8192  # a whole answer of 1 MiB would take a second
# Vault's tokens (hvs., hvb., hvr., the old s., b., r.) and JSON Web Tokens.
_SECRET = re.compile(r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{16,}|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
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
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}")
_MAX_RETRY_AFTER_SECONDS = 300.0
# Alerts that a server sends about the certificate it was shown, or wasn't (RFC 8446, section 6.2).
_CLIENT_ALERT = re.compile(
    r"(SSLV3|TLSV1|TLSV1\d|TLSV13)_ALERT_"
    r"(NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA)"
)


@dataclass(frozen=True, slots=True)
class VaultAnswer:
    """One HTTP answer: `body` is bounded by the transport and stays out of repr.

    `server` names the sender, if it is known; `shown` is False if the sender has not shown that it is Vault
    (see `peers`).
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    server: str = ""
    shown: bool = True


def error_from_answer(where: str, answer: VaultAnswer) -> VaultError:
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
        after = _retry_after(answer.headers.get("Retry-After", ""))
        return VaultRateLimited(said, status=status, messages=messages, retry_after=after)
    if status >= 500 or status == 412:  # 412: this node of a cluster lags behind the one written to
        kind = GatewayError if raw is None else Sealed if _says_sealed(raw) else ServerError
        return kind(said, status=status, messages=messages)
    if status == 413:
        return VaultBadRequest(said, status=status, messages=messages or ("the request is too large",))
    if raw is None:
        # Only Vault's own answers may fail a request: a page of some proxy says nothing about a CSR.
        if b"HTTP request to an HTTPS server" in answer.body:
            hint = "The server expects HTTPS. Change `server` to https://…"
            return UnexpectedAnswer(f"{said}. {hint}", status=status)
        question = "is this Vault's address?"
        if answer.shown:
            said += f", but not in Vault's form ({_media_type(answer)})"
        return UnexpectedAnswer(f"{said}: {question}", status=status)
    if status == 403:
        by_policy = any(_LIST_OF_ONE.match(message) and "permission denied" in message for message in raw)
        return VaultForbidden(said, status=status, messages=messages, by_policy=by_policy)
    kinds: dict[int, type[VaultError]] = {400: VaultBadRequest, 404: VaultNotFound, 405: VaultNotFound}
    return kinds.get(status, UnexpectedAnswer)(said, status=status, messages=messages)


def error_from_exception(where: str, error: Exception, peer: str = "Vault") -> VaultError:
    """Return the error for an exception of aiohttp, asyncio or ssl while sending to or
    reading from `peer`."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
        return ServerNotAllowed(str(error.os_error))
    tls = _tls_cause(error)
    if tls is not None:
        return _tls_error(where, tls, peer, connected=not isinstance(error, aiohttp.ClientConnectorError))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Unreachable(f"{peer} could not be reached in time for {where}", sent=False)
    if isinstance(error, TimeoutError):
        return Unreachable(f"{peer} did not answer {where} in time", sent=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable(f"The host name of {peer} does not resolve ({where})", sent=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(f"{peer} refused the connection or has no route ({where})", sent=False)
    if isinstance(error, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
        return Unreachable(f"The proxy to {peer} failed ({where})", sent=False)
    return _broken_answer(where, error, peer)


def _broken_answer(where: str, error: Exception, peer: str) -> VaultError:
    if isinstance(error, TooMuch):
        return UnexpectedAnswer(f"More came for {where} than an answer of {peer}'s has: is this its address?")
    if isinstance(error, aiohttp.ClientResponseError):
        return UnexpectedAnswer(f"The answer to {where} is not HTTP: is this {peer}'s address and scheme?")
    return Unreachable(f"The connection to {peer} broke during {where}", sent=True)


def _tls_error(where: str, tls: ssl.SSLError, peer: str, *, connected: bool) -> VaultError:
    if _about_our_certificate(tls):
        return ClientCertificateRefused(
            f"{peer}'s listener closed the TLS connection in {where}: {_tls_reason(tls)}"
        )
    if connected and "ALERT" not in (tls.reason or ""):  # the call was written, and what came back is garbled
        return Unreachable(f"TLS to {peer} broke during {where}: {_tls_reason(tls)}", sent=True)
    return UntrustedTLS(f"TLS to {peer} failed in {where}: {_tls_reason(tls)}")


def terse_error(where: str, error: Exception, peer: str = "Vault") -> VaultError:
    """Return an error like `error_from_exception`, with one sentence for all that is no HTTP or TLS server
    with a certificate.

    A user who may name any host and port must not learn from it what listens there.
    """
    found = error_from_exception(where, error, peer)
    tls = _tls_cause(error)
    certificate = isinstance(tls, ssl.SSLCertVerificationError) or (tls and _about_our_certificate(tls))
    if (
        certificate
        or isinstance(found, ServerNotAllowed)
        or isinstance(error, aiohttp.ClientConnectorDNSError)
    ):
        return found
    sent = found.sent if isinstance(found, Unreachable) else tls is None
    return Unreachable(f"No HTTP answer came from {peer} for {where}", sent=sent)


def _tls_cause(error: BaseException) -> ssl.SSLError | None:
    """Return the ssl error behind `error`, also if a server's alert arrives while reading."""
    seen: BaseException | None = error
    for _ in range(4):
        if isinstance(seen, aiohttp.ClientConnectorCertificateError):
            seen = seen.certificate_error
        elif isinstance(seen, aiohttp.ClientConnectorError):
            seen = seen.os_error
        if isinstance(seen, ssl.SSLError):
            return seen
        if seen is not None:
            seen = seen.__cause__ or seen.__context__
    return None


def _about_our_certificate(error: ssl.SSLError) -> bool:
    ours = isinstance(error, ssl.SSLCertVerificationError)  # what we found wrong with the server's
    return not ours and _CLIENT_ALERT.fullmatch(error.reason or "") is not None


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return cleaned(str(error.verify_message))
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "the server does not speak TLS on this port"
    return (error.reason or "the handshake failed").replace("_", " ").lower()


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


def _of_anybody(where: str, answer: VaultAnswer, raw: list[str] | None) -> tuple[str, list[str] | None]:
    """Return the message and Vault's fixed sentences for an answer whose sender has not shown that it is
    Vault."""
    said = f"The server answered {answer.status} ({_media_type(answer)}) to {where}"
    if not raw:
        return said, raw
    known = [match.group() for message in raw if (match := _VAULTS_WORDS.match(message)) is not None]
    return (said if known else f"{said} (its words are left out until it has shown a CA chain)"), known


def _media_type(answer: VaultAnswer) -> str:
    """Return the media type of an answer, or words for none."""
    found = _MEDIA_TYPE.match(answer.headers.get("Content-Type", ""))
    return found.group().lower() if found else "no media type"


def _says_sealed(raw: list[str] | None) -> bool:
    return any(re.match(r"(error: )?vault is sealed", message, re.IGNORECASE) for message in raw or ())


def cleaned(message: str) -> str:
    """Return a server's words, fit to be shown: one printable line, bounded, with tokens taken out."""
    text = " ".join(_LIST_OF_ONE.sub("", message[:_MAX_READ_CHARS]).split())
    text = "".join(char for char in text if char.isprintable())
    text = _SECRET.sub("[redacted]", text)
    return clip(text, _MAX_MESSAGE_CHARS)


def _retry_after(header: str) -> float | None:
    return min(float(header), _MAX_RETRY_AFTER_SECONDS) if header.isascii() and header.isdigit() else None
