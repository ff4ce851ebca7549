"""Progress of long work: one line that updates on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

LINE_EVERY_SECONDS = 15.0
REDRAW_EVERY_SECONDS = 0.2


def spoken(seconds: float) -> str:
    """A length of time as people say it: ``42 s``, ``3 min 05 s``."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class Progress:
    """Reports one piece of work to a stream (stderr by default).

    ``update`` may be called as often as there is news, and when there is none, to keep the clock moving.
    """

    def __init__(
        self, title: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._started = clock()
        self._shown = self._started
        self._stage_started = self._started
        self._stage = ""
        self._open_line = False

    def say(self, text: str) -> None:
        """A line of its own."""
        self._end_line()
        print(f"{self._title}: {text}", file=self._stream, flush=True)

    def stage(self, name: str) -> None:
        """Begin a stage, from which the time left is reckoned."""
        self._stage = name
        self._stage_started = self._clock()
        if not self._terminal:
            self.say(name)

    def update(self, done: int, total: int | None = None) -> None:
        """Say how far the stage is; ``total`` None when that isn't known."""
        now = self._clock()
        if now - self._shown < (REDRAW_EVERY_SECONDS if self._terminal else LINE_EVERY_SECONDS):
            return
        self._shown = now
        text = f"{self._title}: {self._line(done, total, now)}"
        if self._terminal:
            self._stream.write(f"\r\x1b[2K{text[:100]}")
            self._open_line = True
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def _line(self, done: int, total: int | None, now: float) -> str:
        elapsed = spoken(now - self._started)
        if total is None:
            return f"{self._stage}: {done}, {elapsed}"
        if done >= total or total <= 1:
            return f"linking, {elapsed}"
        text = f"{self._stage}: {done}/{total}, {elapsed}"
        if done >= 10:
            text += f", about {spoken((now - self._stage_started) / done * (total - done))} left"
        return text

    def finish(self, text: str) -> None:
        """The last line: what came out, and how long it took."""
        self.say(f"{text} ({spoken(self._clock() - self._started)})")

    def _end_line(self) -> None:
        if self._open_line:
            self._stream.write("\r\x1b[2K")
            self._open_line = False
