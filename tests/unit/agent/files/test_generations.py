"""One set of files and its swap: whole at every moment, and after a crash at every call."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from issuer.agent.errors import AgentError, DiskRefused, SetInUse, UnsafePath
from issuer.agent.files.copies import copy_file
from issuer.agent.files.numbered import GENERATIONS
from issuer.agent.files.opening import opened_set, seen_set
from issuer.agent.files.writing import NewFile

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes folders of other users: needs root")
NOBODY = 65534
CALLS = ("open", "mkdir", "write", "fchmod", "fsync", "rename", "symlink", "unlink", "link", "rmdir")


def generations(path: Path) -> list[str]:
    """Return the names of all generations."""
    return sorted(one.name for one in (path / GENERATIONS).iterdir() if one.name.isdecimal())


def files_of(word: str) -> dict[str, NewFile]:
    return {
        "tls.key": NewFile(f"key {word}".encode(), 0o600),
        "tls.crt": NewFile(f"certificate {word}".encode(), 0o644),
    }


def seen(path: Path) -> set[str]:
    """Return the words of all files that readers see; a whole set has one."""
    return {name.read_text().split()[1] for name in (path / "tls.key", path / "tls.crt") if name.exists()}


class Killed(BaseException):
    """The process ended at a call: no handler of OSError runs."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """End the process, as it were, at the nth call of those that change the disk."""

    def arm(at: int) -> list[str]:
        made: list[str] = []

        def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*args: Any, **more: Any) -> Any:
                made.append(name)
                if len(made) > at:
                    raise Killed
                return call(*args, **more)

            return counted

        for name in CALLS:
            monkeypatch.setattr(os, name, wrapped(name, originals[name]))
        return made

    originals = {name: getattr(os, name) for name in CALLS}
    yield arm
    monkeypatch.undo()


def test_set_is_seen_through_one_symlink(tmp_path: Path) -> None:
    with opened_set(tmp_path / "web") as folder:
        folder.write(files_of("one"), {"serial": "01"})
        first = folder.write(files_of("two"), {"serial": "02"})
    assert seen(tmp_path / "web") == {"two"}
    assert str((tmp_path / "web" / "tls.key").readlink()) == f"{GENERATIONS}/current/tls.key"
    assert (tmp_path / "web" / "tls.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "web" / "tls.crt").stat().st_mode & 0o777 == 0o644
    with seen_set(tmp_path / "web") as shown:
        assert shown is not None
        current = shown.current()
    assert current == first
    assert current.notes == {"serial": "02"}


def test_two_generations_are_kept_and_one_goes_back(tmp_path: Path) -> None:
    with opened_set(tmp_path) as folder:
        for word in ("one", "two", "three", "four"):
            folder.write(files_of(word), {})
        assert len(generations(tmp_path)) == 2
        folder.roll_back()
        assert seen(tmp_path) == {"three"}
        with pytest.raises(AgentError, match="no earlier set"):
            folder.roll_back()
    # What was rolled back is not swapped in again by the next run.
    with opened_set(tmp_path) as folder:
        assert seen(tmp_path) == {"three"}
        folder.write(files_of("five"), {})
    assert seen(tmp_path) == {"five"}


def test_crash_in_a_roll_back_never_brings_the_new_set_back(
    tmp_path: Path, kill_at: Callable[[int], list[str]]
) -> None:
    for at in range(60):
        path = tmp_path / str(at)
        kill_at(10**6)
        with opened_set(path) as folder:
            folder.write(files_of("old"), {})
            folder.write(files_of("new"), {})
        try:
            with opened_set(path) as folder:
                kill_at(at)
                folder.roll_back()
        except Killed:
            pass
        kill_at(10**6)
        rolled_back = seen(path) == {"old"}
        with opened_set(path):
            assert seen(path) == ({"old"} if rolled_back else {"new"})


def test_crash_at_every_call_leaves_a_whole_set(tmp_path: Path, kill_at: Callable[[int], list[str]]) -> None:
    at = 0
    finished = False
    while not finished:
        path = tmp_path / str(at)
        made = kill_at(10**6)
        with opened_set(path) as folder:
            folder.write(files_of("old"), {})
        made = kill_at(at)
        try:
            with opened_set(path) as folder:
                folder.write(files_of("new"), {})
            finished = len(made) <= at
        except Killed:
            pass
        assert seen(path) in ({"old"}, {"new"}), made
        before = seen(path)
        folder_seen = (path / GENERATIONS / "current").resolve()
        assert folder_seen.stat().st_mode & 0o777 == 0o755
        kill_at(10**6)
        # The next run keeps what was swapped, or finishes it, and removes what is neither.
        with opened_set(path) as folder:
            assert seen(path) in ({"new"}, before)
            assert folder.changed() == []
            assert len(generations(path)) <= 2
            folder.write(files_of("next"), {})
        assert seen(path) == {"next"}
        at += 1
    assert at > 20


def test_whole_set_that_was_not_swapped_in_is_used(
    tmp_path: Path, kill_at: Callable[[int], list[str]]
) -> None:
    """Its certificate is signed: another signing would be one too many."""
    with opened_set(tmp_path) as folder:
        folder.write(files_of("old"), {})
    (tmp_path / GENERATIONS / "current").unlink()
    with opened_set(tmp_path) as folder:
        written = folder.write(files_of("new"), {"serial": "02"})
    (tmp_path / GENERATIONS / "current").unlink()
    (tmp_path / GENERATIONS / "current").symlink_to("00000001")
    with opened_set(tmp_path) as folder:
        current = folder.current()
    assert current is not None
    assert current.number == written.number
    assert seen(tmp_path) == {"new"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "mkdir", "fsync", "rename", "symlink"])
def test_disk_that_refuses_leaves_the_old_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    with opened_set(tmp_path) as folder:
        folder.write(files_of("old"), {})

        def refuse(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(DiskRefused, match="old ones are kept"):
                folder.write(files_of("new"), {})
    assert seen(tmp_path) == {"old"}


def test_full_disk_leaves_no_half_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_set(tmp_path) as folder:
        folder.write(files_of("old"), {})
        original = os.write

        def write(fd: int, data: bytes) -> int:
            if b"cert" in bytes(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(fd, data)

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(DiskRefused, match="the disk is full"):
            folder.write(files_of("new"), {})
        monkeypatch.undo()
        assert generations(tmp_path) == ["00000001"]


def test_key_is_never_wider_than_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    original = os.write

    def look(fd: int, data: bytes) -> int:
        modes.append(stat.S_IMODE(os.fstat(fd).st_mode))
        return original(fd, data)

    monkeypatch.setattr(os, "write", look)
    old = os.umask(0)
    try:
        with opened_set(tmp_path) as folder:
            folder.write(files_of("one"), {})
    finally:
        os.umask(old)
    assert set(modes) == {0o600}


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_readers_come_through_the_folders_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        with opened_set(tmp_path / "a" / "web") as folder:
            folder.write(files_of("one"), {})
        copy_file(tmp_path / "b" / "c" / "ca.crt", NewFile(b"ca", 0o644))
    finally:
        os.umask(old)
    made = [one for one in tmp_path.rglob("*") if one.is_dir() and not one.is_symlink()]
    assert {stat.S_IMODE(one.stat().st_mode) for one in made} == {0o755}


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with seen_set(tmp_path / "web") as shown:
        assert shown is None
    assert not (tmp_path / "web").exists()


def test_second_agent_is_refused(tmp_path: Path) -> None:
    with opened_set(tmp_path), pytest.raises(SetInUse, match="Another agent"), opened_set(tmp_path):
        pass


def test_file_from_before_the_agent_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("bought elsewhere")
    with opened_set(tmp_path) as folder:
        folder.write(files_of("one"), {})
        folder.write(files_of("two"), {})
    assert (tmp_path / "tls.crt.before-agent").read_text() == "bought elsewhere"
    assert seen(tmp_path) == {"two"}


def test_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").mkdir()
    with opened_set(tmp_path) as folder, pytest.raises(UnsafePath, match="move it away"):
        folder.write(files_of("one"), {})


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    with opened_set(tmp_path) as folder:
        folder.write(files_of("one"), {})
        assert folder.changed() == []
        (tmp_path / "tls.crt").write_text("edited")
        assert folder.changed() == ["tls.crt"]
        (tmp_path / "tls.key").unlink()
        assert folder.changed() == ["tls.crt", "tls.key"]
        folder.mend()
        assert folder.changed() == ["tls.crt"]


def test_extended_attributes_follow_the_name(tmp_path: Path) -> None:
    with opened_set(tmp_path) as folder:
        folder.write(files_of("one"), {})
        try:
            os.setxattr(tmp_path / "tls.crt", "user.label", b"web")
        except OSError:
            pytest.skip("this file system has no extended attributes")
        folder.write(files_of("two"), {})
    assert os.getxattr(tmp_path / "tls.crt", "user.label") == b"web"


@pytest.mark.parametrize("name", ["{0}/victim", "../victim", "..", ".lock", "a/b", "tls.crt\n", ""])
def test_names_that_are_paths_are_not_followed(tmp_path: Path, name: str) -> None:
    """By an absolute name a symlink could be put in the place of any file."""
    victim, path = tmp_path / "victim", tmp_path / "web"
    victim.write_text("precious")
    generation = path / GENERATIONS / "00000001"
    generation.mkdir(parents=True)
    (path / f".{tmp_path}").mkdir(parents=True)
    files = {name.format(tmp_path): "0" * 64}
    (generation / ".set.json").write_text(json.dumps({"files": files, "notes": {}}))
    (path / GENERATIONS / "current").symlink_to("00000001")
    with opened_set(path) as folder:
        assert folder.current() is None
    assert victim.read_text() == "precious"
    assert not victim.is_symlink()


@AS_ROOT
@pytest.mark.parametrize("of", ["home", "home/web", "home/web/.generations"])
def test_root_refuses_a_set_that_another_user_may_write(tmp_path: Path, of: str) -> None:
    path = tmp_path / "home" / "web"
    with opened_set(path) as folder:
        folder.write(files_of("one"), {})
    os.chown(tmp_path / of, NOBODY, 0)
    for opening in (opened_set, seen_set):
        with pytest.raises(UnsafePath, match=r"belongs to user .nobody.*sudo -u nobody"), opening(path):
            pass
    with opened_set(path, frozenset({NOBODY})) as folder:
        folder.write(files_of("two"), {})
    with seen_set(path, frozenset({NOBODY})) as folder:
        assert folder is not None
    assert seen(path) == {"two"}
    os.chown(tmp_path / of, 0, NOBODY)
    (tmp_path / of).chmod(0o775)
    for opening in (opened_set, seen_set):
        with pytest.raises(UnsafePath, match=f"Group {NOBODY} may write"), opening(path):
            pass


def test_set_restored_without_symlinks_is_made_whole(tmp_path: Path) -> None:
    """As a backup, or a copy to another machine, that followed them."""
    with opened_set(tmp_path / "old") as folder:
        folder.write(files_of("one"), {"serial": "01"})
        folder.write(files_of("two"), {"serial": "02"})
    shutil.copytree(tmp_path / "old", tmp_path / "web")
    with seen_set(tmp_path / "web") as looked:
        assert looked is not None
        assert looked.current() is None
    with opened_set(tmp_path / "web") as folder:
        assert folder.changed() == []
        assert seen(tmp_path / "web") == {"two"}
        folder.write(files_of("three"), {"serial": "03"})
    assert seen(tmp_path / "web") == {"three"}
    assert not list((tmp_path / "web").glob("*.before-agent"))  # else the key lay there for good
