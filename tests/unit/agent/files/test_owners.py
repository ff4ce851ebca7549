"""Owners of files, also as a rootless container sees them."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from issuer.agent.errors import NoSuchOwner
from issuer.agent.files import owners
from issuer.agent.files.owners import SubordinateIds, owner_of, ranges_of
from issuer.agent.files.writing import FileOwner

ALICE = SubordinateIds(1000, ((100000, 65536), (300000, 10)))


@pytest.mark.parametrize(
    ("inside", "outside"),
    [(0, 1000), (1, 100000), (101, 100100), (65536, 165535), (65537, 300000)],
)
def test_default_map_has_the_user_as_root(inside: int, outside: int) -> None:
    assert ALICE.outside(inside) == outside


@pytest.mark.parametrize(
    ("inside", "outside"),
    [(1000, 1000), (0, 100000), (999, 100999), (1001, 101000), (65536, 165535)],
)
def test_keep_id_keeps_the_users_number(inside: int, outside: int) -> None:
    assert ALICE.outside(inside, keep_id=True) == outside


def test_id_beyond_the_ranges_says_what_to_do() -> None:
    with pytest.raises(NoSuchOwner, match="usermod --add-subuids"):
        ALICE.outside(65547)


def test_ranges_are_found_by_name_and_number() -> None:
    text = "bob:5:5\nalice:100000:65536\n# a comment\n1000:300000:10\nalice:broken\n"
    assert ranges_of(text, "alice", 1000) == ((100000, 65536), (300000, 10))


@pytest.fixture
def nobody_has_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of the user nobody, with ranges of its own."""
    path = tmp_path / "subids"
    path.write_text("nobody:200000:65536\n")
    for name in ("SUBUID", "SUBGID"):
        monkeypatch.setattr(owners, name, path)
    return pwd.getpwnam("nobody").pw_uid


def test_root_gives_files_to_a_user_s_containers(
    nobody_has_ranges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert owner_of("container:nobody:1000", None) == FileOwner(200999, 200999)
    assert owner_of("container:nobody:1000:0", None).gid == pwd.getpwnam("nobody").pw_gid
    assert owner_of("container:1000", None) == FileOwner(1000, 1000)  # rootful


def test_user_that_would_give_a_file_away_is_told_what_to_do(
    nobody_has_ranges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: nobody_has_ranges)
    assert owner_of("container:0", None).uid == nobody_has_ranges
    with pytest.raises(
        NoSuchOwner, match=r"--userns=keep-id:uid=1000,gid=1000 .* owner: container:nobody:1000"
    ):
        owner_of("container:1000", None)


def test_names_and_numbers_are_read() -> None:
    assert owner_of("root", "root") == FileOwner(0, 0)
    assert owner_of("7", None) == FileOwner(7, None)
    with pytest.raises(NoSuchOwner, match='no user "nobody-here"'):
        owner_of("nobody-here", None)
    with pytest.raises(NoSuchOwner, match='no group "nobody-here"'):
        owner_of(None, "nobody-here")
