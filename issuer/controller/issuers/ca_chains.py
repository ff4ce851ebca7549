"""Facts for an issuer's status about the CAs that sign, from the chains that are served of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from issuer.api.issuers import MAX_SERIAL
from issuer.controller.state.health.ca_expiry import CAExpired, CAValidity
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.requests.conditions import bounded
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.profile import SigningProfile
from issuer.signing.trusted_cas import trusted_ways
from issuer.text import rfc3339
from issuer.x509.certificates import Certificate, basic_constraints
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.bundle import Bundle, read_bundle, some
from issuer.x509.chains.chain import SigningCA, Way, signing_ca
from issuer.x509.describe import fingerprint, serial_hex, subject_text
from issuer.x509.errors import ChainError, X509Error


@dataclass(frozen=True, slots=True)
class CAFacts:
    """Facts about the CA that signs.

    `not_after` is the latest end of a certificate that its chain and its server allow, and `first_to_end` the
    subject of the certificate that sets it; `warnings` are sentences for the status.
    """

    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    warnings: tuple[str, ...] = ()
    sha256: str = ""
    first_to_end: str = ""

    def validity(self, path: str) -> CAValidity:
        """Return its validity as the CA behind that path."""
        return CAValidity(path, self.not_before, self.not_after, self.sha256, self.first_to_end)


def ca_facts(
    ca_pem: str,
    path: str,
    profile: SigningProfile,
    now: datetime,
    anchors: Anchors | None = None,
) -> CAFacts:
    """Return facts about the CA behind `path`, one of the profile's, from its chain, the signing CA first.

    Raises IssuerBroken where no certificate of it could be delivered, `anchors` included.
    """
    bundle = _chain(ca_pem, profile)
    signing = bundle.certificates[0]
    try:
        found = signing_ca(bundle.certificates, now, anchors)
    except ChainError as error:
        raise IssuerBroken(
            ControllerIssuerReason.INVALID_CA_CHAIN,
            f"no certificate signed at {path} would have a valid chain: {bundle.explains(error)}",
        ) from error
    found = trusted_ways(found, anchors, path)
    coming = [way for way in found.ways if now < way.ends]
    if coming and not found.is_current(now):
        raise IssuerBroken(
            ControllerIssuerReason.INVALID_CA_CHAIN,
            f"the chain of the CA behind {path} begins at {rfc3339(coming[0].begins)}, and it is "
            f"{rfc3339(now)}: compare the clocks, or sign with the former CA until then",
        )
    return CAFacts(
        bounded(subject_text(signing)),
        bounded(serial_hex(signing), MAX_SERIAL),
        signing.not_valid_before_utc,
        min(found.not_after, signing.not_valid_after_utc),  # servers look at the one that they sign by
        (
            *_sooner_warning(signing, found, path, profile),
            *_roots_warning(found, path, profile),
            *_left_out(bundle, path),
        ),
        fingerprint(signing),
        bounded(subject_text(_first_to_end(signing, found))),
    )


def _first_to_end(signing: Certificate, found: SigningCA) -> Certificate:
    """Return the certificate whose end bounds what the CA signs, on the way up that lasts longest."""
    longest = max(found.ways, key=lambda way: way.ends)
    return min((signing, *longest.cas), key=lambda ca: ca.not_valid_after_utc)


def _sooner_warning(
    signing: Certificate, found: SigningCA, path: str, profile: SigningProfile
) -> tuple[str, ...]:
    """Return what to do where the CA signs by a certificate that ends before another of the same key."""
    end = signing.not_valid_after_utc
    if found.not_after <= end:
        return ()
    return (
        (
            f"the CA behind {path} signs by a certificate that expires at {rfc3339(end)}, and "
            f"{profile.product} has another of the same key whose chain lasts until "
            f"{rfc3339(found.not_after)}" + (f": {profile.to_choose_ca}" if profile.to_choose_ca else "")
        ),
    )


def _roots_warning(found: SigningCA, path: str, profile: SigningProfile) -> tuple[str, ...]:
    """Return what `ca.crt` holds, and why, where the CA stands below several roots."""
    if len(found.roots) < 2:
        return ()
    first, *others = (f"{subject_text(way.top)[:200]} (until {rfc3339(way.ends)})" for way in _by_root(found))
    return (
        (
            f"the CA behind {path} stands below {len(found.roots)} roots: ca.crt holds {first}, as "
            f"{profile.product} names it first in the CA chain; a certificate that would end later, or that "
            f"these CAs may not sign, gets {' or '.join(others)}"
            + (f". To choose, {profile.to_choose_chain}" if profile.to_choose_chain else "")
        ),
    )


def _left_out(bundle: Bundle, path: str) -> tuple[str, ...]:
    if not bundle.left_out:
        return ()
    return (f"left out of the chain of the CA behind {path}: {some(bundle.left_out)}",)


def _by_root(found: SigningCA) -> list[Way]:
    """One way for each root, the preferred one: the first."""
    return list({way.top: way for way in reversed(found.ways) if way.complete}.values())[::-1]


def ca_validities(
    profile: SigningProfile,
    ca: CAFacts,
    authority_pem: str | None,
    now: datetime,
    anchors: Anchors | None,
) -> tuple[dict[bool, CAValidity], tuple[str, ...]]:
    """Return the validity of the CAs that sign, by whether they sign CA certificates, and warnings about the
    latter. Raises IssuerBroken."""
    validity = {False: ca.validity(profile.leaf.name)}
    above = profile.authority
    if above is None or authority_pem is None:
        return validity, ()
    signing = _chain(authority_pem, profile).certificates[0]
    facts = ca_facts(authority_pem, above.name, profile, now, anchors)
    constraints = basic_constraints(signing)
    if constraints is not None and constraints.path_length == 0:
        raise IssuerBroken(
            ControllerIssuerReason.CA_SIGNS_NO_CAS,
            f"the CA behind {above.name} ({subject_text(signing)[:200]}) has a path length of 0, "
            "so no CA may stand below it: name another issuer in spec.certificateAuthority.path",
        )
    validity[True] = authority = facts.validity(above.name)
    expired = (f"{CAExpired(authority).message} (isCA)",) if authority.has_expired(now) else ()
    return validity, (*expired, *(text for text in facts.warnings if text not in ca.warnings))


def _chain(ca_pem: str, profile: SigningProfile) -> Bundle:
    try:
        return read_bundle(ca_pem, needed=1)
    except X509Error as error:
        raise IssuerBroken(
            ControllerIssuerReason.INVALID_CA_CHAIN,
            f"the CA chain that {profile.product} serves can't be read: {error}",
        ) from error
