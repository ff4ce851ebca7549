"""What docs/signing.md shows can be used as it is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from issuer.api.issuers import IssuerSpec
from issuer.policy.compiled import compile_policy
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import guards
from issuer.vault.paths import SignPath

PAGE = (Path(__file__).parents[3] / "docs" / "signing.md").read_text()
(BLOCK,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ISSUER, POLICY = yaml.safe_load_all(BLOCK)
SPEC = IssuerSpec.parse(ISSUER["spec"], strict=True)


def test_the_policy_guards_the_issuer() -> None:
    policy = compile_policy(POLICY["metadata"]["name"], POLICY["spec"])
    reference = IssuerReference(ISSUER["metadata"]["name"], ISSUER["kind"], "vault-issuer.io")
    assert guards(policy, reference)


def test_vaults_policy_names_every_path_that_is_called() -> None:
    authority = SPEC.certificate_authority
    assert authority is not None
    paths = (SignPath.parse(SPEC.vault.path), SignPath.parse_authority(authority.path))
    for path in paths:
        assert f'path "{path}"' in PAGE
        assert f'path "{path.mount}/revoke"' in PAGE
