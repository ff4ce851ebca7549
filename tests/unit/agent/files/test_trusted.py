"""A file is trusted only if nobody else can change it, its folders, or where its name leads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from issuer.agent.files.trusted import who_may_write
from tests.unit.agent.acl import GROUP, USER, let_write

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other users: needs root")
NOBODY = 65534


def test_own_file_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert who_may_write(tmp_path / "file") is None
    assert who_may_write(tmp_path / "missing") is None


def test_open_file_or_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "file").write_text("")
    (folder / "file").chmod(0o646)
    assert f'everybody may write "{folder}/file"' in str(who_may_write(folder / "file"))
    (folder / "file").chmod(0o644)
    folder.chmod(0o777)
    assert f'everybody may write "{folder}"' in str(who_may_write(folder / "file"))
    folder.chmod(0o1777)
    assert who_may_write(folder / "file") is None


@AS_ROOT
def test_another_group_s_or_user_s_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.chown(tmp_path / "file", 0, NOBODY)
    (tmp_path / "file").chmod(0o664)
    assert f"group {NOBODY} may write" in str(who_may_write(tmp_path / "file"))
    os.chown(tmp_path / "file", NOBODY, 0)
    assert 'belongs to user "nobody"' in str(who_may_write(tmp_path / "file"))


@AS_ROOT
def test_symlinks_are_followed_and_judged(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("")
    (tmp_path / "link").symlink_to("real")
    assert who_may_write(tmp_path / "link" / "file") is None
    (tmp_path / "real").chmod(0o777)
    assert "everybody may write" in str(who_may_write(tmp_path / "link" / "file"))
    (tmp_path / "real").chmod(0o755)
    os.chown(tmp_path / "link", NOBODY, 0, follow_symlinks=False)
    assert "belongs to" in str(who_may_write(tmp_path / "link" / "file"))
    (tmp_path / "loop").symlink_to("loop")
    assert "symlinks" in str(who_may_write(tmp_path / "loop"))


@pytest.mark.skipif(os.geteuid() != 0, reason="makes folders of other users: needs root")
def test_folder_of_the_consumer_s_own_user_is_trusted_for_it(tmp_path: Path) -> None:
    """As /run/haproxy on Debian: drwxrwsr-x haproxy haproxy."""
    folder = tmp_path / "haproxy"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    folder.chmod(0o2775)
    assert "belongs to user" in (who_may_write(folder) or "")
    assert who_may_write(folder, 65534, 65534) is None
    assert "group 65534 may write" in (who_may_write(folder, 65534, 1) or "")


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access lists of Linux")
def test_who_may_write_by_an_access_list_is_told(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.write_text("")
    let_write(file, USER, NOBODY)
    assert f'by its access list user "nobody" may write "{file}"' in str(who_may_write(file))
    assert who_may_write(file, NOBODY) is None
    file.chmod(0o644)  # as the message says: it takes the right to write from the mask
    assert who_may_write(file) is None
    let_write(file.parent, GROUP, NOBODY)
    assert f"by its access list group {NOBODY} may write" in str(who_may_write(file))
    let_write(file.parent, GROUP, NOBODY, mask=5)
    assert who_may_write(file) is None
