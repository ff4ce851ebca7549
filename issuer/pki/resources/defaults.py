"""Vault's own values of fields that a file leaves out, and fields that are never read back.

A write of a role replaces it as a whole, and a config path keeps what isn't sent. So what a file leaves out
means Vault's default here, in both: the file tells everything. Read from OpenBao 2.7.2; fields that a server
doesn't have are left out of the comparison and of what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ROLE: Final[Mapping[str, Any]] = {
    "allow_any_name": False,
    "allow_bare_domains": False,
    "allow_glob_domains": False,
    "allow_globs_in_identity_templates": False,
    "allow_ip_sans": True,
    "allow_localhost": True,
    "allow_subdomains": False,
    "allow_wildcard_certificates": True,
    "allowed_domains": [],
    "allowed_domains_template": False,
    "allowed_ip_sans_cidr": [],
    "allowed_other_sans": [],
    "allowed_serial_numbers": [],
    "allowed_uri_sans": [],
    "allowed_uri_sans_template": False,
    "allowed_user_ids": [],
    "basic_constraints_valid_for_non_ca": False,
    "client_flag": True,
    "cn_validations": ["email", "hostname"],
    "code_signing_flag": False,
    "country": [],
    "email_protection_flag": False,
    "enforce_hostnames": True,
    "ext_key_usage": [],
    "ext_key_usage_oids": [],
    "generate_lease": False,
    "issuer_ref": "default",
    "key_type": "rsa",
    "key_usage": ["DigitalSignature", "KeyAgreement", "KeyEncipherment"],
    "locality": [],
    "max_ttl": 0,
    "no_store": False,
    "not_after": "",
    "not_after_bound": "permit",
    "not_before": "",
    "not_before_bound": "permit",
    "not_before_duration": 30,
    "organization": [],
    "ou": [],
    "policy_identifiers": [],
    "postal_code": [],
    "province": [],
    "require_cn": True,
    "server_flag": True,
    "signature_bits": 0,
    "street_address": [],
    "ttl": 0,
    "use_csr_common_name": True,
    "use_csr_sans": True,
    "use_pss": False,
}
ROLE_KEY_BITS: Final = {"rsa": 2048, "ec": 256, "ed25519": 0, "any": 0}
URLS: Final[Mapping[str, Any]] = {
    "issuing_certificates": [],
    "crl_distribution_points": [],
    "delta_crl_distribution_points": [],
    "ocsp_servers": [],
    "enable_templating": False,
}
CLUSTER: Final[Mapping[str, Any]] = {"path": "", "aia_path": ""}
CRL: Final[Mapping[str, Any]] = {
    "allow_expired_cert_revocation": False,
    "auto_rebuild": False,
    "auto_rebuild_grace_period": "12h",
    "delta_rebuild_interval": "15m",
    "disable": False,
    "enable_delta": False,
    "expiry": "72h",
    "ocsp_disable": False,
    "ocsp_expiry": "12h",
}
AUTO_TIDY: Final[Mapping[str, Any]] = {
    "acme_account_safety_buffer": 2_592_000,
    "enabled": False,
    "interval_duration": 43_200,
    "safety_buffer": 259_200,
    "issuer_safety_buffer": 31_536_000,
    "maintain_stored_certificate_counts": False,
    "page_size": 1000,
    "pause_duration": "0s",
    "publish_stored_certificate_count_metrics": False,
    "tidy_acme": False,
    "tidy_cert_store": False,
    "tidy_expired_issuers": False,
    "tidy_invalid_certs": False,
    "tidy_move_legacy_ca_bundle": False,
    "tidy_revoked_cert_issuer_associations": False,
    "tidy_revoked_certs": False,
}
ACME: Final[Mapping[str, Any]] = {
    "enabled": False,
    "allow_role_ext_key_usage": False,
    "allowed_issuers": ["*"],
    "allowed_roles": ["*"],
    "default_directory_policy": "sign-verbatim",
    "dns_resolver": "",
    "eab_policy": "not-required",
}
ISSUER: Final[Mapping[str, Any]] = {
    "enable_aia_url_templating": False,
    "leaf_not_after_behavior": "err",
    "usage": "crl-signing,issuing-certificates,ocsp-signing,read-only",
    "issuing_certificates": [],
    "crl_distribution_points": [],
    "delta_crl_distribution_points": [],
    "ocsp_servers": [],
}
_TOKEN: Final[Mapping[str, Any]] = {
    "token_bound_cidrs": [],
    "token_explicit_max_ttl": 0,
    "token_max_ttl": 0,
    "token_no_default_policy": False,
    "token_num_uses": 0,
    "token_period": 0,
    "token_policies": [],
    "token_strictly_bind_ip": False,
    "token_ttl": 0,
    "token_type": "default",
}
"""Fields of the tokens that a role of any auth method gives."""
AUTH_ROLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "kubernetes": {
        **_TOKEN,
        "alias_name_source": "serviceaccount_uid",
        "audience": "",
        "bound_service_account_names": [],
        "bound_service_account_namespace_selector": "",
        "bound_service_account_namespaces": [],
    },
    # Not local_secret_ids, which can't be changed.
    "approle": {
        **_TOKEN,
        "bind_secret_id": True,
        "secret_id_bound_cidrs": [],
        "secret_id_num_uses": 0,
        "secret_id_ttl": 0,
    },
    "cert": {
        **_TOKEN,
        "allowed_common_names": [],
        "allowed_dns_sans": [],
        "allowed_email_sans": [],
        "allowed_metadata_extensions": [],
        "allowed_names": [],
        "allowed_organizational_units": [],
        "allowed_uri_sans": [],
        "ocsp_ca_certificates": "",
        "ocsp_enabled": False,
        "ocsp_fail_open": False,
        "ocsp_query_all_servers": False,
        "ocsp_servers_override": [],
        "required_extensions": [],
    },
    "jwt": {
        **_TOKEN,
        "allowed_redirect_uris": [],
        "bound_audiences": [],
        "bound_claims": {},
        "bound_claims_type": "string",
        "bound_subject": "",
        "callback_mode": "client",
        "claim_mappings": {},
        "clock_skew_leeway": 0,
        "expiration_leeway": 0,
        "groups_claim": "",
        "max_age": 0,
        "not_before_leeway": 0,
        "oidc_scopes": [],
        "role_type": "oidc",
        "token_policies_template_claims": False,
        "user_claim_json_pointer": False,
        "verbose_oidc_logging": False,
    },
}
"""Fields of roles of auth methods, by the method's type."""
ROLE_UNREAD: Final = frozenset({"role_id"})
"""Fields of those roles that Vault doesn't give back with the role."""
ISSUER_UNREAD: Final = frozenset({"delta_crl_distribution_points"})
"""Fields of issuers that OpenBao 2.7.2 takes and doesn't give back."""
AUTH_CONFIG: Final[Mapping[str, Mapping[str, Any]]] = {
    "kubernetes": {
        "disable_iss_validation": True,
        "disable_local_ca_jwt": False,
        "issuer": "",
        "kubernetes_ca_cert": "",
        "pem_keys": [],
        "use_annotations_as_alias_metadata": False,
    },
    # Not provider_config: it may hold a credential, so an export leaves it out.
    "jwt": {
        "bound_issuer": "",
        "default_role": "",
        "jwks_ca_pem": "",
        "jwks_url": "",
        "jwt_supported_algs": [],
        "jwt_validation_pubkeys": [],
        "namespace_in_state": True,
        "oidc_client_id": "",
        "oidc_discovery_ca_pem": "",
        "oidc_discovery_url": "",
        "oidc_response_mode": "",
        "oidc_response_types": [],
        "override_allowed_server_names": [],
    },
    "approle": {},
    # Not ocsp_cache_size, read as 0 where it was never set, which can't be written.
    "cert": {"disable_binding": False, "enable_identity_alias_metadata": False},
}
"""Fields of auth methods' config, by the method's type."""
