"""kubectl commands name in full what others have, too: approver-policy's policies, step-issuer's issuers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.api.crd import custom_resource_definitions
from tests.unit.docs.collected import ROOT

SHOWN = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "issuer", "charts", "config", "tools")
TYPED = ("tests/docs", "tests/integration", "tests/chart", "tests/e2e", "testbed", ".ci")
BARE = re.compile(
    r"(?<![\w.-])(?:(?:certificaterequestpolic(?:y|ies)|step(?:cluster)?issuers?)(?![\w.])|crp\b)",
    re.IGNORECASE,
)
COMMAND = re.compile(r"kubectl\b[^`|;\n]*")
SHORT_NAMES = {
    "VaultIssuer": "vi",
    "VaultClusterIssuer": "vci",
    "StepIssuer": "vsi",
    "StepClusterIssuer": "vsci",
    "CertificateRequestPolicy": "vcrp",
}
CERT_MANAGERS = {"cert", "certs", "ciss", "cr", "crp", "crs", "iss"}
"""Short names of cert-manager 1.21.2 and of approver-policy 0.27, by their CRDs."""


def bare(text: str) -> Iterator[str]:
    """Yield each kubectl command of a text that leaves out the group of our policies or step-ca's issuers."""
    for command in COMMAND.findall(text.replace("\\\n", " ")):
        if BARE.search(command):
            yield command
    yield from re.findall(r"\bcrp\b", text)


def texts(*roots: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file."""
    for root in roots:
        path = ROOT / root
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and not {"__pycache__", ".cache"} & set(file.parts):
                yield str(file.relative_to(ROOT)), file.read_text(errors="ignore")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("kubectl get certificaterequestpolicies -o wide", 1),
        ("kubectl get vaultissuers,certificaterequestpolicies -A", 1),
        ("`kubectl delete certificaterequestpolicy lab-names`", 1),
        ("kubectl wait CertificateRequestPolicy/shop", 1),
        ("kubectl wait \\\n  certificaterequestpolicy/shop", 1),
        ("kubectl get crp", 2),
        ("kubectl get stepclusterissuers -o wide", 1),
        ("kubectl edit StepIssuer ca", 1),
        ("kubectl get stepclusterissuers.vault-issuer.io", 0),
        ("kubectl get certificaterequestpolicies.vault-issuer.io", 0),
        ("kubectl get vcrp", 0),
        ("resources: [certificaterequestpolicies]", 0),
        ("`kubectl get pods`: each CertificateRequestPolicy", 0),
    ],
)
def test_a_command_without_the_group_is_found(text: str, count: int) -> None:
    assert len(list(bare(text))) == count


def test_every_kubectl_command_names_the_group_where_others_have_the_kind() -> None:
    here = Path(__file__).name
    found = [(path, command) for path, text in texts(*SHOWN, *TYPED) for command in bare(text)]
    assert [one for one in found if not one[0].endswith(here)] == []


def test_short_names_are_ours_alone() -> None:
    found = {
        one["spec"]["names"]["kind"]: one["spec"]["names"].get("shortNames")
        for one in custom_resource_definitions().values()
    }
    assert found == {kind: [name] for kind, name in SHORT_NAMES.items()}
    assert not CERT_MANAGERS & set(SHORT_NAMES.values())
