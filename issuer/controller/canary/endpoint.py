"""Judges a TLS endpoint as a client would that trusts only the issuer's CA; the messages say what to do."""

from __future__ import annotations

from collections.abc import Sequence

from issuer.controller.canary.diagnosis import Broken
from issuer.controller.canary.history import Stage
from issuer.endpoint.address import EndpointAddress
from issuer.endpoint.dialing import DialOptions, dial
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.text import rfc3339
from issuer.x509.certificates import Certificate
from issuer.x509.describe import issuer_text


class NotServed(Broken):
    """The endpoint doesn't serve what it should; `served` is what it does, where that was seen."""

    def __init__(self, message: str, served: Certificate | None = None) -> None:
        super().__init__(Stage.ENDPOINT, message)
        self.served = served


async def look(endpoint: EndpointAddress, dns_name: str, trusted: Sequence[Certificate]) -> Certificate:
    """Return the certificate served for `dns_name`, verified to one of `trusted`. Raises NotServed."""
    try:
        return (await dial(endpoint, DialOptions(dns_name, trusted))).leaf
    except DialFailed as error:
        served = None if error.served is None else error.served.leaf
        raise NotServed(_message(endpoint, dns_name, error, served), served) from error


def _message(endpoint: EndpointAddress, dns_name: str, error: DialFailed, served: Certificate | None) -> str:
    match error.code:
        case DialCode.UNTRUSTED:
            return _unverified(endpoint, dns_name, error.detail, served)
        case DialCode.NOT_TLS | DialCode.STARTTLS:
            return (
                f"{endpoint} doesn't finish TLS ({error.detail}): see whether TLS is spoken there, and the "
                "server's log"
            )
        case DialCode.UNREADABLE:
            return f"{endpoint} serves a certificate that can't be read: {error.detail}"
        case DialCode.TIMEOUT:
            return f"{endpoint} does not answer ({error.detail}): {_reach()}"
        case DialCode.UNRESOLVED:
            return f"the name of {endpoint} doesn't resolve: {_reach()}"
        case DialCode.UNREACHABLE:
            return f"{endpoint} can't be connected to ({error.detail}): {_reach()}"


def _unverified(endpoint: EndpointAddress, dns_name: str, detail: str, served: Certificate | None) -> str:
    seen = (
        ""
        if served is None
        else (
            f" It serves a certificate signed by {_signer(served)}, which expires at "
            f"{rfc3339(served.not_valid_after_utc)}."
        )
    )
    return (
        f"what {endpoint} serves for {dns_name} doesn't verify to the issuer's CA: {detail}."
        f"{seen} See whether it serves the canary Certificate's Secret, whole chain included, and reads it "
        "again when it is renewed"
    )


def _signer(served: Certificate) -> str:
    """Return the name of its issuer, on one line."""
    return issuer_text(served)[:200] or "nobody"


def _reach() -> str:
    return "see whether it runs, and whether network policies let the canary reach it"


def shown(endpoint: EndpointAddress, served: Certificate) -> str:
    """Describe the certificate that an endpoint serves."""
    return f"{endpoint} serves a certificate of the same CA, good until {rfc3339(served.not_valid_after_utc)}"
