"""Asks again and again, in a thread, while a test does something else."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class AsksMeanwhile(ABC):
    """Asks once each `pause` seconds while it is `running`."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Ask in a thread meanwhile."""
        thread = threading.Thread(target=self._ask_on)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _ask_on(self) -> None:
        while not self._stop.wait(self._pause):
            self._ask()

    @abstractmethod
    def _ask(self) -> None:
        """Ask once."""
