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
    "leaf_not_after_behavior": "err",
    "usage": "crl-signing,issuing-certificates,ocsp-signing,read-only",
    "issuing_certificates": [],
    "crl_distribution_points": [],
    "delta_crl_distribution_points": [],
    "ocsp_servers": [],
}
WRITE_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "kubernetes": frozenset({"token_reviewer_jwt"}),
    "jwt": frozenset({"oidc_client_secret"}),
    "approle": frozenset(),
    "cert": frozenset(),
}
"""Fields of auth methods' config that Vault keeps to itself, by type."""
