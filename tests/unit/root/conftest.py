"""A person's folder, empty or with a root in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.root.support import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.fixture
def root(place: Place) -> Place:
    """One with a root, a CSR signed by it, and a CRL."""
    place.init()
    place.csr()
    place.sign()
    assert place.unlocked("crl").exit_code == 0
    return place
