"""The signing profile of an issuer with `spec.vault`, from its paths as the signer reads them. Pure."""

from __future__ import annotations

from issuer.api.issuers import VaultIssuerSpec
from issuer.signing.profile import SigningPath, SigningProfile
from issuer.vault.paths import Mode, PathError, SignPath


def signing_profile(spec: VaultIssuerSpec) -> SigningProfile:
    """Return the profile of an issuer.

    `sign-verbatim` holds a request against no role, and `sign-intermediate` neither, so there only policies
    restrict it. By default answers are checked strictly where nobody but the request has a say in what is
    signed; `sign-intermediate` adds CA rights of its own.
    """
    verbatim, strict = _is_verbatim(spec), spec.verification == "Strict"
    leaf_strict = verbatim if spec.verification is None else strict
    leaf = SigningPath(spec.vault.path, strict=leaf_strict, policy_only=verbatim)
    authority = spec.certificate_authority
    if authority is None:
        return _profile(leaf)
    above = SigningPath(
        authority.path, strict=strict, policy_only=True, max_path_length=authority.max_path_length
    )
    return _profile(leaf, above)


def _profile(leaf: SigningPath, authority: SigningPath | None = None) -> SigningProfile:
    return SigningProfile(
        leaf,
        authority,
        product="Vault",
        to_choose_ca="make that one the issuer (the default of the mount, or the role's issuer_ref)",
        to_choose_chain="set manual_chain of the issuer in Vault",
        to_sign_cas="leave isCA out, or give the issuer a spec.certificateAuthority",
    )


def _is_verbatim(spec: VaultIssuerSpec) -> bool:
    try:
        return SignPath.parse(spec.vault.path).mode is Mode.VERBATIM
    except PathError:
        return False  # the signer refuses it, and nothing is signed there
