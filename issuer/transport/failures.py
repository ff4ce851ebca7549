"""Answers of a server, and aiohttp's exceptions, translated once into the errors of this package."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from issuer.late_roots import aiohttp
from issuer.text import clip
from issuer.transport.answers import TooMuch
from issuer.transport.errors import (
    CallError,
    ClientCertificateRefused,
    ServerNotAllowed,
    TLSFault,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
)
from issuer.transport.peers import AddressRefused

_MAX_MESSAGE_CHARS = 300
_MAX_READ_CHARS = 8192  # a whole answer of 1 MiB would take a second
# Vault's tokens (hvs., hvb., hvr., the old s., b., r.) and JSON Web Tokens.
_SECRET = re.compile(r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{16,}|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}")
_MAX_RETRY_AFTER_SECONDS = 300.0
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and ..._CERT_HAS_EXPIRED.
_FAULTS = {9: TLSFault.EARLY, 10: TLSFault.ENDED}
# Alerts that a server sends about the certificate it was shown, or wasn't (RFC 8446, section 6.2).
_CLIENT_ALERT = re.compile(
    r"(SSLV3|TLSV1|TLSV1\d|TLSV13)_ALERT_"
    r"(NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA)"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: `body` is bounded by the transport and stays out of repr.

    `server` names the sender, if it is known; `shown` is False if the sender has not shown that it is a
    CA's (see `peers`).
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    server: str = ""
    shown: bool = True


def json_object(where: str, answer: Answer, product: str) -> dict[str, Any]:
    """Return an answer's JSON object; `product` names the CA's server. Raises UnexpectedAnswer."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise UnexpectedAnswer(
            f"The answer to {where} is not JSON: is this {product}'s address?", status=answer.status
        ) from error
    if not isinstance(found, dict):
        raise UnexpectedAnswer(f"The answer to {where} is not a JSON object", status=answer.status)
    return found


def error_from_exception(where: str, error: Exception, peer: str) -> CallError:
    """Return the error for an exception of aiohttp, asyncio or ssl while sending to or
    reading from `peer`."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
        return ServerNotAllowed(str(error.os_error))
    tls = tls_cause(error)
    if tls is not None:
        return _tls_error(where, tls, peer, connected=not isinstance(error, aiohttp.ClientConnectorError))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Unreachable(f"{peer} could not be reached in time for {where}", sent=False)
    if isinstance(error, TimeoutError):
        return Unreachable(f"{peer} did not answer {where} in time", sent=True)
    # Before ClientConnectorError, of which one of them is a kind.
    if isinstance(error, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
        return Unreachable(f"The proxy to {peer} {_proxy_fault(error)} ({where})", sent=False)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable(f"The host name of {peer} does not resolve ({where})", sent=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(f"{peer} refused the connection or has no route ({where})", sent=False)
    return _broken_answer(where, error, peer)


def _proxy_fault(error: aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"refused to connect: it answered {error.status}"
    return "can't be reached"


def _broken_answer(where: str, error: Exception, peer: str) -> CallError:
    if isinstance(error, TooMuch):
        return UnexpectedAnswer(f"More came for {where} than an answer of {peer}'s has: is this its address?")
    if isinstance(error, aiohttp.ClientResponseError):
        return UnexpectedAnswer(f"The answer to {where} is not HTTP: is this {peer}'s address and scheme?")
    return Unreachable(f"The connection to {peer} broke during {where}", sent=True)


def _tls_error(where: str, tls: ssl.SSLError, peer: str, *, connected: bool) -> CallError:
    if _about_our_certificate(tls):
        return ClientCertificateRefused(
            f"{peer}'s listener closed the TLS connection in {where}: {tls_reason(tls)}"
        )
    if connected and "ALERT" not in (tls.reason or ""):  # the call was written, and what came back is garbled
        return Unreachable(f"TLS to {peer} broke during {where}: {tls_reason(tls)}", sent=True)
    return UntrustedTLS(f"TLS to {peer} failed in {where}: {tls_reason(tls)}", fault=_tls_fault(tls))


def terse_error(where: str, error: Exception, peer: str) -> CallError:
    """Return an error like `error_from_exception`, with one sentence for all that is no HTTP or TLS server
    with a certificate.

    A user who may name any host and port must not learn from it what listens there.
    """
    found = error_from_exception(where, error, peer)
    tls = tls_cause(error)
    certificate = isinstance(tls, ssl.SSLCertVerificationError) or (tls and _about_our_certificate(tls))
    if (
        certificate
        or isinstance(found, ServerNotAllowed)
        or isinstance(error, aiohttp.ClientConnectorDNSError)
    ):
        return found
    sent = found.sent if isinstance(found, Unreachable) else tls is None
    return Unreachable(f"No HTTP answer came from {peer} for {where}", sent=sent)


def tls_cause(error: BaseException) -> ssl.SSLError | None:
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


def _tls_fault(error: ssl.SSLError) -> TLSFault:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _FAULTS.get(error.verify_code, TLSFault.TRUST)
    return TLSFault.NO_TLS if error.reason in _NO_TLS else TLSFault.TRUST


def tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return cleaned(str(error.verify_message))
    if error.reason in _NO_TLS:
        return "the server does not speak TLS on this port"
    return (error.reason or "the handshake failed").replace("_", " ").lower()


def media_type(answer: Answer) -> str:
    """Return the media type of an answer, or words for none."""
    found = _MEDIA_TYPE.match(answer.headers.get("Content-Type", ""))
    return found.group().lower() if found else "no media type"


def cleaned(message: str) -> str:
    """Return a server's words, fit to stand in a sentence: one printable line, bounded, with tokens taken
    out and without full stops at the end."""
    text = " ".join(message[:_MAX_READ_CHARS].split())
    text = "".join(char for char in text if char.isprintable())
    text = _SECRET.sub("[redacted]", text).rstrip(".")
    return clip(text, _MAX_MESSAGE_CHARS)


def retry_after(answer: Answer) -> float | None:
    """Return the seconds of the header Retry-After, bounded; None where it has none."""
    header = answer.headers.get("Retry-After", "")
    return min(float(header), _MAX_RETRY_AFTER_SECONDS) if header.isascii() and header.isdigit() else None
