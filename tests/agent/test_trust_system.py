"""The system's store, by the real `update-ca-certificates` and OpenSSL, in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from issuer.trust.errors import StoreNotUsable
from issuer.trust.installing import TrustAct, apply, look, plan_install, plan_removal
from issuer.trust.stores.system import SystemLayout, SystemStore
from tests.builders import NOW
from tests.unit.trust.roots import make_root, needs_update, system_layout

pytestmark = needs_update


@pytest.fixture
def layout(tmp_path: Path) -> SystemLayout:
    return system_layout(tmp_path)


def opens(layout: SystemLayout, pem: str) -> bool:
    """Return True if OpenSSL trusts a root by the links of the folder."""
    words = ["openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", str(layout.hashed)]
    return subprocess.run(words, input=pem, text=True, capture_output=True, check=False).returncode == 0


@pytest.fixture
def closed_umask() -> Iterator[None]:
    """The umask of a careful administrator."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("closed_umask")
def test_root_is_trusted_beside_the_old_one_until_it_is_removed(layout: SystemLayout) -> None:
    store = SystemStore(layout)
    hook = layout.anchors.parent / "hooks/others"
    hook.write_text(f"#!/bin/sh\numask > {layout.anchors.parent}/umask\n")
    hook.chmod(0o700)
    old, new = make_root(), make_root(number=1)  # of one name, as after a rotation
    for root in (old, new):
        assert [one.act for one in apply(plan_install([store], [root]))] == [TrustAct.INSTALLED]
    assert opens(layout, old.pem)
    assert opens(layout, new.pem)
    assert (layout.anchors.parent / "umask").read_text() == "0022\n", "what hooks make is for all users"
    assert {one.root for one in look([store], NOW)} == {old, new}
    again = plan_install([store], [old, new])
    assert [one.act for one in again] == [TrustAct.PRESENT, TrustAct.PRESENT]

    steps = plan_removal([store], [old.sha256], NOW, ended=False, every=False)
    assert [one.act for one in apply(steps)] == [TrustAct.REMOVED]
    assert not opens(layout, old.pem)
    assert opens(layout, new.pem)
    assert opens(layout, make_root("Company").pem)
    assert [one.name for one in layout.bundle.parent.iterdir() if not one.exists()] == []


def test_root_of_somebody_else_is_told_and_never_removed(layout: SystemLayout) -> None:
    store, root = SystemStore(layout), make_root("Company")
    subprocess.run(layout.update, check=True, capture_output=True)
    assert [one.act for one in plan_install([store], [root])] == [TrustAct.FOREIGN]
    assert plan_removal([store], [root.sha256], NOW, ended=True, every=True) == []
    (layout.anchors / "company.crt").chmod(0o600)
    [step] = apply(plan_install([store], [root]))
    assert step.act is TrustAct.FAILED
    assert f"chmod 644 {layout.anchors}/company.crt" in step.why


def test_folder_that_another_distribution_left_is_passed_over(layout: SystemLayout, tmp_path: Path) -> None:
    left = replace(layout, anchors=tmp_path, update=("no-such-program",))
    assert SystemStore.of_this_machine([left, layout]).name == SystemStore(layout).name
    assert SystemStore.of_this_machine([left]).name == SystemStore(left).name


def test_file_of_our_name_with_another_root_is_not_ours(layout: SystemLayout) -> None:
    (layout.anchors / f"vault-issuer-{make_root().sha256}.crt").write_text(make_root(number=1).pem)
    assert SystemStore(layout).installed() == ()


def test_update_that_takes_nothing_in_is_not_called_installed(layout: SystemLayout) -> None:
    """As a `.pem` does on Debian, which ends with code 0."""
    store = SystemStore(replace(layout, update=("true",)))
    [step] = apply(plan_install([store], [make_root()]))
    assert step.act is TrustAct.FAILED
    assert "taken away again" in step.why
    assert [one.name for one in layout.anchors.iterdir()] == ["company.crt"]


def test_update_that_fails_leaves_nothing(layout: SystemLayout) -> None:
    store = SystemStore(replace(layout, update=("false",)))
    [step] = apply(plan_install([store], [make_root()]))
    assert (step.act, step.why) == (TrustAct.FAILED, "false ended with 1: it says nothing")
    assert [one.name for one in layout.anchors.iterdir()] == ["company.crt"]


def test_missing_program_is_told_before_anything_is_written(layout: SystemLayout) -> None:
    store = SystemStore(replace(layout, update=("no-such-program",)))
    with pytest.raises(StoreNotUsable, match="install ca-certificates"):
        plan_install([store], [make_root()])


def test_root_that_has_ended_goes_by_its_end(layout: SystemLayout) -> None:
    store, ended = SystemStore(layout), make_root(days=10)
    store.add(ended)
    store.add(make_root())
    assert [one.act for one in look([store], NOW) if one.root == ended] == [TrustAct.ENDED]
    steps = plan_removal([store], [], NOW, ended=True, every=False)
    assert [(one.root, one.act) for one in apply(steps)] == [(ended, TrustAct.REMOVED)]
