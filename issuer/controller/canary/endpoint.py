"""Dials a TLS endpoint as a client would that trusts only the issuer's CA, and reads how long it is good."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from issuer.controller.canary.diagnosis import Broken
from issuer.controller.canary.history import Stage
from issuer.controller.canary.target import Endpoint
from issuer.text import rfc3339
from issuer.tls import readable
from issuer.x509.certificates import Certificate, decode_leaf
from issuer.x509.describe import issuer_text
from issuer.x509.errors import X509Error

SECONDS: Final = 10.0
"""How long an endpoint may take to be connected to and to finish the handshake."""


class NotServed(Broken):
    """The endpoint doesn't serve what it should; `served` is what it does, where that was seen."""

    def __init__(self, message: str, served: Certificate | None = None) -> None:
        super().__init__(Stage.ENDPOINT, message)
        self.served = served


async def look(endpoint: Endpoint, dns_name: str, trusted: Sequence[Certificate]) -> Certificate:
    """The certificate served for `dns_name`, verified to one of `trusted`. Raises NotServed."""
    try:
        return await _handshake(endpoint, dns_name, _strict(trusted))
    except ssl.SSLCertVerificationError as error:
        served = None
        with suppress(OSError, TimeoutError, X509Error):
            served = await _handshake(endpoint, dns_name, _blind())
        raise NotServed(_unverified(endpoint, dns_name, error, served), served) from error
    except ssl.SSLError as error:
        raise NotServed(
            f"{endpoint} doesn't finish TLS ({error.reason or 'no reason given'}): see whether TLS is "
            "spoken there, and the server's log"
        ) from error
    except X509Error as error:
        raise NotServed(f"{endpoint} serves a certificate that can't be read: {error}") from error
    except TimeoutError as error:
        raise NotServed(f"{endpoint} doesn't answer in {SECONDS:g} seconds: {_reach()}") from error
    except (socket.gaierror, UnicodeError) as error:
        raise NotServed(f"the name of {endpoint} doesn't resolve: {_reach()}") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise NotServed(f"{endpoint} can't be connected to ({why}): {_reach()}") from error


async def _handshake(endpoint: Endpoint, dns_name: str, context: ssl.SSLContext) -> Certificate:
    async with asyncio.timeout(SECONDS):
        _, writer = await asyncio.open_connection(
            endpoint.host, endpoint.port, ssl=context, server_hostname=dns_name
        )
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()  # nothing was sent, and its goodbye isn't waited for
    return decode_leaf(der)


def _strict(trusted: Sequence[Certificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if usable := readable(one.public_bytes(Encoding.DER) for one in trusted):
        context.load_verify_locations(cadata=usable)
    # Where the CA's own root isn't known here, its topmost known CA is what there is to trust.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _blind() -> ssl.SSLContext:
    """To see what is served instead; nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _unverified(
    endpoint: Endpoint, dns_name: str, error: ssl.SSLCertVerificationError, served: Certificate | None
) -> str:
    seen = (
        ""
        if served is None
        else (
            f" It serves a certificate signed by {_signer(served)}, which expires at "
            f"{rfc3339(served.not_valid_after_utc)}."
        )
    )
    return (
        f"what {endpoint} serves for {dns_name} doesn't verify to the issuer's CA: {error.verify_message}."
        f"{seen} See whether it serves the canary Certificate's Secret, whole chain included, and reads it "
        "again when it is renewed"
    )


def _signer(served: Certificate) -> str:
    """The name of its issuer, on one line."""
    return issuer_text(served)[:200] or "nobody"


def _reach() -> str:
    return "see whether it runs, and whether network policies let the canary reach it"


def shown(endpoint: Endpoint, served: Certificate) -> str:
    """Describe the certificate that an endpoint serves."""
    return f"{endpoint} serves a certificate of the same CA, good until {rfc3339(served.not_valid_after_utc)}"
