"""Standard output that can't be written: said in a sentence, and no act is left half done."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator

import pytest
import typer

from issuer.cli.streams import finished_without_output, output_errors_told

TAKEN = 100_000
"""Characters, more than any buffer on the way holds."""


Point = Callable[..., None]


@pytest.fixture
def to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Point]:
    """Point standard output to a file descriptor, which is closed afterwards."""
    opened: list[int] = []

    def point(number: int, encoding: str = "utf-8") -> None:
        opened.append(number)
        stream = os.fdopen(number, "w", encoding=encoding, closefd=False)
        monkeypatch.setattr("sys.__stdout__", stream)
        monkeypatch.setattr("sys.stdout", stream)

    yield point
    for number in opened:
        os.close(number)


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def code_of(act: Callable[[], None]) -> int | str | None:
    def app() -> None:  # as Typer's: it ends by an exit code
        act()
        sys.exit(0)

    with pytest.raises(SystemExit) as ended, output_errors_told():
        app()
    sys.stdout.flush()  # as Python does at its end
    return ended.value.code


@pytest.mark.parametrize("size", [1, TAKEN])
@pytest.mark.parametrize("flushed", [True, False])
def test_a_full_disk_is_a_sentence_and_not_a_traceback(
    to: Point, capfd: pytest.CaptureFixture[str], size: int, flushed: bool
) -> None:
    to(full_disk())
    assert code_of(lambda: typer.echo("x" * size) if flushed else print("x" * size)) == 1
    said = capfd.readouterr().err
    assert said == (
        "Error: standard output can't be written: No space left on device; what is there isn't whole\n"
    )


def test_a_reader_that_went_away_is_no_news(to: Point, capfd: pytest.CaptureFixture[str]) -> None:
    async def tell() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(typer.echo, "x"))

    for act in (lambda: print("x"), lambda: asyncio.run(tell())):
        to(closed_pipe())
        assert code_of(act) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("output", [full_disk, closed_pipe])
def test_what_was_begun_is_finished_without_output(
    to: Point, capfd: pytest.CaptureFixture[str], output: Callable[[], int]
) -> None:
    done: list[int] = []

    def act() -> None:
        with finished_without_output():
            for number in range(3):
                typer.echo(f"{number} is done")
                done.append(number)

    to(output())
    assert code_of(act) == 1
    assert done == [0, 1, 2]
    assert capfd.readouterr().err.count("what was begun is finished without it") == 1


def test_streams_that_a_caller_closed_are_those_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{name}", None)
        monkeypatch.setattr(f"sys.__{name}__", None)
    assert code_of(lambda: print(sys.stdin.isatty(), sys.stdin.read())) == 0


def test_a_mistake_of_ours_is_not_hidden(to: Point) -> None:
    to(full_disk())
    with pytest.raises(FileNotFoundError), output_errors_told():
        raise FileNotFoundError


def test_a_character_that_the_encoding_lacks_is_an_escape(to: Point) -> None:
    reader, writer = os.pipe()
    to(writer, "ascii")
    assert code_of(lambda: print("1f:0a…")) == 0
    assert os.read(reader, 100) == b"1f:0a\\u2026\n"
    os.close(reader)
