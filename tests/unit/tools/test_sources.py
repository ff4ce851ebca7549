"""What is packaged: in a clone, what git knows or would add, and never what it ignores."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import sources

NAMES = ("pyproject.toml", "issuer", "charts")
COMMITTED = ("pyproject.toml", "issuer/page.js", "charts/values.yaml")
IGNORED = ("issuer/page.js~", "issuer/deep/.env", "charts/.env", "charts/values.local.yaml")


def write(folder: Path, *names: str) -> None:
    """Write files whose content is their name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for the repository, without git."""
    found = tmp_path / "tree"
    write(found, *COMMITTED, "issuer/__pycache__/a.pyc")
    monkeypatch.setattr(sources, "ROOT", found)
    return found


@pytest.fixture
def clone(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose owner has git ignore some files everywhere, and has such files."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write(tmp_path, "config/git/ignore")
    (tmp_path / "config/git/ignore").write_text(".env\n*~\n*.local.yaml\n__pycache__/\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tree, check=True)
    write(tree, *IGNORED)
    return tree


def copied(target: Path) -> set[str]:
    """The files of a copy."""
    sources.copy(NAMES, target)
    return {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("clone")
def test_what_git_ignores_is_not_packaged(tmp_path: Path) -> None:
    assert copied(tmp_path / "copy") == set(COMMITTED)


def test_what_git_would_add_is_packaged_and_what_is_deleted_is_not(clone: Path, tmp_path: Path) -> None:
    write(clone, "issuer/new.py")
    (clone / "charts/values.yaml").unlink()
    assert copied(tmp_path / "copy") == {"pyproject.toml", "issuer/page.js", "issuer/new.py"}


def test_without_git_everything_is_packaged_but_byte_code(tree: Path, tmp_path: Path) -> None:
    # An unpacked archive that lies in somebody's clone, which ignores it.
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*\n")
    write(tree, "charts/.hidden")
    assert copied(tmp_path / "copy") == {*COMMITTED, "charts/.hidden"}
    assert sources.uncommitted() == []


def test_what_git_ignores_in_the_package_is_not_committed(clone: Path) -> None:
    # The image's build copies that folder itself; `make test-release` builds it.
    assert sources.uncommitted() == ["!! issuer/deep/.env", "!! issuer/page.js~"]
    write(clone, "issuer/new.py")
    assert sources.uncommitted()[0] == "?? issuer/new.py"


def test_a_clone_that_git_refuses_is_not_taken_for_clean(tree: Path, tmp_path: Path) -> None:
    write(tree, ".git")  # no git's file
    assert "invalid gitfile" in " ".join(sources.uncommitted())
    with pytest.raises(OSError, match="invalid gitfile"):
        copied(tmp_path / "copy")
