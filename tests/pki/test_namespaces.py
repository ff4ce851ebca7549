"""Namespaces of OpenBao: one that isn't there is told, not taken for an empty Vault."""

from __future__ import annotations

import json
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
    ran = vault.run("export", VAULT_NAMESPACE=vault.name)
    assert (ran.exit_code, "mounts:\n  pki:" in ran.stdout) == (0, True), ran.output


def test_a_namespace_without_a_pki_mount_passes_for_healthy_nowhere(vault: Vault, tmp_path: Path) -> None:
    vault.bao.call("POST", f"sys/namespaces/{vault.name}")
    given = ("health", "--fail-on", "critical", "--textfile", tmp_path / "pki.prom")
    ran = vault.run(*given, "-o", "json", VAULT_NAMESPACE=vault.name)
    (found,) = (one for one in json.loads(ran.stdout)["findings"] if one["check"] == "pki_mounts")
    assert (ran.exit_code, found["severity"], "VAULT_NAMESPACE" in found["instead"]) == (2, "critical", True)
    metric = 'vault_issuer_pki_health_status{check="pki_mounts",mount=""} 3.0'
    assert metric in (tmp_path / "pki.prom").read_text()
    ran = vault.run("export", "-o", tmp_path / "out.yaml", VAULT_NAMESPACE=vault.name)
    assert (ran.exit_code, (tmp_path / "out.yaml").exists()) == (1, False)
    assert "There is nothing to export" in ran.output


@pytest.mark.parametrize(("text", "part"), [("version: 1", "all"), (FILE, "foundation")])
def test_a_file_that_names_nothing_is_told(vault: Vault, tmp_path: Path, text: str, part: str) -> None:
    file = written(tmp_path, text)
    for word in ("verify", "plan", "apply"):
        ran = vault.run(word, "-f", file, "--part", part, *(["--yes"] if word == "apply" else []))
        assert ran.exit_code == 1, ran.output
        assert f"nothing to {word} is named there" in ran.output


def test_a_mount_without_a_ca_is_not_healthy(vault: Vault, tmp_path: Path) -> None:
    vault.bao.call("POST", f"sys/mounts/{vault.name}-empty", {"type": "pki"})
    ran = vault.run("health", "--mount", f"{vault.name}-empty", "-o", "json")
    found = [one["message"] for one in json.loads(ran.stdout)["findings"] if one["check"] == "default_issuer"]
    assert (ran.exit_code, found) == (2, ["The mount has no CA, so nothing is signed"])
