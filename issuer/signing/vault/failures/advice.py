"""Advice on what a Vault role does to certificates and logins. Pure.

Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#create-update-role
"""

from __future__ import annotations

from typing import Final

from issuer.signing.outcomes import AnswerFault
from issuer.text import counted
from issuer.vault.paths import SignPath
from issuer.x509.verification.findings import FindingCode

_USAGES: Final = (
    "server_flag, client_flag, code_signing_flag, email_protection_flag, ext_key_usage and ext_key_usage_oids"
)
_ADVICE: Final[dict[str, str]] = {
    FindingCode.USAGE_BEYOND_POLICY: (
        f"Set {_USAGES} of the Vault role so that it adds nothing, or name the usage in the policy's "
        "spec.allowed.usages"
    ),
    FindingCode.USAGE_NOT_ASKED: (
        f"Set {_USAGES} of the Vault role so that it adds nothing, or ask for the usage"
    ),
    AnswerFault.ANOTHER_CA: (
        "Look at who answers at vault.server, and see that LIST on MOUNT/issuers and GET on "
        "MOUNT/issuer/*/json get through to Vault"
    ),
    FindingCode.TOO_SHORT_TO_RENEW: (
        "Raise the Vault role's max_ttl, lower its not_before_duration, or rotate the CA if it expires soon"
    ),
    FindingCode.USAGE_BARRED_BY_CA: (
        "Sign by a CA that is for these usages (the role's issuer_ref), or make that CA's certificate anew "
        "without extended usages"
    ),
    FindingCode.CA_USAGE_NOT_ASKED: "Take CertSign and CRLSign out of the Vault role's key_usage",
}
_OTHERWISE: Final = "Check the Vault role"


def advice(codes: frozenset[str]) -> str:
    """Return sentences for differences with these codes, without the last full stop."""
    return ". ".join(text for code, text in _ADVICE.items() if code in codes) or _OTHERWISE


def leases_warning(path: SignPath) -> str:
    """Return a warning for a path whose role ties certificates to the token that they are signed by."""
    role = f"{path.mount}/roles/{path.role}"
    return (
        f'The role "{path.role}" at "{path.mount}" has generate_lease=true: Vault revokes each certificate '
        "when the token ends that it was signed by, long before the certificate does. Set it to false "
        f'("vault patch {role} generate_lease=false"), and have renewed what was issued until then.'
    )


def clock_warning(minutes: int) -> str:
    """Return a warning for a clock that is so many minutes ahead of the controller's, or behind."""
    way = "ahead of" if minutes > 0 else "behind"
    return (
        f"The clock of Vault, or of a proxy before it, is {abs(minutes)} minutes {way} this controller's: "
        "set the clocks. Certificates that begin over 5 minutes after the controller's time aren't delivered."
    )


def uses_warning(uses: int, *, static: bool) -> str:
    """Return a warning for a token that Vault takes for `uses` calls; `static` for one of a Secret."""
    if static:
        return (
            f"The Vault token was good for {counted(uses, 'more call')} when it was looked up (num_uses), "
            "and ends with the last: put one without that bound into its Secret."
        )
    return (
        f"Vault takes each token of this login for {counted(uses, 'call')} only (token_num_uses of its auth "
        "role), so that logins are many: set it to 0, which is any number."
    )
