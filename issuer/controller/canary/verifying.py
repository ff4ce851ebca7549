"""Verification that what came back is a good certificate of the issuer's CA. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime

from issuer.controller.canary.diagnosis import Broken
from issuer.controller.canary.history import Stage
from issuer.requests.certificate_request import CertificateRequest
from issuer.text import rfc3339
from issuer.x509.certificates import Certificate
from issuer.x509.chains.bundle import Bundle, read_bundle, read_delivered
from issuer.x509.chains.chain import Chain, candidate_chains
from issuer.x509.describe import subject_text
from issuer.x509.errors import X509Error
from issuer.x509.usages import EVERY_USAGE
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify


def verified(
    request: CertificateRequest, asked: RequestedCertificate, roots_pem: str, now: datetime
) -> Chain:
    """The chain from `status.certificate` to `status.ca`, verified against what was asked.

    With `roots_pem` one of these CAs must stand in it; without, its top must be the CA of the answer.
    Raises Broken.
    """
    status = request.object.get("status") or {}
    leaf, *above = _read(status, "certificate", read_delivered)
    cas = _read(status, "ca", read_bundle)
    try:
        trusted = read_bundle(roots_pem).certificates if roots_pem else cas
        chains = candidate_chains(leaf, (*above, *cas, *trusted), now)
        # Of a cross-signed CA the canary may trust the other root than the one that came back.
        chain = next((one for one in chains if set(one.cas) & set(trusted)), chains[0])
        # Which policy approved isn't known here; the controller has held the usages against it.
        found = verify(chain, asked, now, allowed=EVERY_USAGE, shorten=True)
        fatal = [one.message for one in found if one.fatal]
    except X509Error as error:
        raise _broken(str(error)) from error
    if fatal:
        raise _broken("; ".join(fatal))
    if not set(chain.cas) & set(trusted):
        expected = "a CA that the canary trusts" if roots_pem else "the CA in status.ca"
        raise _broken(f"it leads to {subject_text(chain.top)[:200]}, which is not {expected}")
    return chain


def shown(chain: Chain) -> str:
    """The chain in words, and when its certificate ends."""
    links = " < ".join(subject_text(ca)[:200] for ca in chain.cas)
    return f"signed by {links}; good until {rfc3339(chain.leaf.not_valid_after_utc)}"


def _read(status: dict[str, object], field: str, read: Callable[[bytes], Bundle]) -> tuple[Certificate, ...]:
    try:
        pem = base64.b64decode(str(status.get(field) or ""), validate=True)
        return read(pem).certificates
    except binascii.Error as error:
        raise _broken(f"status.{field} is not base64") from error
    except X509Error as error:
        raise _broken(f"status.{field}: {error}") from error


def _broken(why: str) -> Broken:
    return Broken(
        Stage.CHAIN,
        f"the certificate that came back doesn't verify: {why}. Compare the CA that signs with the one your "
        "clients trust, and see whether anything but vault-issuer writes to CertificateRequests",
    )
