"""Every check of `pki health` finds its faults, and every finding says what mends it: the whole catalogue.

A finding has lines of pki.yaml, which load over the file that there is, or words of what to do instead; one
without either can't be made.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from issuer.pki.file.reading import load_texts
from issuer.pki.health.checks.mounts import VISIBLE
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import to_lines
from issuer.pki.health.parameters import CHECKS
from issuer.pki.health.pointers import FetchedAnswer
from issuer.pki.health.show import show_report
from issuer.terminal.console import console
from tests.unit.pki.health_facts import FILE, INT, NOW, ROOT, SITE, FakeVault, Maker, healthy, made

Fault = Callable[[FakeVault], None]
FAULTS: Final[dict[str, tuple[str, Gravity, Fault]]] = {}
INFO, WARNING, CRITICAL = Gravity.INFORMATIONAL, Gravity.WARNING, Gravity.CRITICAL
UNKNOWN: Final = Gravity.NOT_CHECKED


def fault(check: str, severity: Gravity) -> Callable[[Fault], Fault]:
    """Add a fault to the catalogue: what is done to a healthy Vault, and the check that then says so."""

    def added(function: Fault) -> Fault:
        FAULTS[function.__name__] = (check, severity, function)
        return function

    return added


def replaced(vault: FakeVault, mount: str, maker: Maker, *above: Maker, name: str = "int-1") -> None:
    """Give a mount one other issuer."""
    vault.paths[f"{mount}/issuers/"]["key_info"].clear()
    vault.paths[f"{mount}/config/issuers"]["default"] = ""
    vault.issuer(mount, maker, *above, name=name)


def leaf(vault: FakeVault, mount: str, maker: Maker) -> None:
    """Store a leaf that a CA signed."""
    signed = made("leaf", 1, maker, ca=False)
    vault.paths[f"{mount}/certs/"]["keys"].append("aa:bb")
    vault.paths[f"{mount}/cert/aa:bb"] = {"certificate": signed.pem}


@fault("ca_validity_period", CRITICAL)
def root_that_ends(vault: FakeVault) -> None:
    replaced(vault, "pki", made("old", 100, begin=-3000), name="root-1")


@fault("ca_validity_period", WARNING)
def root_of_a_year(vault: FakeVault) -> None:
    replaced(vault, "pki", made("old", 300, begin=-3000), name="root-1")


@fault("ca_validity_period", INFO)
def intermediate_of_months(vault: FakeVault) -> None:
    replaced(vault, "int", made("short", 100, ROOT), ROOT)


@fault("ca_validity_period", CRITICAL)
def intermediate_below_an_offline_root(vault: FakeVault) -> None:
    replaced(vault, "int", made("short", 10, OFFLINE), OFFLINE)


@fault("ca_validity_period", CRITICAL)
def intermediate_below_a_root_that_ended(vault: FakeVault) -> None:
    ended = made("ended", -1, begin=-3000)
    replaced(vault, "int", made("short", 10, ended), ended)


@fault("crl_validity_period", CRITICAL)
def used_up_list(vault: FakeVault) -> None:
    vault.paths["int/config/crl"]["auto_rebuild"] = False
    vault.list("int", INT, -3, 0.001)


@fault("crl_validity_period", CRITICAL)
def used_up_list_although_it_is_rebuilt(vault: FakeVault) -> None:
    vault.list("int", INT, -3, 0.001)


@fault("crl_validity_period", INFO)
def used_up_list_that_is_disabled(vault: FakeVault) -> None:
    vault.paths["int/config/crl"]["disable"] = True
    vault.list("int", INT, -3, 0.001)


@fault("hardware_backed_root", INFO)
def key_of_the_root_in_vault(vault: FakeVault) -> None:
    vault.thresholds["hardware_backed_root"] = {"enabled": True}


@fault("root_issued_leaves", WARNING)
def root_that_signs_leaves(vault: FakeVault) -> None:
    vault.role("pki", "old", key_type="ec")
    leaf(vault, "pki", ROOT)


@fault("role_allows_localhost", WARNING)
def localhost(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["allow_localhost"] = True


@fault("role_allows_glob_wildcards", WARNING)
def globs(vault: FakeVault) -> None:
    vault.paths["int/roles/web"] |= {
        "allowed_domains": ["*.a.test"],
        "allow_glob_domains": True,
        "allow_wildcard_certificates": True,
    }


@fault("role_no_store_false", INFO)
def stored_certificates(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["no_store"] = False


@fault("role_no_store_false", WARNING)
def stored_certificates_and_a_list_at_each(vault: FakeVault) -> None:
    vault.paths["int/config/crl"]["auto_rebuild"] = False


@fault("audit_visibility", INFO)
def hidden_fields(vault: FakeVault) -> None:
    vault.paths["sys/mounts/int/tune"]["audit_non_hmac_request_keys"] = ["csr"]


@fault("audit_visibility", WARNING)
def secrets_in_the_audit_log(vault: FakeVault) -> None:
    shown = [*VISIBLE["audit_non_hmac_response_keys"], "private_key"]
    vault.paths["sys/mounts/int/tune"]["audit_non_hmac_response_keys"] = shown


@fault("allow_if_modified_since", INFO)
def missing_headers(vault: FakeVault) -> None:
    vault.paths["sys/mounts/int/tune"]["allowed_response_headers"] = None


@fault("enable_auto_tidy", INFO)
def no_tidy(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"] = {"enabled": False}


@fault("enable_auto_tidy", WARNING)
def rare_tidy(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"]["interval_duration"] = 3 * 86400


@fault("enable_auto_tidy", CRITICAL)
def slow_tidy(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"]["pause_duration"] = "2s"


@fault("tidy_last_run", CRITICAL)
def tidy_that_never_ran(vault: FakeVault) -> None:
    vault.paths["int/tidy-status"] = {"state": "Inactive"}


@fault("tidy_last_run", WARNING)
def tidy_days_ago(vault: FakeVault) -> None:
    vault.paths["int/config/auto-tidy"] = {"enabled": False}
    vault.paths["int/tidy-status"] = {"time_finished": NOW.timestamp() - 3 * 86400}


@fault("too_many_certs", WARNING)
def many_certificates(vault: FakeVault) -> None:
    vault.thresholds["too_many_certs"] = {"count_warning": 1}
    leaf(vault, "int", INT)


@fault("too_many_certs", CRITICAL)
def many_certificates_although_tidy_runs(vault: FakeVault) -> None:
    vault.thresholds["too_many_certs"] = {"count_critical": 1}
    vault.paths["int/config/auto-tidy"]["tidy_cert_store"] = True
    leaf(vault, "int", INT)


@fault("enable_acme_issuance", INFO)
def no_acme(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": False}


@fault("enable_acme_issuance", INFO)
def no_acme_and_no_role(vault: FakeVault) -> None:
    vault.paths["int/roles/"]["keys"] = []


@fault("enable_acme_issuance", WARNING)
def acme_without_an_address(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": True}


@fault("enable_acme_issuance", WARNING)
def acme_that_does_not_answer(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": True}
    vault.paths["int/config/cluster"] = {"path": "https://vault.example.test/v1/int"}


@fault("allow_acme_headers", WARNING)
def headers_of_acme_held_back(vault: FakeVault) -> None:
    vault.paths["int/config/acme"] = {"enabled": True}


@fault("aia_url", WARNING)
def no_ca_there(vault: FakeVault) -> None:
    del vault.urls[f"{SITE}/int/ca"]


@fault("aia_url", CRITICAL)
def another_ca_there(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/ca"] = vault.urls[f"{SITE}/pki/ca"]


@fault("aia_url", WARNING)
def pem_there(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/ca"] = FetchedAnswer(200, INT.pem.encode())


@fault("aia_url", WARNING)
def no_ca_at_the_url_of_a_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, ROOT, points=True), ROOT)


@fault("aia_url", UNKNOWN)
def ldap(vault: FakeVault) -> None:
    vault.paths["int/config/urls"]["issuing_certificates"] = ["ldap://ca.example.test/ca"]


@fault("crl_url", CRITICAL)
def no_list_there(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = FetchedAnswer(problem="no answer within 10 s")


@fault("crl_url", CRITICAL)
def no_list_at_an_issuers_own_url(vault: FakeVault) -> None:
    vault.paths["int/issuer/id-int"]["crl_distribution_points"] = [f"{SITE}/own"]


@fault("crl_url", CRITICAL)
def ended_list(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = FetchedAnswer(200, INT.crl(-9, -1))


@fault("crl_url", CRITICAL)
def ended_list_at_the_url_of_a_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, ROOT, points=True), ROOT)
    vault.urls[f"{SITE}/root/crl"] = FetchedAnswer(200, ROOT.crl(-9, -1))


@fault("crl_url", WARNING)
def list_of_tomorrow(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = FetchedAnswer(200, INT.crl(1, 2))


@fault("crl_url", CRITICAL)
def list_of_another(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = vault.urls[f"{SITE}/pki/crl"]


@fault("crl_url", CRITICAL)
def revoked_ca(vault: FakeVault) -> None:
    ours = made("int", 1825, OFFLINE, points=True)
    replaced(vault, "int", ours, OFFLINE)
    vault.urls[f"{SITE}/offline/crl"] = FetchedAnswer(200, OFFLINE.crl(-1, 30, [ours.certificate]))


@fault("ocsp_url", CRITICAL)
def no_responder(vault: FakeVault) -> None:
    vault.paths["int/config/urls"]["ocsp_servers"] = [f"{SITE}/int/ocsp"]


def offline_list(vault: FakeVault, days: float) -> None:
    """Put the CA below an offline root whose list ends in some days."""
    replaced(vault, "int", made("int", 1825, OFFLINE, points=True), OFFLINE)
    vault.urls[f"{SITE}/offline/crl"] = FetchedAnswer(200, OFFLINE.crl(-1, days))


@fault("offline_crl", WARNING)
def list_of_an_offline_root_that_ends(vault: FakeVault) -> None:
    offline_list(vault, 10)


@fault("offline_crl", CRITICAL)
def list_of_an_offline_root_that_ends_now(vault: FakeVault) -> None:
    offline_list(vault, 1)


@fault("crl_url", CRITICAL)
def list_of_an_offline_root_that_ended(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, OFFLINE, points=True), OFFLINE)
    vault.urls[f"{SITE}/offline/crl"] = FetchedAnswer(200, OFFLINE.crl(-9, -1))


@fault("missing_pointers", INFO)
def no_pointers(vault: FakeVault) -> None:
    vault.paths["int/config/urls"] = {}


@fault("missing_pointers", INFO)
def no_list_among_an_issuers_own_urls(vault: FakeVault) -> None:
    vault.paths["int/issuer/id-int"]["issuing_certificates"] = [f"{SITE}/int/ca"]


@fault("default_issuer", WARNING)
def no_default(vault: FakeVault) -> None:
    vault.paths["int/config/issuers"]["default"] = ""


@fault("default_issuer", CRITICAL)
def default_without_a_key(vault: FakeVault) -> None:
    vault.issuer("int", made("other", 1825, ROOT), ROOT, name="int-2")
    vault.paths["int/issuers/"]["key_info"]["id-int"]["key_id"] = ""


@fault("default_issuer", CRITICAL)
def default_that_may_not_sign(vault: FakeVault) -> None:
    vault.paths["int/issuer/id-int"]["usage"] = "read-only"


@fault("default_issuer", WARNING)
def default_that_follows_imports(vault: FakeVault) -> None:
    vault.paths["int/config/issuers"]["default_follows_latest_issuer"] = True


@fault("issuer_names", INFO)
def no_name(vault: FakeVault) -> None:
    replaced(vault, "int", INT, ROOT, name="")


@fault("role_any_name", WARNING)
def any_name(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["allow_any_name"] = True


@fault("role_any_name", INFO)
def names_of_no_host(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["enforce_hostnames"] = False


@fault("role_names_outside_ca", WARNING)
def names_outside_the_constraints(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, ROOT, permitted="other.test"), ROOT)


def acme(vault: FakeVault, **fields: Any) -> None:
    """Switch on an ACME that is closed but for some fields."""
    closed = {
        "default_directory_policy": "role:web",
        "eab_policy": "always-required",
        "allowed_roles": ["web"],
        "allowed_issuers": ["int-1"],
    }
    vault.paths["int/config/acme"] = {"enabled": True, **closed, **fields}


@fault("open_acme", CRITICAL)
def acme_by_no_role(vault: FakeVault) -> None:
    acme(vault, default_directory_policy="sign-verbatim")


@fault("open_acme", CRITICAL)
def acme_without_a_role_to_sign_by(vault: FakeVault) -> None:
    vault.paths["int/roles/"]["keys"] = []
    acme(vault, default_directory_policy="sign-verbatim")


@fault("open_acme", WARNING)
def acme_for_everybody(vault: FakeVault) -> None:
    acme(vault, eab_policy="not-required")


@fault("open_acme", WARNING)
def acme_by_every_role(vault: FakeVault) -> None:
    acme(vault, allowed_roles=["*"])


@fault("open_acme", WARNING)
def acme_by_every_issuer(vault: FakeVault) -> None:
    acme(vault, allowed_issuers=["*"])


@fault("role_lifetime", WARNING)
def role_beyond_its_mount(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["max_ttl"] = 50000 * 3600


@fault("role_lifetime", WARNING)
def role_beyond_its_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 20, ROOT), ROOT)


@fault("role_lifetime", CRITICAL)
def role_whose_usual_life_is_beyond_its_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 0.5, ROOT), ROOT)


@fault("role_lifetime", CRITICAL)
def role_of_a_ca_that_ended(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", -0.5, ROOT), ROOT)


@fault("issuer_lifetime", CRITICAL)
def ca_that_outlives_its_signer(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 4000, ROOT), ROOT)


@fault("issuer_lifetime", INFO)
def mount_for_longer_than_its_ca(vault: FakeVault) -> None:
    vault.paths["sys/mounts/int/tune"]["max_lease_ttl"] = 90000 * 3600


@fault("auth_role_lifetime", CRITICAL)
def login_for_ten_years(vault: FakeVault) -> None:
    vault.paths["auth/kubernetes/role/r"]["token_ttl"] = 87600 * 3600


@fault("auth_role_lifetime", WARNING)
def login_for_days(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["token_period"] = 48 * 3600


@fault("auth_role_lifetime", INFO)
def login_without_a_life(vault: FakeVault) -> None:
    vault.paths["auth/jwt/role/r"]["token_ttl"] = 0


@fault("auth_role_binding", CRITICAL)
def root_for_who_logs_in(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["token_policies"] = ["root"]


@fault("auth_role_binding", CRITICAL)
def every_service_account(vault: FakeVault) -> None:
    vault.paths["auth/kubernetes/role/r"] |= {
        "bound_service_account_names": ["*"],
        "bound_service_account_namespaces": ["*"],
    }


@fault("auth_role_binding", WARNING)
def service_accounts_of_any_namespace(vault: FakeVault) -> None:
    vault.paths["auth/kubernetes/role/r"]["bound_service_account_namespaces"] = ["*"]


@fault("auth_role_binding", CRITICAL)
def no_secret_id(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["bind_secret_id"] = False


@fault("auth_role_binding", WARNING)
def endless_secret_ids(vault: FakeVault) -> None:
    vault.paths["auth/approle/role/r"]["secret_id_ttl"] = 0


@fault("auth_role_binding", CRITICAL)
def every_token(vault: FakeVault) -> None:
    vault.paths["auth/jwt/role/r"]["bound_subject"] = ""


@fault("auth_role_binding", INFO)
def every_certificate(vault: FakeVault) -> None:
    vault.paths["auth/cert/certs/r"]["allowed_dns_sans"] = []


@fault("auth_role_binding", UNKNOWN)
def login_that_may_not_be_read(vault: FakeVault) -> None:
    vault.refused["auth/jwt/role/r"] = "permission denied"


def policy(vault: FakeVault, name: str, path: str) -> None:
    """Give a policy of the file another rule."""
    vault.paths[f"sys/policies/acl/{name}"] = {"policy": f'path "{path}" {{ capabilities = ["update"] }}'}


@fault("policy_grants", WARNING)
def policy_that_signs_anything(vault: FakeVault) -> None:
    policy(vault, "sign", "int/*")


@fault("policy_grants", WARNING)
def written_policy_that_signs_cas(vault: FakeVault) -> None:
    policy(vault, "written", "pki/root/sign-intermediate")


@fault("policy_grants", WARNING)
def generated_policy_that_signs_cas(vault: FakeVault) -> None:
    policy(vault, "ca", "pki/root/sign-intermediate")


@fault("policy_grants", WARNING)
def policy_that_writes_policies(vault: FakeVault) -> None:
    policy(vault, "sign", "sys/*")


@fault("policy_grants", UNKNOWN)
def policy_that_is_not_understood(vault: FakeVault) -> None:
    vault.paths["sys/policies/acl/sign"]["policy"] = 'path "int/sign/web" {'


@fault("clock_skew", WARNING)
def clock_ahead(vault: FakeVault) -> None:
    vault.skew = 45.0


@fault("clock_skew", CRITICAL)
def clock_behind(vault: FakeVault) -> None:
    vault.skew = -3600.0


@fault("clock_skew", UNKNOWN)
def no_date(vault: FakeVault) -> None:
    vault.skew = None


@fault("issuer_names", UNKNOWN)
def issuers_that_may_not_be_read(vault: FakeVault) -> None:
    vault.refused["int/issuers/"] = "permission denied"


OFFLINE: Final = made("offline", 3650)


def overlaid(lines: str) -> None:
    """Load lines over the file; raises BadInput if they don't fit it."""
    load_texts([("pki.yaml", FILE.encode()), ("fix.yaml", lines.encode())], {}, Path())


async def test_nothing_is_graver_than_informational_in_a_healthy_vault() -> None:
    report = await healthy().examined()
    assert report.worst is Gravity.INFORMATIONAL
    told = {one.check for one in report.findings if not one.severity.is_fine}
    assert told == {"enable_acme_issuance", "role_no_store_false"}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_found_with_what_mends_it(name: str) -> None:
    check, severity, harm = FAULTS[name]
    vault = healthy()
    harm(vault)
    report = await vault.examined()
    assert (check, severity) in {(one.check, one.severity) for one in report.findings}
    for one in report.findings:
        if one.severity.is_fine:
            continue
        assert bool(one.fix) != bool(one.instead), one
        overlaid(to_lines(one.fix))


async def test_a_table_has_the_words_where_no_line_mends_and_the_lines_elsewhere() -> None:
    vault = healthy()
    clock_behind(vault)
    localhost(vault)
    shown = io.StringIO()
    show_report(await vault.examined(), console(shown, width=200))
    lines = shown.getvalue().splitlines()
    assert lines[0] == "critical  clock_skew  sys/seal-status  "
    assert lines[2].startswith("    Set both clocks by NTP")
    assert "            allow_localhost: false" in lines
    assert lines[-1].startswith("pki, int: 1 critical, 1 warning")


def test_every_check_has_a_fault_here() -> None:
    assert {check for check, _, _ in FAULTS.values()} == set(CHECKS)


def test_a_finding_without_what_mends_it_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="nothing says what to do about: bad"):
        HealthFinding("check", Gravity.WARNING, "pki", "pki/roles", "bad")
