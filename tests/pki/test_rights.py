"""The printed policies are enough for each reading command, and none of their rules is idle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from issuer.pki.resources.policy_rules import rules_of
from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written


@pytest.fixture
def applied(vault: Vault, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The two-tier CA with an audit device, URLs that answer, and for health what was made by hand."""
    audit = "foundation:\n  audit:\n    file: {options: {file_path: /var/log/openbao/audit.log}}\n"
    text = TWO_TIER.replace("foundation:\n", audit, 1) + "prefix: ${T}-\n"
    text = text.replace("        web: {token", "        ${T}-web: {token")
    file = written(tmp_path, text.replace("http://vault.example.test:8200", vault.bao.addr))
    vault.apply(file)
    if request.node.callspec.params["command"] == "health":  # which reads what others made, too
        for end in ("root", "int"):
            mount = f"{vault.name}-{end}"
            vault.bao.call("POST", f"{mount}/roles/hand", {"allow_any_name": True, "key_type": "ec"})
            vault.bao.write(f"{mount}/issue/hand", {"common_name": "a.test", "ttl": "1h"})
    return file


def trial_role(vault: Vault) -> None:
    """Make the token role of the trial tokens as the printed comment says."""
    fields = {
        "allowed_policies": [f"{vault.name}-sign"],
        "token_type": "batch",
        "orphan": True,
        "renewable": False,
    }
    vault.bao.call("POST", f"auth/token/roles/{vault.name}", fields)


@pytest.mark.parametrize(
    ("command", "more", "run"),
    [
        ("plan", (), ()),
        ("plan", ("--prune",), ("--prune",)),
        ("verify", ("--token-role", "{name}"), ("--token-role", "{name}")),
        ("health", (), ()),
    ],
    ids=["plan", "prune", "verify", "health"],
)
def test_the_printed_policy_is_enough_and_each_rule_is_used(
    vault: Vault, applied: Path, command: str, more: tuple[str, ...], run: tuple[str, ...]
) -> None:
    words = [one.format(name=vault.name) for one in more]
    printed = vault.run("rights", command, "-f", applied, *words)
    assert printed.exit_code == 0, printed.output
    trial_role(vault)
    vault.bao.call("PUT", f"sys/policies/acl/least-{vault.name}", {"policy": printed.stdout})
    body = {"policies": [f"least-{vault.name}"], "ttl": "10m", "no_default_policy": True}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    before = len(vault.bao.audit.entries("response"))
    ran = vault.run(command, "-f", applied, "-o", "json", *[one.format(name=vault.name) for one in run])
    assert ran.exit_code in (0, 2), ran.output
    answers = vault.bao.audit.entries("response")[before:]
    ours = [one for one in answers if f"least-{vault.name}" in one["auth"].get("policies", [])]
    assert len(ours) > 10
    assert [one["request"]["path"] for one in ours if "denied" in str(one.get("error", ""))] == []
    result = json.loads(ran.stdout)
    if command == "plan":
        assert (result["problems"], actions(result)) == ([], [])
    else:
        assert result["summary"].get("not checked", result["summary"].get("not_checked")) == 0
    rules = rules_of(printed.stdout)
    used = {rules.rule_for(one["request"]["path"]) for one in answers}
    assert [one.path for one in rules.rules if one not in used] == []


def test_the_rights_of_verify_tell_the_token_role(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    printed = vault.run("rights", "verify", "-f", file, "--token-role", "trial").stdout
    assert f"allowed_policies={vault.name}-sign" in printed
    assert 'path "auth/token/create/trial"' in printed
    assert 'path "auth/token/create"' in vault.run("rights", "verify", "-f", file).stdout
