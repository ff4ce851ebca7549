"""Faults of mounts: roles, tidying, ACME, headers and the audit log."""

from __future__ import annotations

from typing import Any

from issuer.pki.health.checks.mounts import VISIBLE
from tests.unit.pki.health_facts import INT, NOW, ROOT, FakeVault, made
from tests.unit.pki.health_faults.catalogue import CRITICAL, INFO, WARNING, Faults, leaf, replaced

FAULTS = Faults()


def acme(vault: FakeVault, **fields: Any) -> None:
    """Switch on an ACME that is closed but for some fields."""
    closed = {
        "default_directory_policy": "role:web",
        "eab_policy": "always-required",
        "allowed_roles": ["web"],
        "allowed_issuers": ["int-1"],
    }
    vault.paths["int/config/acme"] = {"enabled": True, **closed, **fields}


@FAULTS.add("role_allows_localhost", WARNING)
def localhost(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["allow_localhost"] = True


@FAULTS.add("role_allows_glob_wildcards", WARNING)
def globs(vault: FakeVault) -> None:
    vault.paths["int/roles/web"] |= {
        "allowed_domains": ["*.a.test"],
        "allow_glob_domains": True,
        "allow_wildcard_certificates": True,
    }


@FAULTS.add("role_no_store_false", INFO)
def stored_certificates(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["no_store"] = False


@FAULTS.add("role_no_store_false", WARNING)
def stored_certificates_and_a_list_at_each(vault: FakeVault) -> None:
    vault.paths["int/config/crl"]["auto_rebuild"] = False


@FAULTS.add("audit_visibility", INFO)
def hidden_fields(vault: FakeVault) -> None:
    vault.paths["sys/mounts/int/tune"]["audit_non_hmac_request_keys"] = ["csr"]


@FAULTS.add("audit_visibility", WARNING)
def secrets_in_the_audit_log(vault: FakeVault) -> None:
    shown = [*VISIBLE["audit_non_hmac_response_keys"], "private_key"]
    vault.paths["sys/mounts/int/tune"]["audit_non_hmac_response_keys"] = shown


@FAULTS.add("allow_if_modified_since", INFO)
def missing_headers(vault: FakeVault) -> None:
    vault.paths["sys/mounts/int/tune"]["allowed_response_headers"] = None


@FAULTS.add("enable_auto_tidy", INFO)
def no_tidy(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"] = {"enabled": False}


@FAULTS.add("enable_auto_tidy", WARNING)
def rare_tidy(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"]["interval_duration"] = 3 * 86400


@FAULTS.add("enable_auto_tidy", CRITICAL)
def slow_tidy(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"]["pause_duration"] = "2s"


@FAULTS.add("tidy_last_run", CRITICAL)
def tidy_that_never_ran(vault: FakeVault) -> None:
    vault.paths["int/tidy-status"] = {"state": "Inactive"}


@FAULTS.add("tidy_last_run", WARNING)
def tidy_days_ago(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"] = {"enabled": False}
    vault.paths["int/tidy-status"] = {"time_finished": NOW.timestamp() - 3 * 86400}


@FAULTS.add("too_many_certs", WARNING)
def many_certificates(vault: FakeVault) -> None:
    vault.thresholds["too_many_certs"] = {"count_warning": 1}
    leaf(vault, "int", INT)


@FAULTS.add("too_many_certs", CRITICAL)
def many_certificates_although_tidy_runs(vault: FakeVault) -> None:
    vault.thresholds["too_many_certs"] = {"count_critical": 1}
    vault.paths["int/config/auto-tidy"]["tidy_cert_store"] = True
    leaf(vault, "int", INT)


@FAULTS.add("enable_acme_issuance", INFO)
def no_acme(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": False}


@FAULTS.add("enable_acme_issuance", INFO)
def no_acme_and_no_role(vault: FakeVault) -> None:
    vault.paths["int/roles/"]["keys"] = []


@FAULTS.add("enable_acme_issuance", WARNING)
def acme_without_an_address(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": True}


@FAULTS.add("enable_acme_issuance", WARNING)
def acme_that_does_not_answer(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": True}
    vault.paths["int/config/cluster"] = {"path": "https://vault.example.test/v1/int"}


@FAULTS.add("allow_acme_headers", WARNING)
def headers_of_acme_held_back(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": True}


@FAULTS.add("role_any_name", WARNING)
def any_name(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["allow_any_name"] = True


@FAULTS.add("role_any_name", INFO)
def names_of_no_host(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["enforce_hostnames"] = False


@FAULTS.add("role_names_outside_ca", WARNING)
def names_outside_the_constraints(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, ROOT, permitted="other.test"), ROOT)


@FAULTS.add("open_acme", CRITICAL)
def acme_by_no_role(vault: FakeVault) -> None:
    acme(vault, default_directory_policy="sign-verbatim")


@FAULTS.add("open_acme", CRITICAL)
def acme_without_a_role_to_sign_by(vault: FakeVault) -> None:
    vault.paths["int/roles/"]["keys"] = []
    acme(vault, default_directory_policy="sign-verbatim")


@FAULTS.add("open_acme", WARNING)
def acme_for_everybody(vault: FakeVault) -> None:
    acme(vault, eab_policy="not-required")


@FAULTS.add("open_acme", WARNING)
def acme_by_every_role(vault: FakeVault) -> None:
    acme(vault, allowed_roles=["*"])


@FAULTS.add("open_acme", WARNING)
def acme_by_every_issuer(vault: FakeVault) -> None:
    acme(vault, allowed_issuers=["*"])


@FAULTS.add("role_lifetime", WARNING)
def role_beyond_its_mount(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["max_ttl"] = 50000 * 3600


@FAULTS.add("role_lifetime", WARNING)
def role_beyond_its_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 20, ROOT), ROOT)


@FAULTS.add("role_lifetime", CRITICAL)
def role_whose_usual_life_is_beyond_its_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 0.5, ROOT), ROOT)


@FAULTS.add("role_lifetime", CRITICAL)
def role_of_a_ca_that_ended(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", -0.5, ROOT), ROOT)


@FAULTS.add("pki_mounts", CRITICAL)
def nothing_mounted(vault: FakeVault) -> None:
    vault.text = ""
    vault.paths["sys/mounts"] = {"secret/": {"type": "kv"}}


@FAULTS.add("pki_mounts", CRITICAL)
def file_of_nothing(vault: FakeVault) -> None:
    vault.text = "version: 1"


@FAULTS.add("pki_mounts", INFO)
def file_of_policies_alone(vault: FakeVault) -> None:
    vault.text = "foundation: {policies: {sign: {generate: {sign: [int/web]}}}}"


@FAULTS.add("default_issuer", WARNING)
def mount_without_a_ca(vault: FakeVault) -> None:
    vault.paths["int/issuers/"] = {}
    vault.paths["int/config/issuers"]["default"] = ""
