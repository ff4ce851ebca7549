"""Verification on a real OpenBao: what stands, what differs, and each policy by a token of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, written

KINDS = """\
  policies:
    ${T}-issue: {generate: {issue: ["${T}-int/web"]}}
    ${T}-read: {generate: {read: ["${T}-int", "${T}-root"]}}
    ${T}-subordinate: {generate: {signIntermediate: ["${T}-root"], protect: ["${T}-int"]}}
    ${T}-text:
      text: |
        # What an older issuer had.
        path "${T}-int/sign/+" { capabilities = ["create", "update"] }
        path "${T}-int/issuer/*" { capabilities = ["read"] }
        path "${T}-root/*" { capabilities = ["deny"] }
"""


@pytest.fixture
def applied(vault: Vault, tmp_path: Path) -> Path:
    """The two-tier CA, with a policy of each kind."""
    file = written(tmp_path, TWO_TIER.replace("  policies:\n", KINDS, 1))
    vault.apply(file)
    return file


def verified(vault: Vault, file: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Verify, and return the exit code with the result as JSON."""
    ran = vault.run("verify", "-f", file, "-o", "json", *words)
    assert ran.stdout, ran.output
    parsed: dict[str, Any] = json.loads(ran.stdout)
    return ran.exit_code, parsed


def wrong(result: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The items that don't stand: kind and path, with the message."""
    return {
        (one["kind"], one["path"]): one["message"] for one in result["items"] if one["verdict"] != "stands"
    }


def accessors(vault: Vault) -> set[str]:
    """Accessors of all tokens that Vault keeps."""
    return set(vault.listed("auth/token/accessors")["keys"])


def test_what_was_applied_stands_and_nothing_is_left(vault: Vault, applied: Path) -> None:
    tokens, certificates = accessors(vault), vault.listed(f"{vault.name}-int/certs")
    before = len(vault.requests())
    code, result = verified(vault, applied)
    assert (code, wrong(result)) == (0, {})
    assert accessors(vault) == tokens
    assert vault.listed(f"{vault.name}-int/certs") == certificates
    assert vault.listed(f"{vault.name}-root/roles") == {}
    kept = [path for path in vault.writes_since(before) if path.startswith(("sys/", "auth/"))]
    assert set(kept) == {"auth/token/create", "sys/capabilities"}
    shown = vault.run("verify", "-f", applied)
    assert shown.stdout.splitlines()[-1] == f"{len(result['items'])} stands"
    assert vault.bao.token not in shown.output


def test_before_an_apply_everything_is_missing(vault: Vault, tmp_path: Path) -> None:
    code, result = verified(vault, written(tmp_path, TWO_TIER))
    assert code == 2
    assert result["summary"]["stands"] == 0
    assert ("role", f"{vault.name}-int/roles/web") in wrong(result)


def test_what_was_changed_by_hand_differs(vault: Vault, applied: Path) -> None:
    name = vault.name
    vault.bao.call("POST", f"{name}-int/roles/web", {"allowed_domains": "other.test", "ttl": "24h"})
    vault.bao.call("POST", f"{name}-int/config/crl", {"expiry": "13h"})
    code, result = verified(vault, applied)
    assert code == 2
    told = wrong(result)
    assert "allowed_domains" in told["role", f"{name}-int/roles/web"]
    assert "expiry is 13h" in told["CRL", f"{name}-int/config/crl"]


def test_a_policy_that_was_widened_is_found_by_trying_it(vault: Vault, applied: Path) -> None:
    name = vault.name
    path = f"sys/policies/acl/{name}-issue"
    text = vault.bao.read(path)["policy"]
    wider = f'{text}\npath "{name}-int/sign-verbatim/*" {{ capabilities = ["update"] }}'
    vault.bao.call("PUT", path, {"policy": wider})
    code, result = verified(vault, applied)
    assert code == 2
    told = wrong(result)
    assert f"allows update on {name}-int/sign-verbatim/web" in told["policy matrix", path]
    assert f"a call of {name}-int/sign-verbatim/web was let through" in told["policy calls", path]
    assert ("policy matrix", f"sys/policies/acl/{name}-read") not in told


def test_a_policy_that_was_narrowed_is_found(vault: Vault, applied: Path) -> None:
    path = f"sys/policies/acl/{vault.name}-issue"
    vault.bao.call("PUT", path, {"policy": f'path "{vault.name}-int/issue/*" {{ capabilities = ["deny"] }}'})
    told = wrong(verified(vault, applied)[1])
    assert f"denies update on {vault.name}-int/issue/web" in told["policy matrix", path]
    assert f"a call of {vault.name}-int/issue/web was denied" in told["policy calls", path]


def test_a_second_certificate_at_the_signer_is_found(vault: Vault, applied: Path) -> None:
    name = vault.name
    body = {
        "common_name": "Example Intermediate CA",
        "organization": ["Example"],
        "key_ref": f"{name}-int-2026",
    }
    csr = vault.bao.write(f"{name}-int/intermediate/generate/existing", body)["csr"]
    vault.bao.write(
        f"{name}-root/root/sign-intermediate", {"csr": csr, "common_name": "Example Intermediate CA"}
    )
    told = wrong(verified(vault, applied)[1])
    assert (
        "lists 2 valid certificates for its key"
        in told["signer's list", f"{name}-int/issuer/{name}-int-2026"]
    )


def test_urls_that_changed_after_signing_are_told(vault: Vault, applied: Path) -> None:
    name = vault.name
    new = "http://other.example.test/crl"
    text = applied.read_text().replace("http://vault.example.test:8200/v1/${T}-root/crl", new)
    applied.write_text(text)
    vault.apply(applied)
    told = wrong(verified(vault, applied)[1])
    assert list(told) == [("chain", f"{name}-int/issuer/{name}-int-2026")]
    assert new in told["chain", f"{name}-int/issuer/{name}-int-2026"]


def test_what_may_not_be_tried_is_not_checked(vault: Vault, applied: Path) -> None:
    name = vault.name
    rules = 'path "*" { capabilities = ["read", "list"] }\n'
    vault.bao.call("PUT", f"sys/policies/acl/{name}-reader", {"policy": rules})
    body = {"policies": [f"{name}-reader"], "ttl": "10m"}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    code, result = verified(vault, applied)
    assert code == 3
    told = wrong(result)
    assert {kind for kind, _ in told} == {"policy matrix"}
    assert "may not write auth/token/create" in told["policy matrix", f"sys/policies/acl/{name}-read"]


def test_a_token_role_makes_the_trial_tokens(vault: Vault, applied: Path) -> None:
    name = vault.name
    rules = (
        'path "*" { capabilities = ["read", "list"] }\n'
        f'path "auth/token/create/{name}" {{ capabilities = ["update"] }}\n'
        'path "sys/capabilities" { capabilities = ["update"] }\n'
    )
    vault.bao.call("PUT", f"sys/policies/acl/{name}-verifier", {"policy": rules})
    allowed = [f"{name}-{one}" for one in ("sign", "issue", "read", "subordinate", "text")]
    role = {"allowed_policies": allowed, "token_type": "batch", "renewable": False, "orphan": True}
    vault.bao.call("POST", f"auth/token/roles/{name}", role)
    body = {"policies": [f"{name}-verifier"], "ttl": "10m"}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    code, result = verified(vault, applied, "--token-role", name)
    assert (code, wrong(result)) == (0, {})


def test_a_policy_for_whoever_holds_it_is_not_checked(vault: Vault, tmp_path: Path) -> None:
    text = """\
foundation:
  policies:
    ${T}-own:
      text: |
        path "${T}-int/sign/{{identity.entity.name}}" { capabilities = ["update"] }
"""
    file = written(tmp_path, text)
    vault.apply(file)
    code, result = verified(vault, file)
    assert code == 3
    assert "depends on who holds the token" in next(iter(wrong(result).values()))
