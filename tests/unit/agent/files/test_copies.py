"""Copies of files, and files that are mounted alone."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from issuer.agent.errors import AgentError, DiskRefused, UnsafePath
from issuer.agent.files.copies import check_copy, copy_file
from issuer.agent.files.mounts import lies_in_memory, mounts_of, pinned_by
from issuer.agent.files.writing import FileOwner, NewFile

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other users: needs root")
NOBODY = 65534

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


@contextmanager
def mounted(path: Path, seen: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Mount a file alone in a mount namespace that `words` make; after a line it tells what it sees there."""
    script = f'mount --bind "{path}" "{seen}" && echo ready && read line && cat "{seen}"'
    with subprocess.Popen(
        [*words, "bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            pytest.skip("this user may not make mounts")
        yield process


@AS_ROOT
@pytest.mark.parametrize("owner", [None, NOBODY])
def test_mount_of_another_user_counts_only_for_its_own_file(owner: int | None) -> None:
    """Anybody may mount a file in a user namespace; that must not have a key written into what it holds."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to other users
        path = Path(folder, "web.pem")
        Path(folder).chmod(0o1777)
        path.write_bytes(b"old")
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o600)
        words = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urm")
        with mounted(path, path, *words) as process, path.open("rb") as held:
            report = copy_file(path, NewFile(b"key", 0o600, FileOwner(owner, owner)))
            process.communicate(b"\n")
            assert held.read() == (b"old" if owner is None else b"key")
        assert (report.warning is None) == (owner is None)
        assert path.stat().st_uid == (owner or 0)


@pytest.mark.parametrize("case", ["wider", "link", "fifo", pytest.param("owner", marks=AS_ROOT)])
def test_what_others_may_hold_is_not_written_in_place(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.agent.files.copies.is_pinned", lambda *_: "it is mounted")
    path = tmp_path / "web.pem"
    path.write_bytes(b"old")
    path.chmod(0o644 if case == "wider" else 0o600)
    if case == "link":
        (tmp_path / "other").hardlink_to(path)
    elif case == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif case == "owner":
        os.chown(path, NOBODY, NOBODY)
    with pytest.raises(AgentError):
        check_copy(path, 0o600, FileOwner())
    with pytest.raises(AgentError):
        copy_file(path, NewFile(b"key", 0o600))
    assert case == "fifo" or path.read_bytes() == b"old"


def test_certificate_is_written_in_place_whatever_its_mode_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.agent.files.copies.is_pinned", lambda *_: "it is mounted")
    path = tmp_path / "web.pem"
    path.write_bytes(b"old")
    path.chmod(0o664)
    assert "is written in place" in (check_copy(path, 0o644, FileOwner()) or "")
    assert path.read_bytes() == b"old"
    assert copy_file(path, NewFile(b"new", 0o644)).warning is not None
    assert path.read_bytes() == b"new"


def test_file_mounted_alone_is_written_in_place(tmp_path: Path) -> None:
    """With a real bind mount, seen from another mount namespace."""
    path, seen = tmp_path / "web.pem", tmp_path / "seen"
    path.write_bytes(b"a longer text than the next")
    path.chmod(0o600)
    seen.write_bytes(b"")
    with mounted(path, seen, "unshare", "--mount") as process:
        report = copy_file(path, NewFile(b"two", 0o600))
        assert process.communicate(b"\n")[0] == b"two"
    assert report.warning is not None
    assert f'mounted alone as "{seen}"' in report.warning
    assert path.stat().st_mode & 0o777 == 0o600


def test_place_of_a_copy_is_tried_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for path in (tmp_path / "there" / "a.pem", tmp_path / "no" / "folder" / "a.pem"):
        assert check_copy(path, 0o600, FileOwner()) is None
    assert [one.name for one in tmp_path.rglob("*")] == ["there"]
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UnsafePath, match="Everybody may write to the folder"):
        check_copy(tmp_path / "open" / "a.pem", 0o600, FileOwner())


def test_folder_of_a_copy_that_this_user_may_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # root may write everywhere but on such a disk
    with pytest.raises(DiskRefused, match="this user may not write to the folder"):
        check_copy(tmp_path / "a.pem", 0o600, FileOwner())


@pytest.mark.parametrize(("uid", "told"), [(0, "CAP_SYS_PTRACE"), (1000, "a container of another user")])
def test_mounts_that_can_not_be_seen_are_told_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, told: str
) -> None:
    path = tmp_path / "web.pem"
    path.write_bytes(b"old")
    monkeypatch.setattr("issuer.agent.files.copies.sees_all", lambda: False)
    owner = FileOwner(os.geteuid(), os.getegid())
    monkeypatch.setattr("issuer.agent.files.copies.os.geteuid", lambda: uid)
    assert told in str(check_copy(path, 0o600, owner))


def test_file_in_memory_is_known(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    lines = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / /run rw shared:5 - tmpfs tmpfs rw\n"
    (tmp_path / "self" / "mountinfo").write_text(lines)
    assert lies_in_memory(Path("/run/nginx.pid"), tmp_path)
    assert not lies_in_memory(Path("/srv/nginx.pid"), tmp_path)
