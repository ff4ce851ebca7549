"""Which path of an issuer signs a request, what guards it, and how closely its answer is looked at. Pure."""

from __future__ import annotations

from issuer.api.issuers import IssuerSpec
from issuer.reasons import FailureReason
from issuer.requests.reasons import RequestFailure
from issuer.signing.reasons import SigningFailure
from issuer.vault.paths import Mode, PathError, SignPath
from issuer.x509.extensions import NAME_CONSTRAINTS, asked_constraints
from issuer.x509.usages import CERT_SIGN, read_usages
from issuer.x509.verify import RequestedCertificate


class Mismatch(ValueError):
    """The request contradicts itself or its issuer; nothing is sent. The message names the fields."""

    def __init__(self, message: str, reason: FailureReason = RequestFailure.CA_FLAGS_CONTRADICT) -> None:
        super().__init__(message)
        self.reason = reason


def signs_whatever_is_asked(spec: IssuerSpec, *, is_ca: bool) -> bool:
    """Whether Vault holds such a request against no role, so that policy is the only guard."""
    return is_ca or _is_verbatim(spec)


def policy_only_paths(spec: IssuerSpec) -> tuple[str, ...]:
    """The issuer's paths on which policy is the only guard."""
    verbatim = (spec.vault.path,) if _is_verbatim(spec) else ()
    authority = spec.certificate_authority
    return verbatim if authority is None else (*verbatim, authority.path)


def is_strict(spec: IssuerSpec, *, is_ca: bool) -> bool:
    """Whether every difference between certificate and request is fatal.

    By default where nobody but the request has a say in what is signed; ``sign-intermediate`` adds CA rights
    of its own.
    """
    if spec.verification is None:
        return not is_ca and _is_verbatim(spec)
    return spec.verification == "Strict"


def path_length(spec: IssuerSpec, asked: RequestedCertificate) -> int:
    """How many CAs may stand below the asked one: what the CSR says, else the issuer's bound; 0 for a leaf.

    Raises Mismatch for what can't be served: CA flags that contradict each other, no place for CA
    certificates, more below than allowed, or name constraints.
    """
    _check_name_constraints(asked)
    try:
        constraints = asked_constraints(asked.request.extensions)
    except ValueError as error:
        raise Mismatch(f"the CSR's basicConstraints can't be decoded: {error}") from error
    if not asked.is_ca:
        if constraints is not None and constraints.is_ca:
            raise Mismatch("the CSR asks for CA:TRUE, but spec.isCA is not true: make both say the same")
        if CERT_SIGN in read_usages(asked.usages).key:
            raise Mismatch("spec.usages has cert sign, but spec.isCA is not true: only CAs sign certificates")
        return 0
    if constraints is not None and not constraints.is_ca:
        raise Mismatch("spec.isCA is true, but the CSR asks for CA:FALSE: make both say the same")
    authority = spec.certificate_authority
    if authority is None:
        raise Mismatch(
            "spec.isCA is true, but the issuer has no spec.certificateAuthority: it signs no CA certificates",
            SigningFailure.NO_CERTIFICATE_AUTHORITY,
        )
    wanted = None if constraints is None else constraints.path_length
    if wanted is None:
        return authority.max_path_length
    if wanted > authority.max_path_length:
        raise Mismatch(
            f"the CSR asks for a path length of {wanted}, and the issuer's "
            f"spec.certificateAuthority.maxPathLength is {authority.max_path_length}: ask for less",
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


def _is_verbatim(spec: IssuerSpec) -> bool:
    try:
        return SignPath.parse(spec.vault.path).mode is Mode.VERBATIM  # read as the signer reads it
    except PathError:
        return False  # the signer refuses it, and nothing is signed there
