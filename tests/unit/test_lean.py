"""Modules of a package are imported without what its `__init__` imports; later imports get the whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.lean import bare


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package whose `__init__` imports all of it, with a package in it that does the same."""
    name = "package_of_test_lean"
    inner = tmp_path / name / "inner"
    inner.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("whole = True\nfrom .inner import module\n")
    (inner / "__init__.py").write_text("from . import other\nwhole = True\n")
    (inner / "module.py").write_text("from .plain import value\n")
    (inner / "plain.py").write_text("value = 7\n")
    (inner / "other.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for one in [one for one in sys.modules if one.startswith(name)]:
        del sys.modules[one]


def test_only_the_wanted_module_is_imported(package: str) -> None:
    with bare(package, f"{package}.inner"):
        module = __import__(f"{package}.inner.module", fromlist=["value"])
    assert module.value == 7
    assert f"{package}.inner.other" not in sys.modules


def test_who_imports_the_package_later_gets_the_whole(package: str) -> None:
    with bare(package, f"{package}.inner"):
        early = __import__(f"{package}.inner.module", fromlist=["value"])
    assert __import__(package).whole
    assert __import__(f"{package}.inner", fromlist=["other"]).whole
    assert sys.modules[f"{package}.inner.module"] is early


def test_a_package_that_was_imported_before_stays(package: str) -> None:
    before = __import__(package)
    with bare(package, f"{package}.inner"):
        assert sys.modules[package] is before
    assert sys.modules[package] is before


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), bare("no_such_package"):
        pass
    assert "no_such_package" not in sys.modules


def test_a_failed_import_leaves_no_bare_package(package: str) -> None:
    with pytest.raises(ImportError), bare(package):
        __import__(f"{package}.missing")
    assert package not in sys.modules
