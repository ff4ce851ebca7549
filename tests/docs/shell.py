"""A bash that a page's blocks are typed into, one after the other, as on a reader's terminal."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from testbed.cluster import REPOSITORY
from tests.docs.console import Block, difference


def _own_environment() -> dict[str, str]:
    """This process's, without what make tells the makes that it runs: they would say more than a reader's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


class Shell:
    """What one block sets (variables, files, the folder it goes to), the next one has.

    Args:
        folder: where files are written; the repository's folders that pages name are linked into it.
        env: what the terminal has set.
        replaced: text of the page by what stands for it here: addresses, mostly.
    """

    def __init__(
        self, folder: Path, env: Mapping[str, str], replaced: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._replaced = dict(replaced or {})
        self._log, self._script = folder / ".output", folder / ".typed"
        for name in ("charts", "config"):
            (folder / name).symlink_to(REPOSITORY / name)
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={**_own_environment(), "HOME": str(folder), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def type(self, block: Block) -> None:
        """Run a block; the test fails where it ends or prints otherwise than the page says."""
        for step in block.steps:
            printed = self.run(step.script, block.exit_code, block.where, stop=not block.prompted)
            wrong = difference([self._adapted(line) for line in step.shown], printed)
            if wrong is not None:
                pytest.fail(f"{block.where}: {step.script}\n{wrong}", pytrace=False)

    def run(self, script: str, code: int = 0, where: str = "", *, stop: bool = True) -> str:
        """Run a script, at whose first failure it stops or goes on; what it printed."""
        self._script.write_text(self._adapted(script) + "\n", encoding="utf-8")
        before, after = ("set -e -o pipefail", "set +e +o pipefail") if stop and not code else ("", "")
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        line = f"source '{self._script}' </dev/null >'{self._log}' 2>&1; _code=$?; echo $_code"
        self._bash.stdin.write(f"{before}\n{line}\n{after}\n")
        self._bash.stdin.flush()
        ended = self._bash.stdout.readline().strip()
        printed = self._log.read_text(encoding="utf-8")
        if ended != str(code):
            said = f"exit code {ended or 'not 0'}, not {code}"
            pytest.fail(f"{where}: {script}\n{said}; it printed\n{printed}", pytrace=False)
        return printed

    def _adapted(self, text: str) -> str:
        for old, new in self._replaced.items():
            text = text.replace(old, new)
        return text

    def close(self) -> None:
        """End it, and whatever it left running in its own group."""
        if self._bash.poll() is None:
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        for stream in (self._bash.stdin, self._bash.stdout):
            if stream is not None:
                stream.close()
