"""Connections of this product: its names, and a ServiceAccount's files outside a pod."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.cluster import SERVICE_ACCOUNT_VARIABLE, find_namespace


def test_a_variable_names_another_directory_of_service_account_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "namespace").write_text("pki\n")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "h")
    monkeypatch.setenv(SERVICE_ACCOUNT_VARIABLE, str(tmp_path))
    assert find_namespace() == "pki"
    monkeypatch.setenv(SERVICE_ACCOUNT_VARIABLE, "")
    assert find_namespace() == "default"
