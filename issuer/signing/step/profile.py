"""The signing profile of an issuer that signs through step-ca. Pure."""

from __future__ import annotations

from issuer.api.step import StepIssuerSpec
from issuer.signing.profile import SigningPath, SigningProfile


def signing_profile(spec: StepIssuerSpec) -> SigningProfile:
    """Return the profile of an issuer.

    A JWK provisioner signs for any name that a token grants, and tokens are made here: only policies restrict
    it, unless another approver was chosen. Its default template decides subject and usages, so that answers
    are checked strictly only where the spec says so.
    """
    leaf = SigningPath(
        f'provisioner "{spec.provisioner.name}"',
        strict=spec.verification == "Strict",
        policy_only=spec.approval != "External",
    )
    return SigningProfile(
        leaf,
        product="step-ca",
        to_choose_ca="make that one the intermediate (crt in its ca.json)",
        to_choose_chain="list that root first (root in its ca.json)",
        leaves_life=True,
        too_long=spec.duration,
    )
