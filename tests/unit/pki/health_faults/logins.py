"""Faults of logins, policies and the clock."""

from __future__ import annotations

from tests.unit.pki.health_facts import FakeVault
from tests.unit.pki.health_faults.catalogue import CRITICAL, INFO, UNKNOWN, WARNING, Faults

FAULTS = Faults()


def policy(vault: FakeVault, name: str, path: str) -> None:
    """Give a policy of the file another rule."""
    vault.paths[f"sys/policies/acl/{name}"] = {"policy": f'path "{path}" {{ capabilities = ["update"] }}'}


@FAULTS.add("auth_role_lifetime", CRITICAL)
def login_for_ten_years(vault: FakeVault) -> None:
    vault.paths["auth/kubernetes/role/r"]["token_ttl"] = 87600 * 3600


@FAULTS.add("auth_role_lifetime", WARNING)
def login_for_days(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["token_period"] = 48 * 3600


@FAULTS.add("auth_role_lifetime", INFO)
def login_without_a_life(vault: FakeVault) -> None:
    vault.paths["auth/jwt/role/r"]["token_ttl"] = 0


@FAULTS.add("auth_role_binding", CRITICAL)
def root_for_who_logs_in(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["token_policies"] = ["root"]


@FAULTS.add("auth_role_binding", CRITICAL)
def every_service_account(vault: FakeVault) -> None:
    vault.paths["auth/kubernetes/role/r"] |= {
        "bound_service_account_names": ["*"],
        "bound_service_account_namespaces": ["*"],
    }


@FAULTS.add("auth_role_binding", WARNING)
def service_accounts_of_any_namespace(vault: FakeVault) -> None:
    vault.paths["auth/kubernetes/role/r"]["bound_service_account_namespaces"] = ["*"]


@FAULTS.add("auth_role_binding", CRITICAL)
def no_secret_id(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["bind_secret_id"] = False


@FAULTS.add("auth_role_binding", WARNING)
def endless_secret_ids(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["secret_id_ttl"] = 0


@FAULTS.add("auth_role_binding", CRITICAL)
def every_token(vault: FakeVault) -> None:
    vault.paths["auth/jwt/role/r"]["bound_subject"] = ""


@FAULTS.add("auth_role_binding", INFO)
def every_certificate(vault: FakeVault) -> None:
    vault.paths["auth/cert/certs/r"]["allowed_dns_sans"] = []


@FAULTS.add("auth_role_binding", UNKNOWN)
def login_that_may_not_be_read(vault: FakeVault) -> None:
    vault.refused["auth/jwt/role/r"] = "permission denied"


@FAULTS.add("policy_grants", WARNING)
def policy_that_signs_anything(vault: FakeVault) -> None:
    policy(vault, "sign", "int/*")


@FAULTS.add("policy_grants", WARNING)
def written_policy_that_signs_cas(vault: FakeVault) -> None:
    policy(vault, "written", "pki/root/sign-intermediate")


@FAULTS.add("policy_grants", WARNING)
def generated_policy_that_signs_cas(vault: FakeVault) -> None:
    policy(vault, "ca", "pki/root/sign-intermediate")


@FAULTS.add("policy_grants", WARNING)
def policy_that_writes_policies(vault: FakeVault) -> None:
    policy(vault, "sign", "sys/*")


@FAULTS.add("policy_grants", UNKNOWN)
def policy_that_is_not_understood(vault: FakeVault) -> None:
    vault.paths["sys/policies/acl/sign"]["policy"] = 'path "int/sign/web" {'


@FAULTS.add("clock_skew", WARNING)
def clock_ahead(vault: FakeVault) -> None:
    vault.skew = 45.0


@FAULTS.add("clock_skew", CRITICAL)
def clock_behind(vault: FakeVault) -> None:
    vault.skew = -3600.0


@FAULTS.add("clock_skew", UNKNOWN)
def no_date(vault: FakeVault) -> None:
    vault.skew = None
