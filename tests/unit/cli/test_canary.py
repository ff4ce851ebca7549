"""`vault-issuer canary` refuses what it can't use before it asks anybody; its runs are on the testbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app

ISSUER = "VaultClusterIssuer/vault"
NAME = "--dns-name=canary.lab.example.com"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [ISSUER],
        ["vault", NAME],
        [ISSUER, "--dns-name=*.lab.example.com"],
        [ISSUER, NAME, "--endpoint=canary"],
        [ISSUER, NAME, "--duration=soon"],
        [ISSUER, NAME, "--timeout=0"],
        [ISSUER, NAME, "--ca-file=there-is-none.pem"],
        [ISSUER, NAME, "--output=yaml"],
    ],
)
def test_bad_input_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["canary", *arguments]).exit_code == 2


def test_a_file_without_cas_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    file.write_text("nothing")
    result = CliRunner().invoke(app, ["canary", ISSUER, NAME, f"--ca-file={file}"])
    assert result.exit_code == 2
    assert "roots.pem" in " ".join(result.output.split())


def test_no_cluster_ends_with_2(tmp_path: Path) -> None:
    missing = tmp_path / "kubeconfig"
    result = CliRunner().invoke(app, ["canary", ISSUER, NAME, f"--kubeconfig={missing}"])
    assert result.exit_code == 2
    assert "no cluster" in result.output
