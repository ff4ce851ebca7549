"""Where Prometheus comes from: PATH first, and a plain word where there is neither it nor apt."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TestbedError
from testbed.prometheus import Programs, find_prometheus


def test_programs_on_path_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prometheus", "promtool"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_prometheus() == Programs(tmp_path / "prometheus", tmp_path / "promtool")


def test_without_them_and_without_apt_it_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TestbedError, match="Prometheus was not found: install it"):
        find_prometheus()
