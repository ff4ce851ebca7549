"""What docs/policy.md and the samples show can be used as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from issuer.explain.cases import CaseFile
from issuer.explain.lint.linting import Severity, lint
from tests.unit.explain.conftest import Folder

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(
    r"^```yaml\n(.*?)^```", (ROOT / "docs" / "policy.md").read_text(), re.MULTILINE | re.DOTALL
)


def test_the_policy_in_the_docs_and_its_binding_have_no_findings(folder: Folder) -> None:
    file = folder.write("docs.yaml", "---\n".join(BLOCKS[:2]))
    report = lint([file])
    assert report.policies == 1
    assert report.findings == ()


def test_the_cases_in_the_docs_are_ones(folder: Folder) -> None:
    cases = CaseFile.model_validate(yaml.safe_load(BLOCKS[2]), extra="forbid").cases
    assert [case.expect for case in cases] == ["Approved", "Denied"]


@pytest.mark.parametrize("sample", sorted((ROOT / "config" / "samples").glob("*policy*.yaml")), ids=str)
def test_shipped_policies_have_no_findings_but_advice(sample: Path) -> None:
    """The samples limit no lifetime, as that would deny Certificates without `spec.duration`."""
    assert {one.level for one in lint([str(sample)]).findings} <= {Severity.ADVICE}
