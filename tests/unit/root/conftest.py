"""A person's folder, empty or with a root in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.root.support import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a root, a CSR signed by it, and a CRL, made by the commands."""
    with pytest.MonkeyPatch.context() as patch:
        place = Place(tmp_path_factory.mktemp("ceremony"), patch)
        place.init()
        place.csr()
        place.sign()
        assert place.unlocked("crl").exit_code == 0
        return place.path


@pytest.fixture
def root(ceremony: Path, place: Place) -> Place:
    """A folder of the test's own, as it is after the ceremony."""
    shutil.copytree(ceremony, place.path, dirs_exist_ok=True)
    return place
