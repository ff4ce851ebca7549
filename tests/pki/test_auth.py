"""Auth methods on a real OpenBao: applied as the file says, and the next plan is empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


KUBERNETES = """\
foundation:
  auth:
    ${T}-kubernetes:
      type: kubernetes
      config: {kubernetes_host: https://kubernetes.example.test, token_reviewer_jwt: "${REVIEWER}",
               kubernetes_ca_cert: "${CA}", disable_local_ca_jwt: true}
"""


def test_what_is_never_read_back_is_sent_again_when_asked_for(vault: Vault, tmp_path: Path) -> None:
    old = {"CA": root("Cluster").pem, "REVIEWER": "old.reviewer.token"}
    new = {**old, "REVIEWER": "new.reviewer.token"}
    file, path = written(tmp_path, KUBERNETES), f"auth/{vault.name}-kubernetes/config"
    vault.apply(file, **old)
    shown = vault.run("plan", "-f", file, **new)
    assert shown.exit_code == 0
    assert "token_reviewer_jwt is set, can't be compared; --resend sends it again" in shown.output
    plan = tmp_path / "plan.json"
    words = ("-f", file, "--resend")
    ran = vault.run("plan", *words, "--out", plan, **new)
    assert (ran.exit_code, "token_reviewer_jwt: set, can't be compared -> " in ran.output) == (2, True)
    before = len(vault.requests())
    ran = vault.run("apply", *words, "--plan", plan, **new)
    assert ran.exit_code == 0, ran.output
    assert vault.writes_since(before) == [path]
    assert "reviewer.token" not in shown.output + ran.output + plan.read_text()


@pytest.mark.parametrize(
    ("text", "path", "by_hand"),
    [
        (CERT, "cert/certs/machines", {"allowed_common_names": "*", "token_period": "1h"}),
        (JWT, "jwt/role/deploy", {"token_policies": "root-like", "bound_claims_type": "glob"}),
        (APPROLE, "approle/role/agent", {"bind_secret_id": False, "token_type": "service"}),
    ],
    ids=["cert", "jwt", "approle"],
)
def test_what_somebody_gave_a_role_by_hand_is_taken_away(
    vault: Vault, tmp_path: Path, text: str, path: str, by_hand: dict[str, object]
) -> None:
    variables = {"CA": root("Machines").pem, "KEY": public_key()}
    file = written(tmp_path, text)
    vault.apply(file, **variables)
    role = f"auth/{vault.name}-{path}"
    meant = without_nulls(vault.bao.read(role))
    needed = ("certificate", "user_claim", "role_type", "bound_audiences")
    vault.bao.write(role, {**{name: meant[name] for name in needed if name in meant}, **by_hand})
    assert without_nulls(vault.bao.read(role)) != meant
    assert actions(vault.plan(file, **variables)) == [("change", role)]
    vault.apply(file, **variables)
    assert without_nulls(vault.bao.read(role)) == meant
    assert actions(vault.plan(file, **variables)) == []


@pytest.mark.parametrize(
    ("text", "mount", "by_hand"),
    [
        (CERT, "cert", {"disable_binding": True, "enable_identity_alias_metadata": True}),
        (JWT, "jwt", {"default_role": "other", "namespace_in_state": False}),
        (KUBERNETES, "kubernetes", {"issuer": "https://other.example.test", "disable_iss_validation": False}),
    ],
    ids=["cert", "jwt", "kubernetes"],
)
def test_what_somebody_set_in_a_config_by_hand_is_taken_away(
    vault: Vault, tmp_path: Path, text: str, mount: str, by_hand: dict[str, object]
) -> None:
    variables = {"CA": root("Machines").pem, "KEY": public_key(), "REVIEWER": "reviewer.token"}
    file = written(tmp_path, text)
    vault.apply(file, **variables)
    path = f"auth/{vault.name}-{mount}/config"
    meant = without_nulls(vault.bao.read(path))
    kept = {name: value for name, value in meant.items() if name not in ("status", "token_reviewer_jwt_set")}
    vault.bao.write(path, {**kept, **by_hand})
    assert without_nulls(vault.bao.read(path)) != meant
    assert actions(vault.plan(file, **variables)) == [("change", path)]
    vault.apply(file, **variables)
    assert without_nulls(vault.bao.read(path)) == meant
    assert actions(vault.plan(file, **variables)) == []


def without_nulls(read: dict[str, Any]) -> dict[str, Any]:
    """What was read, without empty values: once set, an empty list isn't null any more."""
    return {name: value for name, value in read.items() if value not in (None, [], {})}


def test_fields_by_their_older_names_are_held_too(vault: Vault, tmp_path: Path) -> None:
    text = """\
foundation:
  auth:
    ${T}-approle:
      type: approle
      roles: {old: {policies: ["${T}-a"], period: 1h}}
"""
    file = written(tmp_path, text)
    vault.apply(file)
    assert actions(vault.plan(file)) == []
    assert vault.bao.read(f"auth/{vault.name}-approle/role/old")["token_policies"] == [f"{vault.name}-a"]
