"""Signing profiles: where an issuer signs, what restricts it, and how closely answers are checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.reasons import FailureReason
from issuer.requests.reasons import RequestFailure
from issuer.signing.lives import TooLong
from issuer.signing.reasons import SigningFailure
from issuer.x509.extensions import NAME_CONSTRAINTS, asked_constraints
from issuer.x509.usages import CERT_SIGN, read_usages
from issuer.x509.verification.requested import RequestedCertificate


class Mismatch(ValueError):
    """The request contradicts itself or its issuer; nothing is sent. The message names the fields."""

    def __init__(self, message: str, reason: FailureReason = RequestFailure.CA_FLAGS_CONTRADICT) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SigningPath:
    """One way in which an issuer signs.

    Attributes:
        name: what people know it by, such as a path at the CA's server; for messages.
        strict: True if every difference between certificate and request is fatal.
        policy_only: True if the CA signs whatever is asked, so that only policies restrict it.
        max_path_length: how many CAs may stand below a CA that is signed here (RFC 5280 section 4.2.1.9).
    """

    name: str
    strict: bool = False
    policy_only: bool = False
    max_path_length: int = 0


@dataclass(frozen=True, slots=True)
class SigningProfile:
    """Signing paths of one issuer, with what messages say of them.

    Attributes:
        leaf: end entity certificates.
        authority: CA certificates, None where it signs none.
        product: what people call the server that signs; for messages.
        to_choose_ca: what to set there to have another certificate of the same CA sign.
        to_choose_chain: what to set there to have another chain come first.
        to_sign_cas: what to change to have CA certificates signed, where `authority` is None.
        leaves_life: True if the CA gives its own life to a request that names none; else one is asked for.
        too_long: what happens to a request for a longer life than the CA gives, where it tells that life.
    """

    leaf: SigningPath
    authority: SigningPath | None = None
    product: str = "the CA's server"
    to_choose_ca: str = ""
    to_choose_chain: str = ""
    to_sign_cas: str = "leave isCA out, or use an issuer that signs CAs"
    leaves_life: bool = False
    too_long: TooLong = "Refuse"

    def path(self, *, is_ca: bool) -> SigningPath | None:
        """Return the way in which such a request is signed, None where it is not."""
        return self.authority if is_ca else self.leaf

    @property
    def policy_only_paths(self) -> tuple[str, ...]:
        """The names of the paths on which only policies restrict what is signed."""
        paths = (self.leaf, self.authority)
        return tuple(path.name for path in paths if path is not None and path.policy_only)

    def is_policy_only(self, *, is_ca: bool) -> bool:
        """Return True if only policies restrict such a request; for CA certificates always."""
        return is_ca or self.leaf.policy_only

    def is_strict(self, *, is_ca: bool) -> bool:
        """Return True if every difference between certificate and request is fatal."""
        path = self.path(is_ca=is_ca)
        return path is not None and path.strict


def path_length(profile: SigningProfile, asked: RequestedCertificate) -> int:
    """Return how many CAs may stand below: as the CSR says, else the issuer's bound; 0 for a leaf.

    Raises Mismatch for what can't be served: CA flags that contradict each other, no place for CA
    certificates, more below than allowed, or name constraints.
    """
    _check_name_constraints(asked)
    try:
        constraints = asked_constraints(asked.request.extensions)
    except ValueError as error:
        raise Mismatch(f"the CSR's basicConstraints can't be decoded: {error}") from error
    if not asked.is_ca:
        if constraints is not None and constraints.ca:
            raise Mismatch("the CSR asks for CA:TRUE, but spec.isCA is not true: make both say the same")
        if CERT_SIGN in read_usages(asked.usages).key:
            raise Mismatch("spec.usages has cert sign, but spec.isCA is not true: only CAs sign certificates")
        return 0
    if constraints is not None and not constraints.ca:
        raise Mismatch("spec.isCA is true, but the CSR asks for CA:FALSE: make both say the same")
    if profile.authority is None:
        raise Mismatch(
            f"spec.isCA is true, and the issuer signs no CA certificates: {profile.to_sign_cas}",
            SigningFailure.NO_CERTIFICATE_AUTHORITY,
        )
    wanted, most = None if constraints is None else constraints.path_length, profile.authority.max_path_length
    if wanted is None:
        return most
    if wanted > most:
        raise Mismatch(
            f"the CSR asks for a path length of {wanted}, and the issuer's "
            f"spec.certificateAuthority.maxPathLength is {most}: ask for less",
            SigningFailure.PATH_LENGTH_TOO_LONG,
        )
    return wanted


def _check_name_constraints(asked: RequestedCertificate) -> None:
    if any(one.oid == NAME_CONSTRAINTS for one in asked.request.extensions):
        raise Mismatch(
            "the CSR asks for name constraints, which are not issued (of a leaf they say nothing, RFC 5280 "
            "section 4.2.1.10): take spec.nameConstraints out of the Certificate",
            SigningFailure.NAME_CONSTRAINTS_NOT_ISSUED,
        )
