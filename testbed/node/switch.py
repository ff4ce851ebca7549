"""Stopping and starting kubelet from another process: the tests', which know only the command for it.

A file says what is wanted, another what is. Called as ``python -I -S switch.py FILE on|off``; the standard
library alone is imported by the command.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.node.kubernetes import KubeNode

_POLL_SECONDS = 0.1
_WAIT_SECONDS = 120.0


class Switch:
    """Does, in the process that owns kubelet, what the command asks for."""

    def __init__(self, file: Path, kubernetes: KubeNode) -> None:
        self._file = file
        self._kubernetes = kubernetes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kubelet-switch", daemon=True)

    def __enter__(self) -> Switch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def command(self, wanted: str) -> list[str]:
        """The command that turns kubelet ``on`` or ``off`` and returns when it is."""
        return [sys.executable, "-I", "-S", str(Path(__file__).absolute()), str(self._file), wanted]

    def _work(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            wanted = _read(self._file)
            if wanted in ("on", "off") and wanted != _read(_state(self._file)):
                if wanted == "off":
                    self._kubernetes.kubelet.stop()
                else:
                    self._kubernetes.start_kubelet()
                _state(self._file).write_text(wanted)


def _state(file: Path) -> Path:
    return file.with_suffix(".state")


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def main(file: Path, wanted: str) -> int:
    """Ask, and wait until it is so; 1 when it isn't after two minutes."""
    file.write_text(wanted)
    deadline = time.monotonic() + _WAIT_SECONDS
    while _read(_state(file)) != wanted:
        if time.monotonic() > deadline:
            return 1
        time.sleep(_POLL_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
