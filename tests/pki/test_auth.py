"""Auth methods on a real OpenBao: applied as the file says, and the next plan is empty."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.pki.cas import root
from tests.pki.support import Vault, actions, written

CERT = """\
foundation:
  auth:
    ${T}-cert:
      type: cert
      description: Machines with certificates
      tune: {default_lease_ttl: 20m, max_lease_ttl: 1d, token_type: default-service,
             listing_visibility: unauth}
      config: {disable_binding: false, ocsp_cache_size: 100}
      roles:
        machines:
          certificate: "${CA}"
          allowed_dns_sans: ["*.example.test", lab.example.test]
          allowed_organizational_units: lab
          token_policies: ["${T}-one", "${T}-two"]
          token_bound_cidrs: 127.0.0.1/32, 10.0.0.0/8
          token_ttl: 20m
          token_max_ttl: 1d
"""
JWT = """\
foundation:
  auth:
    ${T}-jwt:
      type: jwt
      tune: {default_lease_ttl: 1200, max_lease_ttl: 24h}
      config:
        jwt_validation_pubkeys: ["${KEY}"]
        bound_issuer: https://ci.example.test
        jwt_supported_algs: [ES256]
      roles:
        deploy:
          role_type: jwt
          user_claim: sub
          bound_audiences: vault
          bound_subject: project:deploy
          bound_claims: {ref: [main, release], project: "17"}
          bound_claims_type: string
          claim_mappings: {ref: ref}
          token_policies: ${T}-deploy
          token_ttl: 5m
          token_num_uses: 2
"""
APPROLE = """\
foundation:
  auth:
    ${T}-approle:
      type: approle
      tune: {default_lease_ttl: 1h, max_lease_ttl: 768h, audit_non_hmac_request_keys: [role_id]}
      roles:
        agent:
          token_policies: ${T}-agent
          token_period: 72h
          secret_id_ttl: 10m
          secret_id_num_uses: 1
          secret_id_bound_cidrs: [127.0.0.1/32, 10.1.0.0/16]
          token_bound_cidrs: [127.0.0.1/32]
          token_no_default_policy: true
"""


def public_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("text", "role", "path"),
    [
        (CERT, "token_ttl: 20m", "cert/certs/machines"),
        (JWT, "token_ttl: 5m", "jwt/role/deploy"),
        (APPROLE, "secret_id_ttl: 10m", "approle/role/agent"),
    ],
    ids=["cert", "jwt", "approle"],
)
def test_an_auth_method_is_applied_once_and_changed_in_place(
    vault: Vault, tmp_path: Path, text: str, role: str, path: str
) -> None:
    variables = {"CA": root("Machines").pem, "KEY": public_key()}
    file = written(tmp_path, text)
    vault.apply(file, **variables)
    assert actions(vault.plan(file, **variables)) == []
    before = len(vault.requests())
    vault.apply(file, **variables)
    assert vault.writes_since(before) == []
    changed = written(tmp_path, text.replace(role, f"{role.split(':')[0]}: 7m"), "changed.yaml")
    assert actions(vault.plan(changed, **variables)) == [("change", f"auth/{vault.name}-{path}")]
    vault.apply(changed, **variables)
    assert actions(vault.plan(changed, **variables)) == []


@pytest.mark.parametrize("field", ["default_lease_ttl: 1200", "max_lease_ttl: 24h"])
def test_the_tuning_of_an_auth_method_is_held(vault: Vault, tmp_path: Path, field: str) -> None:
    variables = {"KEY": public_key()}
    vault.apply(written(tmp_path, JWT), **variables)
    file = written(tmp_path, JWT.replace(field, f"{field.split(':')[0]}: 30m"), "tuned.yaml")
    path = f"sys/auth/{vault.name}-jwt"
    assert actions(vault.plan(file, **variables)) == [("change", path)]
    before = len(vault.requests())
    vault.apply(file, **variables)
    assert vault.writes_since(before) == [f"{path}/tune"]
    assert actions(vault.plan(file, **variables)) == []
