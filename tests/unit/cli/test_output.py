"""What commands print beside their own words."""

from __future__ import annotations

import asyncio
import os
import signal
import warnings
from typing import Any

import pytest
import typer

from issuer.cli.output import agreed, report_bad_input


@pytest.mark.parametrize(
    "said",
    ["Attribute's length must be >= 2 and <= 2", "Parsed a serial number which wasn't positive (i.e., ...)"],
)
def test_the_library_says_nothing_of_careless_certificates(said: str) -> None:
    with report_bad_input(1):
        warnings.warn(said, stacklevel=1)
    with pytest.raises(UserWarning, match="something else"), report_bad_input(1):
        warnings.warn("something else", stacklevel=1)


def test_one_ctrl_c_ends_a_question_in_a_running_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> bool:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise typer.Abort from None
        return True

    async def asked() -> bool:
        return agreed("Apply?")

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert asyncio.run(asked()) is False
    assert signal.getsignal(signal.SIGINT) is before
