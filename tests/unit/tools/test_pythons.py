"""tools/pythons.py: which interpreters the unit tests run on, and which can't."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tools import pythons
from tools.bootstrap import OLDEST, ROOT
from tools.pythons import Python, asked, interpreters, promised, unfit
from tools.tiers import LAST_FAILED


def python(*numbers: int, path: str = "/usr/bin/python3", missing: tuple[str, ...] = ()) -> Python:
    """An interpreter of that version."""
    return Python(Path(path), numbers, ".".join(map(str, numbers)), missing)


def test_one_of_each_promised_version_the_oldest_first() -> None:
    found = [
        python(3, 13, 0),
        python(3, 11, 2),
        python(3, 10, 13),
        python(3, 11, 1),
        python(3, 11, 2, path="/other"),
        python(3, 11, 10),
    ]
    chosen = promised(iter(found))
    assert [one.version for one in chosen] == ["3.11.2", "3.11.10", "3.13.0"]
    assert chosen[0].path == Path("/usr/bin/python3")


def test_the_oldest_is_the_one_that_the_project_promises() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, OLDEST))


def test_a_python_without_a_module_is_named_with_it() -> None:
    assert unfit(python(3, 12, 1, missing=("ssl",))) == "it was built without ssl"
    assert unfit(python(3, 12, 1)) == ""


def test_an_interpreter_says_what_it_is() -> None:
    found = asked(Path(sys.executable))
    assert found is not None
    assert found.numbers == sys.version_info[:3]


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n", "no program"])
def test_what_is_no_python_is_left_out(tmp_path: Path, text: str) -> None:
    program = tmp_path / "python3"
    program.write_text(text)
    program.chmod(0o755)
    assert asked(program) is None


def test_an_interpreter_is_found_once_and_a_shim_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path(sys.executable).resolve()
    for place, name in (("a", "python3"), ("b", "python3.11"), ("shims", "python3"), ("b", "python3-config")):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / name).symlink_to(real)
    monkeypatch.setenv("PATH", ":".join(str(tmp_path / one) for one in ("a", "b", "shims")))
    monkeypatch.setattr(pythons, "pyenv", list)
    here = [one for one in interpreters() if tmp_path in one.path.parents]
    assert [one.path for one in here] == [tmp_path / "a" / "python3"]


def test_a_failed_installation_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\necho 'no wheel of  orjson' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(pythons, "UV", program)
    monkeypatch.setenv("VAULT_ISSUER_CACHE", str(tmp_path / "cache"))
    told = pythons.furnish(python(3, 12, 1))
    assert told == "the locked packages can't be installed for it: no wheel of orjson"


@pytest.mark.parametrize(
    ("extra", "code", "ended"),
    [([], 0, 0), ([], 1, 1), ([], 5, 5), ([LAST_FAILED], 5, 0), ([LAST_FAILED], 1, 1)],
)
def test_values_are_shown_of_what_failed_and_is_run_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: list[str], code: int, ended: int
) -> None:
    """The first run has plain asserts; in the second a Python on which nothing had failed runs nothing."""
    monkeypatch.setenv("VAULT_ISSUER_CACHE", str(tmp_path))
    program = pythons.environment(python(3, 12, 1)) / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    program.chmod(0o755)
    ran = pythons.tested(pythons.share_of(python(3, 12, 1)), extra)
    assert ran.code == ended
    assert ("--assert=plain" in (ran.output or "")) == (not extra)
