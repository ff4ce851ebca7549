"""Parts of an issuer: each reason of a failed check lies in one of them, and none shows a secret."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.signing.backend import IssuerPart
from issuer.signing.reasons import SIGNING_REASONS, SigningIssuerReason
from issuer.signing.vault.backend import VaultBackend
from issuer.signing.vault.reasons import VAULT_REASONS, VaultIssuerReason, VaultOutage, VaultRetry

BACKEND = VaultBackend()
KUBERNETES = {
    "kubernetes": {"role": "web", "mountPath": "/v1/auth/k8s", "serviceAccountRef": {"name": "login"}}
}
APP_ROLE = {"appRole": {"path": "approle", "roleId": "a-role-id", "secretRef": {"name": "own", "key": "id"}}}
TOKEN = {"tokenSecretRef": {"name": "vault-token", "key": "token"}}


def parts(auth: dict[str, Any], path: str = "pki_int/sign/web", **spec: Any) -> dict[str, IssuerPart]:
    """The parts of an issuer by name."""
    vault = {"server": "https://vault.example.test:8200", "path": path, "auth": auth}
    found = BACKEND.parts(VaultIssuerSpec.parse({"vault": vault, **spec}), "team-a")
    return {one.name: one for one in found}


@pytest.mark.parametrize("auth", [KUBERNETES, APP_ROLE, TOKEN])
def test_each_reason_of_a_check_lies_in_one_part(auth: dict[str, Any]) -> None:
    reasons = [reason for one in parts(auth).values() for reason in one.reasons]
    # A spec that can't be read has no parts; the others are raised by what came of signing.
    others = {
        SigningIssuerReason.INVALID_SPEC,
        SigningIssuerReason.BAD_ANSWER,
        SigningIssuerReason.CA_NOT_TRUSTED,
    }
    of_check = {VaultRetry.VAULT_RATE_LIMITED, VaultRetry.VAULT_UNAVAILABLE}
    assert sorted(reasons) == sorted((VAULT_REASONS.issuer | SIGNING_REASONS.issuer | of_check) - others)


def test_credentials_count_as_sent_only_from_the_login_on() -> None:
    found = parts(TOKEN)
    assert list(found) == ["Credentials", "Server", "Path", "Login", "Role", "Capability"]
    assert [one.credentials_sent for one in found.values()] == [False] * 3 + [True] * 3


def test_parts_say_what_the_spec_says_and_no_role_id() -> None:
    found = parts(KUBERNETES, certificateAuthority={"path": "pki/root/sign-intermediate"})
    assert found["Login"].text == 'kubernetes at "auth/k8s", role "web"'
    assert found["Credentials"].text == 'ServiceAccount "login"'
    assert found["Role"].text == '"web" at "pki_int"'
    assert '"update" on "pki/root/sign-intermediate"' in found["Capability"].text
    assert "a-role-id" not in str(parts(APP_ROLE))
    kept = {"appRole": {"path": "", "roleIdSecretRef": {"name": "one", "key": "id"}}}
    assert parts(kept)["Credentials"].text == 'Secret "one" (id)'
    assert parts(TOKEN, "pki_int/sign-verbatim")["Role"].text == "none: what is asked for is signed"


def test_commands_name_what_the_spec_names_and_hold_as_words_of_a_shell() -> None:
    found = parts(TOKEN, "pki int/sign/we'b") | {}
    assert found["Role"].cures == {}  # no path of Vault has a space
    cures = parts(TOKEN, "pki_int/sign/we'b")
    assert (
        cures["Role"]
        .cures[VaultIssuerReason.ROLE_NOT_FOUND]
        .startswith("vault write 'pki_int/roles/we'\"'\"'b' allowed_domains=")
    )
    missing = cures["Credentials"].cures[SigningIssuerReason.SECRET_NOT_FOUND]
    assert missing == "kubectl create secret generic vault-token -n team-a --from-file=token=<file>"
    denied = cures["Capability"].cures[VaultIssuerReason.PERMISSION_DENIED]
    assert 'path "pki_int/sign/we\'b" { capabilities = ["update"] }' in denied
    assert all(line.startswith("#") for line in denied.splitlines()), "nothing that replaces a policy"
    reads, *_ = parts(KUBERNETES)["Capability"].cures[VaultIssuerReason.PERMISSION_DENIED].splitlines()
    assert reads == "vault read auth/k8s/role/web"
    assert "operator unseal" in cures["Server"].cures[VaultOutage.VAULT_SEALED]
    assert parts(KUBERNETES)["Login"].cures == {
        VaultIssuerReason.LOGIN_FAILED: "vault read auth/k8s/role/web"
    }
