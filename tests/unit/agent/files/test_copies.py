"""Copies of files, and files that are mounted alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from issuer.agent.files.copies import copy_file
from issuer.agent.files.mounts import mounts_of, pinned_by
from issuer.agent.files.writing import NewFile

HERE = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /run rw - tmpfs tmpfs rw
31 22 254:1 /vols/data /srv/my\\040data rw - ext4 /dev/vdb rw
"""


def pinned(path: str, there: str) -> str | None:
    mount = pinned_by(Path(path), mounts_of(HERE), mounts_of(there))
    return None if mount is None else mount.point


def test_mount_of_one_file_is_found() -> None:
    assert (
        pinned("/etc/tls/web.pem", "90 1 254:0 /etc/tls/web.pem /certs/web.pem rw - ext4 x rw")
        == "/certs/web.pem"
    )
    assert pinned("/srv/my data/a", "90 1 254:1 /vols/data/a /a rw - ext4 x rw") == "/a"
    assert pinned("/run/a", "90 1 0:25 /a /a rw - tmpfs x rw") == "/a"


def test_mount_of_a_folder_pins_nothing() -> None:
    assert pinned("/etc/tls/web.pem", "90 1 254:0 /etc/tls /certs rw - ext4 x rw") is None
    assert pinned("/etc/tls/web.pem", "90 1 254:1 /etc/tls/web.pem /certs rw - ext4 x rw") is None
    assert pinned("/run", "90 1 0:25 / /run rw - tmpfs x rw") is None


def test_copy_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "certs" / "web.pem"
    assert copy_file(path, NewFile(b"one", 0o600)).written
    inode = path.stat().st_ino
    assert not copy_file(path, NewFile(b"one", 0o600)).written
    assert copy_file(path, NewFile(b"two", 0o640)).written
    assert path.stat().st_ino != inode
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640


def test_wrong_mode_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "web.pem"
    copy_file(path, NewFile(b"one", 0o600))
    path.chmod(0o644)
    assert copy_file(path, NewFile(b"one", 0o600)).written
    assert path.stat().st_mode & 0o777 == 0o600


def test_symlink_in_its_place_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "web.pem").symlink_to(tmp_path / "elsewhere")
    copy_file(tmp_path / "web.pem", NewFile(b"one", 0o600))
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert not (tmp_path / "web.pem").is_symlink()


def test_file_mounted_alone_is_written_in_place(tmp_path: Path) -> None:
    """With a real bind mount, seen from another mount namespace."""
    path, seen = tmp_path / "web.pem", tmp_path / "seen"
    path.write_bytes(b"a longer text than the next")
    seen.write_bytes(b"")
    script = f'mount --bind "{path}" "{seen}" && echo ready && read line && cat "{seen}"'
    process = subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        if process.stdout.readline() != b"ready\n":
            pytest.skip("this user may not make mounts")
        report = copy_file(path, NewFile(b"two", 0o600))
        output = process.communicate(b"\n")[0]
    assert output == b"two"
    assert report.warning is not None
    assert f'mounted alone as "{seen}"' in report.warning
    assert path.stat().st_mode & 0o777 == 0o600
