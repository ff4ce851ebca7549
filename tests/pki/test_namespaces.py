"""Namespaces of OpenBao: one that isn't there is told, not taken for an empty Vault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pki.support import Vault, actions, written

FILE = "mounts: {pki: {}}"


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("verify",), ("health",), ("export",)])
def test_a_namespace_that_is_not_there_is_told(vault: Vault, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = written(tmp_path, FILE)
    given = ("-o", str(tmp_path / "out.yaml")) if words[0] == "export" else ("-f", str(file))
    ran = vault.run(*words, *given, VAULT_NAMESPACE="nowhere")
    assert ran.exit_code == 1
    assert "correct VAULT_NAMESPACE, or make that namespace first" in ran.output


def test_a_file_is_applied_in_a_namespace(vault: Vault, tmp_path: Path) -> None:
    vault.bao.call("POST", f"sys/namespaces/{vault.name}")
    file = written(tmp_path, FILE)
    vault.apply(file, VAULT_NAMESPACE=vault.name)
    assert actions(vault.plan(file, VAULT_NAMESPACE=vault.name)) == []
    assert ("create", "sys/mounts/pki") in actions(vault.plan(file))
