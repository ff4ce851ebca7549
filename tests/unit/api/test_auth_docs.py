"""Every YAML block of docs/auth.md can be used as it is, and the rights it grants are the ones needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.api.issuers import VaultIssuerSpec

TEXT = (Path(__file__).parents[3] / "docs" / "auth.md").read_text()
BLOCKS = [
    document
    for block in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for document in yaml.safe_load_all(block)
]
VAULTS = [block for block in BLOCKS if "kind" not in block]
BASE = {"server": "https://vault.example.com:8200", "path": "pki_int/sign/lab"}


def method(vault: dict[str, Any]) -> str:
    return str(VaultIssuerSpec.parse({"vault": {**BASE, **vault}}, strict=True).vault.auth.chosen()[0])


@pytest.mark.parametrize("vault", VAULTS, ids=lambda one: next(iter(one["auth"])))
def test_a_fragment_of_spec_vault_is_taken_without_unknown_fields(vault: dict[str, Any]) -> None:
    assert method(vault) in vault["auth"]


def test_the_methods_come_in_the_order_that_counts() -> None:
    shown = list(dict.fromkeys(method(vault) for vault in VAULTS))
    assert shown == ["tokenSecretRef", "appRole", "clientCertificate", "kubernetes", "aws"]


def test_the_role_names_what_it_grants_and_its_binding_the_controller() -> None:
    role, binding = (block for block in BLOCKS if "kind" in block)
    assert all(rule["resourceNames"] for rule in role["rules"])
    assert {(tuple(rule["resources"]), tuple(rule["verbs"])) for rule in role["rules"]} == {
        (("secrets",), ("get",)),
        (("serviceaccounts/token",), ("create",)),
    }
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"] == "vault-issuer"
