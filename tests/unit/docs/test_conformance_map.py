"""tests/conformance: every case of the suites has a test of ours, and the script says what it would run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.run import main
from tests.unit.docs.collected import ROOT, feature_tests

MAP: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "conformance" / "cases.yaml").read_text())
SUPPORTED = set(MAP["features"]["supported"])
COUNTS = {
    "certificates": 27,
    "certificatesigningrequests": 23,
    "issuer-lib-certificates": 3,
    "issuer-lib-certificatesigningrequests": 1,
}


def cases() -> Iterator[dict[str, Any]]:
    """Every case of every suite."""
    for suite in MAP["suites"].values():
        yield from suite["cases"]


def test_every_case_of_the_suites_is_listed_once() -> None:
    found = {name: len({one["case"] for one in suite["cases"]}) for name, suite in MAP["suites"].items()}
    assert found == COUNTS


def test_every_case_has_a_test_in_each_mode_or_a_reason() -> None:
    missing = []
    for one in cases():
        modes = one.get("modes", ["sign", "verbatim"])
        assert "verbatim" in modes
        assert len(modes) == 2 or one["reason"]
        wanted = [one["test"].replace("MODE", mode) for mode in modes]
        missing += [test for test in wanted if test not in feature_tests()]
    assert missing == []


def test_no_feature_is_declared_unsupported_and_each_is_asked_for() -> None:
    assert MAP["features"]["unsupported"] == []
    needed = {need for one in cases() for need in one["needs"]}
    assert needed | set(MAP["features"]["everywhere"]) == SUPPORTED


def test_the_script_says_what_it_would_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conformance_test.go").touch()
    assert main([f"--suite={tmp_path}", "--issuer=vault", "--namespace=here", "--print"]) == 0
    told = capsys.readouterr().out
    assert "-cm-issuers=vault-issuer.io/VaultClusterIssuer/vault" in told
    assert "-k8s-issuers=vaultclusterissuers.vault-issuer.io/vault" in told
    assert "unsupported" not in told


def test_the_script_refuses_a_folder_without_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--suite={tmp_path}", "--issuer=vault"]) == 2
    assert "issuer-lib" in capsys.readouterr().err
