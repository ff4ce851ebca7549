"""The manifests of docs/signing.md can be used as they are; an integration test issues with them."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from issuer.api.issuers import VaultIssuerSpec
from issuer.policy.compiled import compile_policy
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import selects
from issuer.vault.paths import SignPath

PAGE = (Path(__file__).parents[3] / "docs" / "signing.md").read_text()
DOCUMENTS = [
    document
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for document in yaml.safe_load_all(block)
]
(ISSUER,) = (one for one in DOCUMENTS if one["kind"] == "VaultClusterIssuer")
POLICIES = [one for one in DOCUMENTS if one["kind"] == "CertificateRequestPolicy"]
CERTIFICATES = [one for one in DOCUMENTS if one["kind"] == "Certificate"]
SPEC = VaultIssuerSpec.parse(ISSUER["spec"], strict=True)


def test_every_policy_guards_the_issuer() -> None:
    reference = IssuerReference(ISSUER["metadata"]["name"], ISSUER["kind"], "vault-issuer.io")
    assert len(POLICIES) == 2
    for one in POLICIES:
        assert selects(compile_policy(one["metadata"]["name"], one["spec"]), reference)


def test_a_leaf_and_a_ca_are_asked_of_that_issuer() -> None:
    assert [one["spec"].get("isCA", False) for one in CERTIFICATES] == [False, True]
    for one in CERTIFICATES:
        assert one["spec"]["issuerRef"] == {
            "group": "vault-issuer.io",
            "kind": ISSUER["kind"],
            "name": ISSUER["metadata"]["name"],
        }


def test_vaults_policy_names_every_path_that_is_called() -> None:
    authority = SPEC.certificate_authority
    assert authority is not None
    paths = (SignPath.parse(SPEC.vault.path), SignPath.parse_authority(authority.path))
    for path in paths:
        assert f'path "{path}"' in PAGE
        assert f'path "{path.mount}/revoke"' in PAGE
