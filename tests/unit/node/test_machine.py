"""Where `make e2e` can't run it says why; what it leaves behind after a crash is found again."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from testbed.cache import DATA_PREFIX
from testbed.node import cgroups, requirements


@pytest.fixture(autouse=True)
def suitable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(requirements, "_system", lambda: ("debian", "bookworm"))
    monkeypatch.setattr(requirements, "_no_cgroups", lambda: None)


def test_a_suitable_machine_has_no_reason() -> None:
    assert requirements.reason_not_to() is None


def test_another_operating_system_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert "this is Darwin on x86_64" in str(requirements.reason_not_to())


def test_no_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "takes root" in str(requirements.reason_not_to())


def test_another_distribution_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "_system", lambda: ("ubuntu", "noble"))
    assert "Debian bookworm" in str(requirements.reason_not_to())


def test_a_container_without_privileges_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, _: place != "/sys/fs/cgroup")
    assert "/sys/fs/cgroup can't be written here" in str(requirements.reason_not_to())


def test_packages_that_cannot_be_installed_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "install"
    script.write_text("#!/bin/sh\necho 'E: no such package' >&2\nexit 100\n")
    script.chmod(0o755)
    monkeypatch.setattr(requirements, "PACKAGES", script)
    assert requirements.install() == "Debian's packages can't be installed: E: no such package"


def test_cgroups_of_crashed_runs_are_removed_and_those_of_living_ones_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, data = tmp_path / "cgroup", tmp_path / "data"
    living, dead, other = f"{DATA_PREFIX}living", f"{DATA_PREFIX}dead", "kubepods"
    for name in (f"memory/{living}", f"memory/{dead}/kubepods/pod", f"memory/{other}"):
        (root / name).mkdir(parents=True)
    (root / "memory" / "cgroup.procs").touch()
    (data / living).mkdir(parents=True)
    monkeypatch.setattr(cgroups, "ROOT", root)
    cgroups.sweep(data)
    assert {one.name for one in (root / "memory").iterdir() if one.is_dir()} == {living, other}
