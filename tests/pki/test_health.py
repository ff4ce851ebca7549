"""Health on a real OpenBao: the verdicts of `bao pki health-check`, and what that doesn't look at."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests import odd_certificates
from tests.pki.bao_verdicts import BAO_CHECKS, in_vault, of_bao, worst
from tests.pki.cutting import CuttingProxy
from tests.pki.files import TWO_TIER
from tests.pki.health_runs import health, healthy, issuing_mount, of
from tests.pki.stores import new_store
from tests.pki.support import Vault, written


@pytest.fixture
def parameters(tmp_path: Path) -> Path:
    """Every check of bao's on, and thresholds that a young server can pass."""
    config = {
        "hardware_backed_root": {"enabled": True},
        "too_many_certs": {"count_warning": 2, "count_critical": 4},
        "ca_validity_period": {"intermediate_expiry_warning": "1900d"},
        "audit_visibility": {"ignored_parameters": ["csr", "ttl"]},
        "role_no_store_false": {"allowed_roles": []},
    }
    path = tmp_path / "health.json"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def several(vault: Vault, tmp_path: Path) -> list[str]:
    """Mounts that differ in each of the 14 checks."""
    bao, name = vault.bao, vault.name
    vault.apply(written(tmp_path, TWO_TIER))
    loose = {"allowed_domains": "*.example.test,a.test", "allow_glob_domains": True, "allow_subdomains": True}
    short = issuing_mount(vault, "short", loose, ttl="200h")
    for number in range(3):
        bao.write(f"{short}/issue/web", {"common_name": f"h{number}.a.test", "ttl": "1h"})
    tidy = {"enabled": True, "interval_duration": "3d", "pause_duration": "2s", "tidy_cert_store": True}
    bao.call("POST", f"{short}/config/auto-tidy", tidy)
    bao.call("POST", f"{short}/tidy", {"tidy_cert_store": True})
    headers = ["Last-Modified"]
    tune = {
        "passthrough_request_headers": ["if-modified-since"],
        "allowed_response_headers": headers,
        "audit_non_hmac_request_keys": ["private_key", "csr"],
    }
    bao.call("POST", f"sys/mounts/{short}/tune", tune)
    acme = issuing_mount(
        vault, "acme", {"allowed_domains": "a.test", "allow_localhost": False, "no_store": True}
    )
    bao.call("POST", f"{acme}/config/cluster", {"path": f"{bao.addr}/v1/{acme}"})
    bao.call("POST", f"{acme}/config/acme", {"enabled": True})
    bao.call("POST", f"{acme}/config/crl", {"auto_rebuild": True, "expiry": "24h"})
    headers = ["Replay-Nonce", "Link", "Location"]
    bao.call("POST", f"sys/mounts/{acme}/tune", {"allowed_response_headers": headers})
    broken = issuing_mount(vault, "broken", {"allowed_domains": "a.test"})
    bao.call("POST", f"{broken}/config/cluster", {"path": f"https://127.0.0.1:9/v1/{broken}"})
    bao.call("POST", f"{broken}/config/acme", {"enabled": True})
    return [f"{name}-root", f"{name}-int", short, acme, broken]


def test_the_verdicts_are_those_of_bao(vault: Vault, several: list[str], parameters: Path) -> None:
    seen = set()
    for mount in several:
        theirs = of_bao(vault, mount, parameters)
        _, findings = health(vault, "--mount", mount, "--health-config", parameters)
        ours = worst(
            [
                (one["check"], in_vault(mount, one["endpoint"]), one["severity"])
                for one in findings
                if one["check"] in BAO_CHECKS
            ]
        )
        assert ours == theirs, mount
        seen |= {(check, status) for (check, _), status in theirs.items()}
    assert {check for check, _ in seen} == BAO_CHECKS
    assert len(seen) > 25


def tidied(vault: Vault, *mounts: str) -> None:
    """Let tidy run once on mounts; a young server's has never run."""
    for mount in mounts:
        vault.bao.call("POST", f"{mount}/tidy", {"tidy_cert_store": True})
        while not vault.bao.read(f"{mount}/tidy-status")["time_finished"]:
            time.sleep(0.02)


def test_each_exit_code_is_that_of_the_state(vault: Vault, tmp_path: Path) -> None:
    file = healthy(vault, tmp_path)
    code, findings = health(vault, "-f", file)
    assert code == 2
    grave = [one for one in findings if one["severity"] in ("warning", "critical")]
    assert {one["check"] for one in grave} == {"tidy_last_run"}
    tidied(vault, f"{vault.name}-root", f"{vault.name}-int")
    code, findings = health(vault, "-f", file)
    assert code == 0, findings
    assert health(vault, "-f", file, "--fail-on", "informational")[0] == 2
    assert vault.run("health", "-f", file, VAULT_TOKEN="").exit_code == 1
    assert vault.run("health", "-f", file, VAULT_ADDR="https://127.0.0.1:9").exit_code == 1
    policy = vault.run("rights", "health", "-f", file).stdout
    for rules, expected in ((policy, 0), (without(policy, f"{vault.name}-int/config/crl"), 3)):
        vault.bao.call("PUT", f"sys/policies/acl/{vault.name}-reader", {"policy": rules})
        body = {"policies": [f"{vault.name}-reader"], "ttl": "10m", "no_default_policy": True}
        token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
        code, findings = health(vault, "-f", file, VAULT_TOKEN=token)
        assert code == expected, findings
    (unread, *_) = of(findings, "crl_validity_period", "not_checked")
    assert "pki rights health" in unread["instead"]


def without(policy: str, path: str) -> str:
    """Return a policy that denies one path."""
    return f'{policy}path "{path}" {{\n  capabilities = ["deny"]\n}}\n'


@pytest.mark.parametrize(("ahead", "severity"), [(0, "ok"), (120, "warning"), (-7200, "critical")])
def test_clocks_that_differ_are_told(vault: Vault, ahead: int, severity: str) -> None:
    mount = f"{vault.name}-clock"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki"})
    with CuttingProxy(vault.bao).running() as proxy:
        proxy.ahead = ahead
        _, findings = health(vault, "--mount", mount, VAULT_ADDR=proxy.addr)
    (clock,) = of(findings, "clock_skew", "ok", "warning", "critical")
    assert (clock["severity"], clock["fix"]) == (severity, "")
    assert ("NTP" in clock["instead"]) == (severity != "ok")


def test_lifetimes_names_and_open_roles_are_found(vault: Vault) -> None:
    bao = vault.bao
    fields = {"allow_any_name": True, "max_ttl": "9000h", "ttl": "9000h"}
    mount = issuing_mount(vault, "long", fields, ttl="800h")
    bao.call("POST", f"{mount}/config/issuers", {"default": "long-ca", "default_follows_latest_issuer": True})
    body = {"common_name": "no name", "ttl": "700h", "permitted_dns_domains": ["a.test"], "key_type": "ec"}
    unnamed = bao.write(f"{mount}/root/generate/internal", body)["issuer_id"]
    narrow = {"allowed_domains": "a.test,b.test", "issuer_ref": unnamed, "key_type": "ec", "max_ttl": "750h"}
    bao.call("POST", f"{mount}/roles/narrow", narrow)
    _, findings = health(vault, "--mount", mount)
    assert "gives 800h at most" in of(findings, "role_lifetime", "warning")[0]["message"]
    assert f"{mount}/roles/narrow" in [one["endpoint"] for one in of(findings, "role_lifetime")]
    assert of(findings, "role_any_name", "warning")[0]["fix"].splitlines()[-4:] == [
        "        allow_any_name: false",
        "        allowed_domains:",
        "          - example.com",
        "        allow_subdomains: true",
    ]
    assert "default_follows_latest_issuer" in of(findings, "default_issuer", "warning")[0]["message"]
    assert unnamed in of(findings, "issuer_names")[0]["message"]
    assert "is for b.test, which" in of(findings, "role_names_outside_ca")[0]["message"]


@pytest.mark.parametrize("kind", ["kv", "transit"])
def test_a_mount_of_another_engine_is_no_pki(vault: Vault, kind: str) -> None:
    """It had nothing that a check could find wrong, and passed for healthy."""
    vault.bao.call("POST", f"sys/mounts/{vault.name}-other", {"type": kind})
    ran = vault.run("health", "--mount", f"{vault.name}-other/")
    assert (ran.exit_code, f"{vault.name}-other is of type {kind}, and no PKI mount" in ran.output) == (
        1,
        True,
    )


@pytest.mark.parametrize("shape", ["critical FALSE", "X.400 name"])
def test_an_odd_ca_keeps_no_other_from_being_judged(vault: Vault, shape: str) -> None:
    """Vault imports what the library doesn't read: a written default, a name of no known kind."""
    store = new_store(vault)
    _, odd, _, _ = odd_certificates.chain(shape, as_root=False)
    _, key, _ = odd_certificates.keys(rsa_key=False)
    bundle = odd_certificates.key_pem(key) + odd_certificates.pem(odd)
    vault.bao.write(f"{store.mount}/issuers/import/bundle", {"pem_bundle": bundle})
    _, findings = health(vault, "--mount", store.mount)
    told = [one["message"] for one in findings if one["severity"] == "not_checked"]
    assert any("be decoded" in one or "be read" in one for one in told), told


def test_a_default_issuer_that_may_not_sign_is_critical(vault: Vault) -> None:
    mount = issuing_mount(vault, "idle", {"allowed_domains": "a.test"})
    vault.bao.call("POST", f"{mount}/issuer/idle-ca", {"issuer_name": "idle-ca", "usage": "read-only"})
    _, findings = health(vault, "--mount", mount)
    assert "may not sign" in of(findings, "default_issuer", "critical")[0]["message"]


def test_auth_roles_and_their_policies_are_judged(vault: Vault, tmp_path: Path) -> None:
    bao, name = vault.bao, vault.name
    rules = f'path "{name}-int/*" {{ capabilities = ["create", "update"] }}\n'
    text = TWO_TIER.replace(
        "    ${T}-approle:", "    ${T}-kubernetes:\n      type: kubernetes\n    ${T}-approle:"
    )
    file = written(tmp_path, text)
    vault.apply(file)
    bao.call("PUT", f"sys/policies/acl/{name}-wide", {"policy": rules})
    role = {
        "bound_service_account_names": "*",
        "bound_service_account_namespaces": "*",
        "token_policies": f"{name}-wide",
        "ttl": "87600h",
    }
    bao.call("POST", f"auth/{name}-kubernetes/role/seed", role)
    bao.call(
        "POST",
        f"auth/{name}-approle/role/open",
        {
            "bind_secret_id": False,
            "token_policies": f"{name}-sign",
            "token_bound_cidrs": "127.0.0.1/32",
            "token_ttl": "1h",
        },
    )
    code, findings = health(vault, "-f", file)
    assert code == 2
    seed = of(findings, "auth_role_lifetime", "critical")[0]
    assert "gives tokens of 87600h" in seed["message"]
    assert seed["fix"].splitlines()[:4] == [
        "foundation:",
        "  auth:",
        "    ${T}-kubernetes:",  # as the file has it
        "      roles:",
    ]
    assert f":{1 + text.splitlines().index('    ${T}-kubernetes:')}" in seed["place"]
    bindings = {one["endpoint"]: one["severity"] for one in of(findings, "auth_role_binding")}
    assert bindings[f"auth/{name}-kubernetes/role/seed"] == "critical"
    assert bindings[f"auth/{name}-approle/role/open"] == "warning"
    (wide,) = of(findings, "policy_grants", "warning")
    assert "signs any name, by no role" in wide["message"]
    assert [one["endpoint"] for one in of(findings, "policy_grants", "ok")] == [
        f"sys/policies/acl/{name}-sign"
    ]


def test_open_acme_is_critical(vault: Vault) -> None:
    mount = issuing_mount(vault, "open", {"allowed_domains": "a.test"})
    vault.bao.call("POST", f"{mount}/config/cluster", {"path": f"{vault.bao.addr}/v1/{mount}"})
    vault.bao.call("POST", f"{mount}/config/acme", {"enabled": True})
    _, findings = health(vault, "--mount", mount)
    assert "signs what is asked" in of(findings, "open_acme", "critical")[0]["message"]
    assert len(of(findings, "open_acme", "warning")) == 3


MENDED = {
    *("allow_acme_headers", "allow_if_modified_since", "audit_visibility", "auth_role_binding"),
    *("auth_role_lifetime", "default_issuer", "enable_acme_issuance", "enable_auto_tidy", "open_acme"),
    *("role_allows_glob_wildcards", "role_allows_localhost", "role_any_name", "role_no_store_false"),
}
"""Checks whose fixes are applied at once to a real server."""


def test_the_fixes_of_a_file_are_an_overlay_that_mends_it(vault: Vault, tmp_path: Path) -> None:
    mount, role = f"{vault.name}-int", "allow_subdomains: true"
    loose = f"{role}, allow_glob_domains: true, allow_any_name: true".replace(", ", "\n        ")
    text = (
        TWO_TIER.replace(role, loose)
        .replace("{auto_rebuild: true, enable_delta: true, ", "{")
        .replace("ttl: 24h", "ttl: 25d")
    )
    text = text.replace("token_period: 1h", "bind_secret_id: false, token_period: 90h")
    text = text.replace("allowed_domains: example", "allowed_domains: '*.a.test,example")
    text = text.replace("lab.example.test\n", "lab.example.test'\n")
    file = written(tmp_path, text)
    vault.apply(file)
    vault.bao.call("POST", f"{mount}/config/acme", {"enabled": True})
    follows = {"default": f"{mount}-2026", "default_follows_latest_issuer": True}
    vault.bao.call("POST", f"{mount}/config/issuers", follows)
    _, findings = health(vault, "-f", file, "--no-urls")
    mended = [one for one in findings if one["fix"] and one["check"] != "tidy_last_run"]
    assert {one["check"] for one in mended} == MENDED
    overlays = [written(tmp_path, one["fix"], f"fix-{number}.yaml") for number, one in enumerate(mended)]
    vault.apply(file, *overlays)
    _, after = health(vault, "-f", file, "--no-urls")
    told = {(one["check"], one["message"]) for one in mended}
    assert [one for one in after if (one["check"], one["message"]) in told] == []


def test_what_may_not_be_read_is_not_checked_and_the_rest_is(vault: Vault) -> None:
    mount = issuing_mount(vault, "part", {"allowed_domains": "a.test"})
    rules = f'path "{mount}/roles/*" {{ capabilities = ["list", "read"] }}'
    vault.bao.call("PUT", f"sys/policies/acl/{vault.name}-part", {"policy": rules})
    body = {"policies": [f"{vault.name}-part"], "ttl": "10m", "no_default_policy": True}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    _, findings = health(vault, "--mount", mount)
    assert of(findings, "audit_visibility", "not_checked")[0]["endpoint"] == f"sys/mounts/{mount}/tune"
    assert of(findings, "role_allows_localhost", "warning")
    ran = vault.run("health")
    assert ran.exit_code == 1
    assert "name them by --mount or -f" in ran.output


def test_the_table_shows_the_gravest_first_with_its_lines(vault: Vault) -> None:
    mount = issuing_mount(vault, "table", {"allow_any_name": True})
    ran = vault.run("health", "--mount", mount, "--no-urls")
    assert ran.exit_code == 2
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("critical  tidy_last_run")
    assert "            allow_any_name: false" in lines
    assert lines[-1].startswith(f"{mount}: 1 critical, 2 warning")
    assert vault.run("health", "--mount", mount, "--no-urls", "--fail-on", "critical").exit_code == 2
    assert "ok" not in {line.split()[0] for line in lines if line.strip()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ('{"no_check": {}}', "no check is called no_check"),
        ('{"too_many_certs": {"limit": 3}}', "has no parameter limit"),
        ('{"tidy_last_run": {"last_run_warning": "soon"}}', "can't be"),
        ("[]", "must be an object"),
    ],
)
def test_bad_thresholds_are_refused(vault: Vault, tmp_path: Path, text: str, said: str) -> None:
    ran = vault.run("health", "--health-config", written(tmp_path, text, "health.json"))
    assert ran.exit_code == 1
    assert said in ran.output


def test_a_mount_that_is_not_there_is_told_in_words(vault: Vault) -> None:
    ran = vault.run("health", "--mount", f"{vault.name}-none")
    assert ran.exit_code == 1
    assert f"There is no mount {vault.name}-none; make it first (pki apply)" in ran.output
