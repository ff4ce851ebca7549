"""Every field that a server takes is read back as the file says it, or told as one that can't be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.pki.cas import root
from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written
from tests.pki.test_auth import public_key

ROLES: Final = """\
      lists:
        allowed_domains: [z.example.test, a.example.test]
        allowed_ip_sans_cidr: 10.0.0.0/8,10.1.0.1/32
        allowed_other_sans: 1.3.6.1.4.1.311.20.2.3;utf8:*@example.test
        allowed_serial_numbers: a*,b
        allowed_uri_sans: ["spiffe://example.test/*"]
        allowed_user_ids: u1,u2
        cn_validations: disabled
        country: CH,DE
        ext_key_usage: OCSPSigning,codesigning
        ext_key_usage_oids: 1.3.6.1.5.5.7.3.17
        key_usage: digitalSignature
        locality: x
        organization: ["A, B", C]
        ou: [b, a]
        policy_identifiers: ['{"oid":"1.3.6.1.4.1.7.8","notice":"a notice"}']
        postal_code: "8000"
        province: ZH
        street_address: s
      flags:
        allow_any_name: "true"
        allow_bare_domains: 1
        allow_globs_in_identity_templates: true
        allowed_domains_template: T
        allowed_uri_sans_template: true
        basic_constraints_valid_for_non_ca: true
        no_store: "false"
        use_pss: true
        issuer_ref: ${T}-int-2026
      dates:
        key_type: any
        key_bits: 0
        signature_bits: 512
        max_ttl: "0"
        not_after: "2030-01-01T00:00:00Z"
        not_after_bound: forbid
        not_before: "2026-01-01T00:00:00Z"
        not_before_bound: duration
        not_before_duration: 45s
        ttl: 1.5h
"""
SETTINGS: Final = """\
    settings:
      usage: issuing-certificates,crl-signing
      manual_chain: [self]
      leaf_not_after_behavior: permit
      enable_aia_url_templating: true
      revocation_signature_algorithm: ECDSAWithSHA384
      delta_crl_distribution_points: http://vault.example.test/delta
      ocsp_servers: ["http://b.example.test", "http://a.example.test"]
"""
CRL: Final = """\
    crl:
      auto_rebuild: "true"
      enable_delta: true
      expiry: 100h
      auto_rebuild_grace_period: "3600"
      delta_rebuild_interval: 1800s
      ocsp_expiry: 1d
      allow_expired_cert_revocation: true
      ocsp_disable: true
"""
TIDY: Final = """\
    autoTidy:
      enabled: true
      acme_account_safety_buffer: 40d
      interval_duration: 1d
      issuer_safety_buffer: 400d
      maintain_stored_certificate_counts: true
      page_size: 500
      pause_duration: 100ms
      publish_stored_certificate_count_metrics: true
      revoked_safety_buffer: 49h
      safety_buffer: 50h
      tidy_acme: true
      tidy_cert_store: true
      tidy_expired_issuers: true
      tidy_invalid_certs: true
      tidy_move_legacy_ca_bundle: true
      tidy_revoked_certs: true
      tidy_revoked_cert_issuer_associations: true
"""
TUNE: Final = """\
      max_lease_ttl: 1825d
      default_lease_ttl: 1h
      allowed_response_headers: Link,Location
      audit_non_hmac_response_keys: serial_number
      listing_visibility: unauth
      options: {a: b}
      passthrough_request_headers: [If-Modified-Since]
"""
AUTH: Final = """\
    ${T}-approle:
      type: approle
      roles:
        own: {role_id: a-role-id-of-its-own, token_bound_cidrs: [10.0.0.1, "::1/128"], token_num_uses: 3,
              token_type: service, token_explicit_max_ttl: 2h, secret_id_num_uses: 1, local_secret_ids: false}
        old: {bound_cidr_list: "10.0.0.1/32,10.2.0.0/16", policies: "a,b", period: 2h, bind_secret_id: true}
        batch: {token_type: batch, token_period: 0, token_no_default_policy: true}
    ${T}-kubernetes:
      type: kubernetes
      config: {kubernetes_host: "https://k.example.test", kubernetes_ca_cert: "${CA}", pem_keys: ["${KEY}"],
               issuer: "https://i.example.test", disable_iss_validation: false, disable_local_ca_jwt: true}
      roles:
        new: {bound_service_account_names: a, bound_service_account_namespaces: [b, a], audience: vault,
              alias_name_source: serviceaccount_name, token_policies: [b, a]}
        old: {bound_service_account_names: "*", bound_cidrs: 10.0.0.0/8, ttl: 1h, max_ttl: 2h, num_uses: 2,
              bound_service_account_namespace_selector: '{"matchLabels":{"a":"b"}}', policies: x, period: 0}
    ${T}-jwt:
      type: jwt
      config: {jwt_validation_pubkeys: ["${KEY}"], jwt_supported_algs: "ES256,RS256", bound_issuer: x,
               default_role: jwt}
      roles:
        jwt: {role_type: jwt, user_claim: sub, bound_audiences: x, bound_claims: {a: [x, y], b: z},
              claim_mappings: {a: b}, clock_skew_leeway: 10s, expiration_leeway: 1m, not_before_leeway: 60,
              groups_claim: groups, token_policies_template_claims: true, oidc_scopes: "a,b", max_age: 1h}
        oidc: {role_type: oidc, user_claim: sub, callback_mode: direct, poll_interval: 7, bound_subject: x,
               allowed_redirect_uris: "https://a.example.test/cb,https://b.example.test/cb",
               oidc_disable_confirmation: true, oauth2_metadata: access_token}
    ${T}-cert:
      type: cert
      config: {ocsp_cache_size: 50, enable_identity_alias_metadata: true}
      roles:
        all: {certificate: "${CA}", allowed_common_names: "a,b", allowed_email_sans: a@example.test,
              allowed_metadata_extensions: 1.2.3.4, allowed_names: x, allowed_uri_sans: "spiffe://x",
              display_name: dn, lease: 3600, ocsp_enabled: true, ocsp_fail_open: true,
              ocsp_query_all_servers: true, ocsp_servers_override: "http://o.example.test",
              required_extensions: "1.2.3:*", ocsp_ca_certificates: "${CA}"}
"""
WHOLE: Final = (
    ("    roles:\n      web:\n", "    roles:\n" + ROLES + "      web:\n"),
    ("    maxPathLength: 0\n", "    maxPathLength: 0\n" + SETTINGS),
    ("    crl: {auto_rebuild: true, enable_delta: true, expiry: 3d}\n", CRL),
    (TWO_TIER[TWO_TIER.index("    autoTidy:") : TWO_TIER.index("    defaultIssuer: ${T}-int")], TIDY),
    ("      max_lease_ttl: 1825d\n", TUNE),
    (TWO_TIER[TWO_TIER.index("    ${T}-approle:") : TWO_TIER.index("mounts:\n  ${T}-int:")], AUTH),
)
NEVER_TOLD: Final = ("delta_crl_distribution_points", "role_id")
"""Fields of this file that OpenBao 2.7.2 takes and doesn't give back."""


def test_no_field_makes_a_plan_that_never_ends(vault: Vault, tmp_path: Path) -> None:
    text = TWO_TIER
    for old, new in WHOLE:
        assert old in text
        text = text.replace(old, new)
    variables = {"CA": root("Machines").pem, "KEY": public_key()}
    file = written(tmp_path, text)
    vault.apply(file, **variables)
    shown = vault.run("plan", "-f", file, **variables)
    assert shown.exit_code == 0, shown.output
    for name in NEVER_TOLD:
        assert f"{name} is set, can't be compared" in shown.output
    before = len(vault.requests())
    vault.apply(file, **variables)
    assert vault.writes_since(before) == []
    changed = written(tmp_path, text.replace("[self]", '["${T}-int-2026"]'), "by_name.yaml")
    assert actions(vault.plan(changed, **variables)) == []
    for old, new, path in (
        ("10.2.0.0/16", "10.3.0.0/16", "auth/{}-approle/role/old"),
        ("lease: 3600", "lease: 7200", "auth/{}-cert/certs/all"),
        ("options: {a: b}", "options: {a: c}", "sys/mounts/{}-int"),
        ("tidy_revoked_certs: true", "tidy_revoked_certs: false", "{}-int/config/auto-tidy"),
        ("issuing-certificates,crl-signing", "issuing-certificates", "{0}-int/issuer/{0}-int-2026"),
    ):
        assert old in text
        edited = written(tmp_path, text.replace(old, new), "edited.yaml")
        assert actions(vault.plan(edited, **variables)) == [("change", path.format(vault.name))]
