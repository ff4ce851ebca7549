"""What holds in every test: no controller on the testbed meets an error that nobody expected.

And what spares all of them time: fewer looks for garbage, and a command line that is built once.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from functools import cache

import pytest
import typer.main

from testbed.unexpected import LOGS
from tests.sizes import FULL, LONGER

# Tables and help follow it; a developer's window is no input of a test.
os.environ.pop("COLUMNS", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what is collected, nor in what is imported for it: all of it stays.

    It took a quarter of the collection, in every process of every tier.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `make test-full-size` alone runs, but for a test that is named on the command line."""
    left_out = [item for item in items if item.get_closest_marker(LONGER.name)]
    if left_out and not FULL and not any("::" in one for one in config.args):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(autouse=True, scope="session")
def _command_line_built_once() -> Iterator[None]:
    """Typer's runner builds every command anew for each run, which takes longer than most of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        yield


SHOWN = 2_000  # characters of a line: a traceback with its paths


@pytest.fixture(autouse=True, scope="session")
def _nothing_unexpected_at_the_end() -> Iterator[None]:
    """What the controllers that outlived the last test logged."""
    yield
    _none_of(LOGS.news())


@pytest.fixture(autouse=True)
def _nothing_unexpected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in which a controller logged an unexpected error; `unexpected_errors` says it may."""
    yield
    found = LOGS.news()
    if request.node.get_closest_marker("unexpected_errors") is None:
        _none_of(found)


def _none_of(lines: list[str]) -> None:
    assert not lines, "a controller met an unexpected error:\n" + "\n".join(one[:SHOWN] for one in lines)
