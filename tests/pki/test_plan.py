"""Plans on a real OpenBao: what they tell, what makes them stale, and what they never hold."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import REPOSITORY
from testbed.openbao import OpenBao
from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZXZpZXdlciJ9.c2lnbmF0dXJl"
KUBERNETES = """\
foundation:
  auth:
    ${T}-kubernetes:
      type: kubernetes
      config: {kubernetes_host: "https://kubernetes.example.test:6443", token_reviewer_jwt: "${JWT}",
               disable_local_ca_jwt: true, kubernetes_ca_cert: "${CA}"}
      roles:
        cert-manager:
          bound_service_account_names: cert-manager
          bound_service_account_namespaces: [cert-manager]
          token_policies: ${T}-none
          token_ttl: 1h
"""


@pytest.fixture
def applied(vault: Vault, tmp_path: Path) -> Path:
    file = written(tmp_path, TWO_TIER)
    vault.apply(file)
    return file


BY_HAND: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("{t}-int/roles/web", {"allow_any_name": True, "allowed_domains": "example.test"}, "allow_any_name"),
    ("{t}-int/config/crl", {"expiry": "13h"}, "expiry"),
    ("{t}-int/config/urls", {"ocsp_servers": ""}, "ocsp_servers"),
    ("{t}-root/config/urls", {"ocsp_servers": "http://elsewhere.example.test"}, "ocsp_servers"),
    ("sys/mounts/{t}-int/tune", {"max_lease_ttl": "10h"}, "max_lease_ttl"),
    ("sys/policies/acl/{t}-sign", {"policy": 'path "*" { capabilities = ["sudo"] }'}, "policy"),
    ("auth/{t}-approle/role/web", {"token_ttl": "99h"}, "token_ttl"),
    ("{t}-int/issuer/{t}-int-2026", {"issuer_name": "{t}-int-2026", "usage": "read-only"}, "usage"),
)


def test_a_change_by_hand_is_told_and_undone(vault: Vault, applied: Path) -> None:
    for path, body, field in BY_HAND:
        named = {
            key: value.format(t=vault.name) if key == "issuer_name" else value for key, value in body.items()
        }
        vault.bao.call("POST", path.format(t=vault.name), named)
        steps = [one for one in vault.plan(applied)["steps"] if one["action"] != "none"]
        assert [one["action"] for one in steps] == ["change"], (path, steps)
        assert field in [one["field"] for one in steps[0]["changes"]]
        vault.apply(applied)
    assert actions(vault.plan(applied)) == []


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
TERMINAL = REPOSITORY / "tests" / "terminal.py"


def on_a_terminal(vault: Vault, folder: Path, *words: str | Path) -> str:
    """Return what `vault-issuer pki` shows on a terminal."""
    script = written(
        folder, shlex.join([sys.executable, "-m", "issuer", "pki", *map(str, words)]), "typed.sh"
    )
    ran = subprocess.run(
        [sys.executable, str(TERMINAL), str(script)],
        env={**os.environ, **vault.environment(), "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout


def test_a_plan_has_colours_on_a_terminal_alone(vault: Vault, applied: Path, tmp_path: Path) -> None:
    mount = f"{vault.name}-int"
    vault.bao.call("POST", f"{mount}/roles/web", {"allowed_domains": "other.test"})
    vault.bao.call("PUT", f"sys/policies/acl/{vault.name}-sign", {"policy": 'path "x" {}'})
    plain = vault.run("plan", "-f", applied, NO_COLOR="1").stdout
    assert "\x1b" not in plain
    forced = vault.run("plan", "-f", applied, FORCE_COLOR="1", TERM="xterm").stdout
    assert re.sub(r"\x1b\[[0-9;]*m", "", forced) == plain
    assert "\x1b[33m~ change role" in forced
    assert "\x1b[31m      - path" in forced
    assert f'\x1b[32m      + path "{mount}/sign/web"' in forced
    as_json = vault.run("plan", "-f", applied, "-o", "json", FORCE_COLOR="1", TERM="xterm").stdout
    assert "\x1b" not in as_json
    changed = [one for one in json.loads(as_json)["steps"] if one["action"] == "change"]
    assert {one["kind"] for one in changed} == {"role", "policy"}
    assert COLOUR.search(on_a_terminal(vault, tmp_path, "plan", "-f", applied))
    # Bold and dim stay: https://no-color.org is about colours alone.
    without = vault.run("plan", "-f", applied, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").stdout
    assert not COLOUR.search(without)


def test_a_saved_plan_is_applied_as_reviewed(vault: Vault, tmp_path: Path) -> None:
    file, saved = written(tmp_path, TWO_TIER), tmp_path / "plan.json"
    assert vault.run("plan", "-f", file, "--out", saved).exit_code == 2
    ran = vault.run("apply", "-f", file, "--plan", saved)
    assert ran.exit_code == 0, ran.output
    assert actions(vault.plan(file)) == []


@pytest.mark.parametrize("stale", ["vault", "file", "no plan"])
def test_a_stale_plan_is_refused(vault: Vault, applied: Path, tmp_path: Path, stale: str) -> None:
    saved = tmp_path / "plan.json"
    text = applied.read_text().replace("ttl: 24h\n", "ttl: 12h\n")
    applied.write_text(text)
    assert vault.run("plan", "-f", applied, "--out", saved).exit_code == 2
    if stale == "vault":
        vault.bao.call("POST", f"{vault.name}-int/config/crl", {"expiry": "13h"})
    elif stale == "file":
        applied.write_text(text + "# edited\n")
    else:
        saved.write_text("{}")
    before = len(vault.requests())
    ran = vault.run("apply", "-f", applied, "--plan", saved)
    assert ran.exit_code == 1
    assert ("Plan again" in ran.output) or ("make it again" in ran.output)
    assert vault.writes_since(before) == []


def test_a_secret_is_set_and_shown_nowhere(vault: Vault, tmp_path: Path) -> None:
    file, saved = written(tmp_path, KUBERNETES), tmp_path / "plan.json"
    variables = {"JWT": JWT, "CA": vault.bao.ca_pem}
    shown = vault.run("plan", "-f", file, "--out", saved, **variables)
    assert shown.exit_code == 2, shown.output
    ran = vault.apply(file, **variables)
    again = vault.run("plan", "-f", file, **variables)
    assert again.exit_code == 0, again.output
    assert "token_reviewer_jwt is set, can't be compared" in again.output
    as_json = json.dumps(vault.plan(file, **variables))
    for text in (shown.output, saved.read_text(), ran.output, again.output, as_json):
        assert JWT not in text
        assert vault.bao.token not in text


def test_a_secret_is_not_sent_again_for_a_change_elsewhere(vault: Vault, tmp_path: Path) -> None:
    variables = {"JWT": JWT, "CA": vault.bao.ca_pem}
    vault.apply(written(tmp_path, KUBERNETES), **variables)
    file = written(tmp_path, KUBERNETES.replace("token_ttl: 1h", "token_ttl: 2h"), "changed.yaml")
    before = len(vault.requests())
    vault.apply(file, **variables)
    assert vault.writes_since(before) == [f"auth/{vault.name}-kubernetes/role/cert-manager"]


def test_a_path_that_may_not_be_read_stops_before_a_write(vault: Vault, applied: Path) -> None:
    name = f"{vault.name}-part"
    rules = "".join(
        f'path "{path}" {{ capabilities = ["read", "list"] }}\n'
        for path in ("sys/mounts", "sys/auth", f"{vault.name}-*", f"auth/{vault.name}-approle/*")
    )
    vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})
    body = {"policies": [name], "ttl": "10m", "no_default_policy": True}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    before = len(vault.requests())
    for words in (("plan",), ("apply", "--yes")):
        ran = vault.run(*words, "-f", applied)
        assert ran.exit_code == 1
        assert f"may not read sys/policies/acl/{vault.name}-sign" in ran.output
    assert vault.writes_since(before) == []


COMMANDS = [
    ("plan", "-f"),
    ("apply", "--yes", "-f"),
    ("verify", "-f"),
    ("health",),
    ("export",),
]


def test_a_token_that_ended_is_told_and_nothing_is_called_missing(vault: Vault, applied: Path) -> None:
    made = vault.bao.call("POST", "auth/token/create", {"ttl": "10m"})["auth"]
    vault.bao.call("POST", "auth/token/revoke", {"token": made["client_token"]})
    vault.token = made["client_token"]
    for words in COMMANDS:
        ran = vault.run(*words, *([applied] if words[-1] == "-f" else []))
        assert ran.exit_code == 1, words
        assert "it has expired, was revoked, or is another server's. Log in again" in ran.output, words
        assert not re.search(r"\bcreate\b|\bmissing\b", ran.output), words


def test_a_token_that_may_not_list_mounts_is_told_what_it_lacks(vault: Vault, applied: Path) -> None:
    vault.token = vault.bao.call("POST", "auth/token/create", {"policies": ["default"]})["auth"][
        "client_token"
    ]
    ran = vault.run("plan", "-f", applied)
    assert ran.exit_code == 1
    assert "The token may not read sys/mounts" in ran.output
    assert "vault-issuer pki rights plan" in ran.output


def test_a_path_that_may_not_be_written_keeps_what_was_done(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    name = f"{vault.name}-part"
    all_verbs = '{ capabilities = ["create", "read", "update", "list", "delete", "sudo"] }'
    rules = f'path "*" {all_verbs}\npath "sys/policies/acl/*" {{ capabilities = ["read"] }}\n'
    vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})
    body = {"policies": [name], "ttl": "10m"}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    ran = vault.run("apply", "--yes", "-f", file)
    assert ran.exit_code == 1
    assert f"may not write sys/policies/acl/{vault.name}-sign" in ran.output
    assert f"policy sys/policies/acl/{vault.name}-sign" in ran.output.partition("Left:")[2]
    vault.token = ""
    left = [path for _, path in actions(vault.plan(file))]
    assert left[0] == f"sys/policies/acl/{vault.name}-sign"
    vault.apply(file)
    assert actions(vault.plan(file)) == []


def test_a_sealed_vault_is_reported(vault: Vault, bao: OpenBao, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    bao.seal()
    try:
        ran = vault.run("plan", "-f", file)
    finally:
        bao.unseal()
    assert ran.exit_code == 1
    assert "Vault is sealed; unseal it" in ran.output


def test_a_vault_that_is_down_is_reported(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    ran = vault.run("plan", "-f", file, VAULT_ADDR="https://127.0.0.1:9")
    assert ran.exit_code == 1
    assert "refused the connection" in ran.output
    assert "Nothing was changed" in ran.output
    # A plan that can't be read is told before Vault is asked for anything.
    ran = vault.run("apply", "-f", file, "--plan", "nope.json", VAULT_ADDR="https://127.0.0.1:9")
    assert (ran.exit_code, "nope.json can't be read" in ran.output) == (1, True), ran.output


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"VAULT_TOKEN": ""}, "VAULT_TOKEN holds no token"),
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not set"),
        ({"VAULT_SKIP_VERIFY": "1"}, "TLS is always verified"),
        ({"VAULT_CACERT": "/nowhere"}, "/nowhere can't be read"),
    ],
)
def test_the_environment_names_vault_or_is_refused(
    vault: Vault, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    (tmp_path / ".vault-token").write_text(vault.bao.token)
    ran = vault.run("plan", "-f", written(tmp_path, TWO_TIER), HOME=str(tmp_path), **variables)
    assert ran.exit_code == 1
    assert said in ran.output


def test_an_unexpected_warning_stops_after_its_call(vault: Vault, tmp_path: Path) -> None:
    text = """\
mounts:
  ${T}-empty:
    roles: {web: {allowed_domains: example.test}}
"""
    file = written(tmp_path, text)
    ran = vault.run("apply", "--yes", "-f", file)
    assert ran.exit_code == 1
    assert "no default issuing certificate" in ran.output
    expected = """\
expectWarnings:
  - {path: "${T}-*/roles/*", contains: no default issuing certificate}
"""
    vault.apply(written(tmp_path, expected + text.replace("web", "other"), "expected.yaml"))


def test_the_parts_are_applied_apart(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file, "--part", "foundation")
    assert ran.exit_code == 0, ran.output
    assert not any(f"{vault.name}-int" in path for path in vault.writes_since(before))
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file, "--part", "automation")
    assert ran.exit_code == 0, ran.output
    told = vault.writes_since(before)
    assert not any(path.startswith(("sys/policies", "sys/auth", "auth/")) for path in told)
    assert actions(vault.plan(file)) == []


def test_prune_removes_what_the_file_owns_and_nothing_else(vault: Vault, tmp_path: Path) -> None:
    name = vault.name
    text = TWO_TIER.replace("        web: {token", "        ${T}-web: {token") + "prefix: ${T}-\n"
    file = written(tmp_path, text + "foreignPrefixes:\n- ${T}-b\n")
    vault.apply(file)
    gone = [f"{name}-int/roles/old", f"sys/policies/acl/{name}-old", f"auth/{name}-approle/role/{name}-old"]
    kept = [f"{name}-root/roles/mine", f"sys/policies/acl/other-{name}", f"auth/{name}-approle/role/other"]
    kept += [f"sys/policies/acl/{name}-b-sign", f"auth/{name}-approle/role/{name}-b"]  # of another file
    for path in (*gone, *kept):
        body = {"policy": 'path "x" { capabilities = ["read"] }'} if "policies" in path else {}
        vault.bao.call("POST", path, body)
    assert actions(vault.plan(file)) == []
    extra = what_no_prune_reaches(vault)
    pruned = json.loads(vault.run("plan", "-f", file, "--prune", "-o", "json").stdout)
    assert sorted(path for _, path in actions(pruned)) == sorted(gone)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "--prune", "-f", file)
    assert ran.exit_code == 0, ran.output
    assert sorted(vault.writes_since(before)) == sorted(gone)
    assert actions(json.loads(vault.run("plan", "-f", file, "--prune", "-o", "json").stdout)) == []
    for path in (*kept, *extra):
        vault.bao.read(path)
    assert "file/" in vault.bao.read("sys/audit")  # a device that is not in the file


def what_no_prune_reaches(vault: Vault) -> list[str]:
    """Make a mount, a login, a key and an issuer that are not in the file, all by its prefix; their paths."""
    name, write = vault.name, vault.bao.write
    vault.bao.call("POST", f"sys/mounts/{name}-extra", {"type": "pki"})
    vault.bao.call("POST", f"sys/auth/{name}-extra", {"type": "approle"})
    vault.bao.call("POST", f"auth/{name}-extra/role/{name}-app", {})
    made = {"common_name": "Extra CA", "issuer_name": f"{name}-extra", "key_name": f"{name}-extra"}
    write(f"{name}-int/root/generate/internal", {**made, "ttl": "1h"})
    write(f"{name}-int/keys/generate/internal", {"key_name": f"{name}-spare"})
    write(f"{name}-extra/roles/web", {"allowed_domains": "example.test"})
    return [
        f"sys/mounts/{name}-extra/tune",
        f"sys/auth/{name}-extra/tune",
        f"auth/{name}-extra/role/{name}-app",
        f"{name}-int/issuer/{name}-extra",
        f"{name}-int/key/{name}-extra",
        f"{name}-int/key/{name}-spare",
        f"{name}-extra/roles/web",
    ]


def test_an_audit_device_is_asked_for_by_a_stanza_on_openbao(vault: Vault, tmp_path: Path) -> None:
    text = """\
foundation:
  audit:
    file: {options: {file_path: /var/log/openbao/audit.log}}
    ${T}-more: {type: file, options: {file_path: /var/log/openbao/more.log}}
"""
    ran = vault.run("plan", "-f", written(tmp_path, text))
    assert ran.exit_code == 3, ran.output
    assert f'audit "file" "{vault.name}-more"' in ran.output
    assert 'audit "file" "file"' not in ran.output


TYPOS = (
    ("        key_type: ec\n", "        keytype: ec\n", "keytype for this role; write key_type"),
    ("expiry: 3d", "expirey: 3d", "expirey for this CRL; write expiry"),
    ("tune: {max_lease_ttl: 87600h}", "tune: {max_lease_ttl: 87600h, max: 1h}", "max for this mount"),
    ("token_period: 1h", "secret_id_period: 1h", "secret_id_period for this auth role"),
    ("    maxPathLength: 0\n", "    settings: {usages: x}\n    maxPathLength: 0\n", "usages for this"),
)


@pytest.mark.parametrize("there", [True, False])
def test_a_field_that_the_server_does_not_have_is_refused(vault: Vault, tmp_path: Path, there: bool) -> None:
    if there:
        vault.apply(written(tmp_path, TWO_TIER))
    before = len(vault.requests())
    for old, new, said in TYPOS:
        assert old in TWO_TIER
        text = TWO_TIER.replace(old, new)
        ran = vault.run("apply", "--yes", "-f", written(tmp_path, text, "typo.yaml"))
        assert ran.exit_code == 1
        assert f"field {said}" in ran.output
        line = text[: text.index(new)].count("\n") + 1
        assert f"typo.yaml:{line} " in ran.output.partition("Nothing was written")[2]
    assert vault.writes_since(before) == []


def test_values_of_another_type_than_the_server_says_are_refused(vault: Vault, applied: Path) -> None:
    text = applied.read_text()
    for old, new in (
        ("allow_subdomains: true", "allow_subdomains: perhaps"),
        ("key_type: ec", "key_type: [ec]"),
        ("token_ttl: 20m", "token_num_uses: few"),
        ("maxPathLength: 0", "maxPathLength: 0\n    settings: {leaf_not_after_behavior: [truncate]}"),
    ):
        assert old in text
        text = text.replace(old, new)
    file = written(applied.parent, text, "types.yaml")
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file)
    assert ran.exit_code == 1
    told = ran.output.partition("Nothing was written")[2]
    for word, said in (
        ("perhaps", "roles.web.allow_subdomains: must be true or false for this role"),
        ("[ec]", "roles.web.key_type: must be text for this role"),
        ("few", "roles.web.token_num_uses: must be a number"),
        ("[truncate]", "settings.leaf_not_after_behavior: must be text for this issuer"),
    ):
        line = text[: text.index(word)].count("\n") + 1
        assert any(said in one and f"types.yaml:{line} " in one for one in told.splitlines()), told
    assert vault.writes_since(before) == []
