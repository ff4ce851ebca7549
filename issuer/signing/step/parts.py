"""Parts of an issuer that signs through step-ca, in the order in which its check meets them. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from issuer.api.step import StepClusterProvisioner, StepIssuerSpec
from issuer.signing.backend import IssuerPart
from issuer.signing.commands import look_at_tls
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.step.reasons import StepIssuerReason, StepOutage, StepRetry

_CREDENTIALS: Final = frozenset(
    {
        SigningIssuerReason.INVALID_TRUSTED_CA,
        SigningIssuerReason.SECRET_FORBIDDEN,
        SigningIssuerReason.SECRET_KEY_NOT_FOUND,
        SigningIssuerReason.SECRET_NOT_FOUND,
        SigningIssuerReason.SECRET_TYPE_NOT_ALLOWED,
        StepIssuerReason.PASSWORD_NOT_ALLOWED,
        StepIssuerReason.PASSWORD_NOT_FOUND,
    }
)
_SERVER: Final = frozenset(
    {
        SigningIssuerReason.INVALID_CONNECTION,
        SigningIssuerReason.SERVER_NOT_ALLOWED,
        SigningIssuerReason.TLS_VERIFICATION_FAILED,
        SigningIssuerReason.UNEXPECTED_ANSWER,
        StepOutage.STEP_CA_UNREACHABLE,
        StepRetry.STEP_CA_RATE_LIMITED,
        StepRetry.STEP_CA_UNAVAILABLE,
    }
)
_PROVISIONER: Final = frozenset(
    {StepIssuerReason.PROVISIONER_NOT_FOUND, StepIssuerReason.PROVISIONER_NOT_SUPPORTED}
)
_KEY: Final = frozenset(
    {
        StepIssuerReason.PASSWORD_REFUSED,
        StepIssuerReason.PROVISIONER_KEY_DIFFERS,
        StepIssuerReason.PROVISIONER_KEY_UNUSABLE,
    }
)
_TOKEN: Final = frozenset({StepIssuerReason.CLOCKS_DIFFER, StepIssuerReason.TOKEN_REFUSED})


def issuer_parts(spec: StepIssuerSpec, home: str = "") -> tuple[IssuerPart, ...]:
    """Return the parts of an issuer whose Secrets are in the namespace `home`, as `StepSigner.check` meets
    them."""
    provisioner = spec.provisioner
    listed = f"curl -k {shlex.quote(spec.url.rstrip('/') + '/provisioners')}"
    return (
        IssuerPart("Credentials", _password(spec), _CREDENTIALS, cures=_secret_cures(spec, home)),
        IssuerPart("Server", spec.url, _SERVER, cures=_server_cures(spec)),
        IssuerPart(
            "Provisioner",
            f'"{provisioner.name}", key "{provisioner.kid}"',
            _PROVISIONER,
            cures=dict.fromkeys(_PROVISIONER, listed),
        ),
        IssuerPart(
            "Key",
            "fetched from the CA" if provisioner.key_ref is None else f'Secret "{provisioner.key_ref.name}"',
            _KEY,
        ),
        IssuerPart("Token", f"for {spec.url.rstrip('/')}/1.0/sign", _TOKEN, credentials_sent=True),
    )


def _password(spec: StepIssuerSpec) -> str:
    provisioner = spec.provisioner
    if provisioner.password is not None:
        return f'Secret "{provisioner.password.name}" ({provisioner.password.key})'
    if isinstance(provisioner, StepClusterProvisioner):
        if provisioner.password_env:
            return f"the controller's variable {provisioner.password_env}"
        if provisioner.password_file:
            return f'the controller\'s file "{provisioner.password_file}"'
    return "none: the key is not encrypted"


def _secret_cures(spec: StepIssuerSpec, home: str) -> Mapping[str, str]:
    """Return how a missing Secret is made; values are placeholders in angle brackets."""
    password = spec.provisioner.password
    if password is None:
        return {}
    where = f" -n {shlex.quote(home)}" if home else ""
    name = shlex.quote(password.name)
    made = f"kubectl create secret generic {name}{where} --from-file={shlex.quote(password.key or '')}=<file>"
    return {
        SigningIssuerReason.SECRET_NOT_FOUND: made,
        SigningIssuerReason.SECRET_KEY_NOT_FOUND: f"kubectl describe secret {name}{where}",
    }


def _server_cures(spec: StepIssuerSpec) -> Mapping[str, str]:
    """Return how to see what answers."""
    health = f"curl -v {shlex.quote(spec.url.rstrip('/') + '/health')}"
    return {
        StepOutage.STEP_CA_UNREACHABLE: health,
        SigningIssuerReason.TLS_VERIFICATION_FAILED: look_at_tls(spec.url),
        SigningIssuerReason.UNEXPECTED_ANSWER: health,
    }
