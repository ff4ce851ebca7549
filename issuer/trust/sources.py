"""Sources of certificates: a file, standard input, or a URL.

Certificates are public, and no credential is ever sent. Where fingerprints are given, they are the proof, and
a server may be asked whose CA isn't trusted yet. Where none are, TLS is verified, and a person compares.
"""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from issuer.text import one_line
from issuer.trust.errors import RootRefused

MAX_BYTES: Final = 512 * 1024
"""Longest source; a chain has some 10 KiB."""
SECONDS: Final = 30.0


def is_url(source: str) -> bool:
    """Return True for a source that is fetched."""
    return source.startswith(("https://", "http://"))


def read_file(source: str) -> bytes:
    """Return the bytes of a file, or of standard input for `-`. Raises RootRefused."""
    try:
        if source == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RootRefused(f"{source} can't be read: {error.strerror}") from error
    return _bounded(data, source)


def fetch(url: str, *, is_pinned: bool, ca_pem: bytes | None = None, namespace: str = "") -> bytes:
    """Return what a URL answers, all of it within `SECONDS`. Raises RootRefused.

    With `is_pinned` neither TLS nor the server is verified: the caller holds what comes against fingerprints.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise RootRefused(f"{url} is no address: {error}") from error
    if not is_pinned and scheme != "https":
        raise RootRefused(f"{url} is not https: give the root's fingerprint by --sha256")
    request = urllib.request.Request(url)  # noqa: S310  # `is_url` lets http and https through alone
    if namespace:
        request.add_header("X-Vault-Namespace", namespace)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_context(is_pinned, ca_pem)), _Redirects(is_pinned)
    )
    answers: list[bytes | Exception] = []
    # urllib bounds each wait for a byte, so a server that drips would keep this for days.
    asking = threading.Thread(target=_ask, args=(opener, request, answers), daemon=True)
    asking.start()
    asking.join(SECONDS)
    answer = answers[0] if answers else TimeoutError(f"it didn't answer whole within {SECONDS:.0f} s")
    if isinstance(answer, bytes):
        return _bounded(answer, url)
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        raise RootRefused(f"{url} answers {answer.code}: look at the address and the mount") from answer
    raise RootRefused(f"{url} can't be read: {_reason(answer)}") from answer


def _ask(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, answers: list[bytes | Exception]
) -> None:
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            answers.append(answer.read(MAX_BYTES + 1))
    except (OSError, ValueError, http.client.HTTPException) as error:
        answers.append(error)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, such as those of a standby of Vault, but never away from verified TLS."""

    def __init__(self, is_pinned: bool) -> None:
        self._schemes = ("https", "http") if is_pinned else ("https",)

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        """Return the request of a redirect. Raises ValueError for another scheme."""
        if urlsplit(arguments[-1]).scheme not in self._schemes:
            arguments[1].close()  # the answer
            raise ValueError("it redirects away from TLS")
        return super().redirect_request(*arguments)


def _context(is_pinned: bool, ca_pem: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if is_pinned:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_pem is not None:
        try:
            context.load_verify_locations(cadata=ca_pem.decode("ascii", "replace"))
        except ssl.SSLError as error:
            raise RootRefused("The CA to verify the server with can't be read: it must be PEM") from error
    return context


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted here ({reason.verify_message})"
        return f"{why}; give the root's fingerprint by --sha256, or the server's CA by --ca-file"
    if isinstance(reason, http.client.HTTPException) and not isinstance(reason, http.client.InvalidURL):
        return f"what answers there is no HTTP server, or cuts its answer ({type(reason).__name__})"
    return one_line(str(reason), 200)


def _bounded(data: bytes, source: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise RootRefused(f"{source} has more than {MAX_BYTES >> 10} KiB: name the chain of one CA")
    return data
