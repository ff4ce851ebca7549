"""Fields of writes in OpenBao 2.7.2 and in Vault 1.21, for mounts that aren't there to be asked.

Read from the help of OpenBao 2.7.2, and for Vault from https://developer.hashicorp.com/vault/api-docs
(secret/pki, auth/*, system/mounts). A server that can be asked counts before this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _fields(*names: str) -> frozenset[str]:
    return frozenset(word for text in names for word in text.split())


_OPENBAO: Final[Mapping[str, frozenset[str]]] = {
    "mount": _fields(
        """
        allowed_response_headers audit_non_hmac_request_keys audit_non_hmac_response_keys
        default_lease_ttl description listing_visibility max_lease_ttl options
        passthrough_request_headers plugin_version token_type user_lockout_config
        """
    ),
    "auth method": _fields(
        """
        allowed_response_headers audit_non_hmac_request_keys audit_non_hmac_response_keys
        default_lease_ttl description listing_visibility max_lease_ttl options
        passthrough_request_headers plugin_version token_type user_lockout_config
        """
    ),
    "pki/roles": _fields(
        """
        allow_any_name allow_bare_domains allow_glob_domains allow_globs_in_identity_templates
        allow_ip_sans allow_localhost allow_subdomains allow_wildcard_certificates allowed_domains
        allowed_domains_template allowed_ip_sans_cidr allowed_other_sans allowed_serial_numbers
        allowed_uri_sans allowed_uri_sans_template allowed_user_ids basic_constraints_valid_for_non_ca
        client_flag cn_validations code_signing_flag country email_protection_flag enforce_hostnames
        ext_key_usage ext_key_usage_oids generate_lease issuer_ref key_bits key_type key_usage locality
        max_ttl no_store not_after not_after_bound not_before not_before_bound not_before_duration
        organization ou policy_identifiers postal_code province require_cn server_flag signature_bits
        street_address ttl use_csr_common_name use_csr_sans use_pss
        """
    ),
    "pki/issuer": _fields(
        """
        crl_distribution_points delta_crl_distribution_points enable_aia_url_templating issuer_name
        issuing_certificates leaf_not_after_behavior manual_chain ocsp_servers
        revocation_signature_algorithm usage
        """
    ),
    "pki/config/cluster": _fields(
        """
        aia_path path
        """
    ),
    "pki/config/urls": _fields(
        """
        crl_distribution_points delta_crl_distribution_points enable_templating issuing_certificates
        ocsp_servers
        """
    ),
    "pki/config/crl": _fields(
        """
        allow_expired_cert_revocation auto_rebuild auto_rebuild_grace_period delta_rebuild_interval
        disable enable_delta expiry ocsp_disable ocsp_expiry
        """
    ),
    "pki/config/auto-tidy": _fields(
        """
        acme_account_safety_buffer enabled interval_duration issuer_safety_buffer
        maintain_stored_certificate_counts page_size pause_duration
        publish_stored_certificate_count_metrics revoked_safety_buffer safety_buffer tidy_acme
        tidy_cert_store tidy_expired_issuers tidy_invalid_certs tidy_move_legacy_ca_bundle
        tidy_revocation_list tidy_revoked_cert_issuer_associations tidy_revoked_certs
        """
    ),
    "pki/config/acme": _fields(
        """
        allow_role_ext_key_usage allowed_issuers allowed_roles default_directory_policy dns_resolver
        eab_policy enabled
        """
    ),
    "kubernetes/role": _fields(
        """
        alias_name_source audience bound_cidrs bound_service_account_names
        bound_service_account_namespace_selector bound_service_account_namespaces max_ttl num_uses
        period policies token_bound_cidrs token_explicit_max_ttl token_max_ttl token_no_default_policy
        token_num_uses token_period token_policies token_strictly_bind_ip token_ttl token_type ttl
        """
    ),
    "kubernetes/config": _fields(
        """
        disable_iss_validation disable_local_ca_jwt issuer kubernetes_ca_cert kubernetes_host pem_keys
        token_reviewer_jwt
        """
    ),
    "approle/role": _fields(
        """
        bind_secret_id bound_cidr_list local_secret_ids period policies role_id secret_id_bound_cidrs
        secret_id_num_uses secret_id_ttl token_bound_cidrs token_explicit_max_ttl token_max_ttl
        token_no_default_policy token_num_uses token_period token_policies token_strictly_bind_ip
        token_ttl token_type
        """
    ),
    "jwt/role": _fields(
        """
        allowed_redirect_uris bound_audiences bound_cidrs bound_claims bound_claims_type bound_subject
        callback_mode claim_mappings clock_skew_leeway expiration_leeway groups_claim max_age max_ttl
        not_before_leeway num_uses oauth2_metadata oidc_disable_confirmation oidc_scopes period policies
        poll_interval role_type token_bound_cidrs token_explicit_max_ttl token_max_ttl
        token_no_default_policy token_num_uses token_period token_policies
        token_policies_template_claims token_strictly_bind_ip token_ttl token_type ttl user_claim
        user_claim_json_pointer verbose_oidc_logging
        """
    ),
    "jwt/config": _fields(
        """
        bound_issuer default_role jwks_ca_pem jwks_url jwt_supported_algs jwt_validation_pubkeys
        namespace_in_state oidc_client_id oidc_client_secret oidc_discovery_ca_pem oidc_discovery_url
        oidc_response_mode oidc_response_types override_allowed_server_names provider_config
        skip_jwks_validation
        """
    ),
    "cert/certs": _fields(
        """
        allowed_common_names allowed_dns_sans allowed_email_sans allowed_metadata_extensions
        allowed_names allowed_organizational_units allowed_uri_sans bound_cidrs certificate display_name
        lease max_ttl ocsp_ca_certificates ocsp_enabled ocsp_fail_open ocsp_query_all_servers
        ocsp_servers_override period policies required_extensions token_bound_cidrs
        token_explicit_max_ttl token_max_ttl token_no_default_policy token_num_uses token_period
        token_policies token_strictly_bind_ip token_ttl token_type ttl
        """
    ),
    "cert/config": _fields(
        """
        disable_binding enable_identity_alias_metadata ocsp_cache_size
        """
    ),
}
_VAULT_BESIDES: Final[Mapping[str, frozenset[str]]] = {
    "mount": _fields(
        """
        allowed_managed_keys delegated_auth_accessors force_no_cache identity_token_key
        override_pinned_version trim_request_trailing_slashes
        """
    ),
    "auth method": _fields(
        "force_no_cache identity_token_key override_pinned_version trim_request_trailing_slashes"
    ),
    "pki/roles": _fields("no_store_metadata serial_number_source"),
    "pki/issuer": _fields(
        """
        disable_critical_extension_checks disable_name_checks disable_name_constraint_checks
        disable_path_length_checks
        """
    ),
    "pki/config/crl": _fields(
        "cross_cluster_revocation max_crl_entries unified_crl unified_crl_on_existing_paths"
    ),
    "pki/config/auto-tidy": _fields(
        """
        max_startup_backoff_duration min_startup_backoff_duration revocation_queue_safety_buffer
        tidy_cert_metadata tidy_cmpv2_nonce_store tidy_cross_cluster_revoked_certs tidy_revocation_queue
        """
    ),
    "pki/config/acme": _fields("max_ttl"),
    "kubernetes/config": _fields("use_annotations_as_alias_metadata"),
    "kubernetes/role": _fields("alias_metadata"),
    "approle/role": _fields("alias_metadata"),
    "jwt/role": _fields("alias_metadata"),
    "jwt/config": _fields("unsupported_critical_cert_extensions"),
    "cert/certs": _fields("alias_metadata ocsp_max_retries ocsp_this_update_max_age"),
    "cert/config": _fields("role_cache_size enable_metadata_on_failures"),
}

KNOWN: Final[Mapping[str, frozenset[str]]] = {
    kind: fields | _VAULT_BESIDES.get(kind, frozenset()) for kind, fields in _OPENBAO.items()
}
"""Names of fields by kind of write, `TYPE/PATH` for what is inside of a mount of a type."""
