"""docs/features.md: every feature has a test in both modes, and every test it names is there."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.support.features import ROLE
from tests.unit.docs.collected import ROOT, feature_tests

PAGE = (ROOT / "docs" / "features.md").read_text()
FEATURES = (
    "RSA 2048, 3072, 4096",
    "EC P-256, P-384, P-521",
    "Ed25519",
    "Common name only",
    "DNS names only",
    "Wildcard",
    "IP v4 and v6",
    "URI",
    "E-mail",
    "otherName (UPN)",
    "Literal subject, any RDN order",
    "Long domain names",
    "Duration",
    "renewBefore",
    "Key usages",
    "isCA with path length",
    "PKCS#12",
    "JKS",
    "DER and combined PEM",
    "ca.crt equal to the root",
    "Private key rotation",
    "Re-issue on spec change",
    "Ingress annotations",
)


def rows() -> dict[str, tuple[str, str]]:
    """The cells of each feature: sign, verbatim."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: (sign, verbatim) for name, sign, verbatim in cells}


def named(cell: str) -> list[str]:
    """The tests a cell names."""
    return re.findall(r"`(test_[^`]*)`", cell)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_a_test_of_its_mode_in_both_cells(feature: str) -> None:
    sign, verbatim = rows()[feature]
    assert named(sign)
    assert named(verbatim)
    told_loss = "test_a_role_that_drops_subject_attributes_is_told_in_the_request"
    assert all("sign" in one or one.startswith(told_loss) for one in named(sign))
    assert all("verbatim" in one for one in named(verbatim))


def test_every_test_the_page_names_exists_once() -> None:
    every = [one.partition("::")[2] for one in feature_tests()]
    wanted = [one for cells in rows().values() for cell in cells for one in named(cell)]
    assert wanted
    assert [one for one in wanted if every.count(one) != 1] == []


def test_the_role_of_the_page_is_the_role_of_the_tests() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert json.loads(block) == ROLE
