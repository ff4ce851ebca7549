"""Databases of NSS, by the real `certutil`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.trust.errors import StoreNotUsable
from issuer.trust.installing import TrustAct, apply, plan_install, plan_removal
from issuer.trust.stores.nss import NSSStore, databases
from testbed.nss import folder_of_certutil
from tests.builders import NOW
from tests.unit.trust.roots import make_root


@pytest.fixture(scope="module", autouse=True)
def _certutil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """NSS's program, on PATH."""
    folder = folder_of_certutil(tmp_path_factory.mktemp("bin"))
    with pytest.MonkeyPatch.context() as patch:
        if folder is not None:
            patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The database of Chromium, in a home."""
    folder = tmp_path / ".pki/nssdb"
    folder.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "--empty-password", "-d", f"sql:{folder}"], check=True)
    return folder


def add_by_hand(folder: Path, root_pem: str, nickname: str, trust: str) -> None:
    words = ["certutil", "-A", "-a", "-d", f"sql:{folder}", "-n", nickname, "-t", trust]
    subprocess.run(words, input=root_pem, text=True, check=True)


def test_roots_of_one_subject_come_and_go_one_by_one(folder: Path) -> None:
    store = NSSStore(folder)
    old, new, theirs = make_root(), make_root(number=1), make_root(number=2)
    add_by_hand(folder, theirs.pem, "the company's", "C,,")
    assert [one.act for one in plan_install([store], [theirs])] == [TrustAct.FOREIGN]
    assert [one.act for one in apply(plan_install([store], [old, new]))] == [TrustAct.INSTALLED] * 2
    steps = plan_removal([store], [old.sha256], NOW, ended=False, every=False)
    assert [one.act for one in apply(steps)] == [TrustAct.REMOVED]
    assert store.installed() == (new,)
    assert store.trusts(theirs)


def test_root_that_somebody_distrusts_is_not_overruled(folder: Path) -> None:
    add_by_hand(folder, make_root().pem, "not this one", "p,p,p")
    [step] = apply(plan_install([NSSStore(folder)], [make_root()]))
    assert step.act is TrustAct.FAILED
    assert "under another name" in step.why


def test_databases_of_browsers_are_found(folder: Path, tmp_path: Path) -> None:
    profile = tmp_path / ".mozilla/firefox/abc.default"
    profile.mkdir(parents=True)
    assert databases(tmp_path, {}) == (folder,)
    moved, data = tmp_path / ".config/mozilla/firefox/abc.default", tmp_path / "data/pki/nssdb"
    for one in (moved, data):  # as Firefox 147 has its profiles, and NSS its database without ~/.pki
        one.mkdir(parents=True)
        (one / "cert9.db").touch()
    assert databases(tmp_path, {"XDG_CONFIG_HOME": "relative"}) == (folder, moved)
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "none"), "XDG_DATA_HOME": str(tmp_path / "data")}
    assert databases(tmp_path, variables) == (folder, data)
    with pytest.raises(StoreNotUsable, match="start the browser once"):
        plan_install([NSSStore(profile)], [make_root()])
