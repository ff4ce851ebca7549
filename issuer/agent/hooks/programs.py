"""A program without a shell: its user, environment, output and time are bounded."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from issuer.agent.config.consumers import UnitHook
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed
from issuer.agent.hooks.users import HookUser, need_trusted
from issuer.text import one_line

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_OUTPUT: Final = 16 << 20
"""Bytes that a hook may print; more of it is taken for one that never ends."""
_INTERPRETER: Final = re.compile(
    r"(ba|da|k|z|a)?sh|busybox|(python|perl|ruby|node|php)[0-9.]*|env|nice|ionice|nohup|setsid|timeout|flock"
)
_UMASK: Final = 0o077
"""The service's; by hand, too, so that a hook does the same. What a script makes of a key is closed."""
_SHOWN: Final = 4096
_CHUNK: Final = 64 << 10
_PIPE_GRACE: Final = 0.5
"""Seconds for the rest of the output after the program's end: what it started may keep the pipe open."""


class ProgramTimeout(ConsumerRefused):
    """The program was ended because it took too long, or printed too much."""


async def run_program(
    words: Sequence[str], user: HookUser, seconds: float, variables: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end as a user, in `/`, with no input.

    It and what it started are killed after `seconds` and after 16 MiB of output. Raises ConsumerRefused with
    the end of its output if its exit code isn't 0, HookUnsafe if others may write the program.
    """
    program = Path(words[0])
    _need_trusted(words, user)
    tail = _Tail()
    async with tail.pipe() as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd="/",
                env=_environment(user, variables or {}),
                start_new_session=True,
                umask=_UMASK,
                **_as(user),
            )
        except OSError as error:
            raise HookFailed(f'"{program}" can\'t be run: {error.strerror}') from error
        finally:
            os.close(output)
        try:
            async with asyncio.timeout(seconds):
                await _ended(process, tail)
        except TimeoutError as error:
            raise ProgramTimeout(f'"{program}" was ended after {seconds:g} s{tail.shown()}') from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
    if tail.flooded:
        raise ProgramTimeout(f'"{program}" was ended: it printed more than {MAX_OUTPUT >> 20} MiB')
    if process.returncode:
        raise ConsumerRefused(f'"{program}" ended with code {process.returncode}{tail.shown()}')


async def _ended(process: asyncio.subprocess.Process, tail: _Tail) -> None:
    """Wait for the end of the program, or for too much output."""
    waits = {asyncio.create_task(process.wait()), asyncio.create_task(tail.flood.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()


def _scripts(words: Sequence[str]) -> tuple[Path, ...]:
    """Return the files that an interpreter is to run: those of its arguments that are paths of files."""
    if _INTERPRETER.fullmatch(Path(words[0]).name) is None:
        return ()
    return tuple(Path(word) for word in words[1:] if word.startswith("/") and Path(word).is_file())


def _need_trusted(words: Sequence[str], user: HookUser) -> None:
    """Raise HookUnsafe if others may write the program or a script; one's own user may write a script."""
    need_trusted(Path(words[0]), "program")
    for script in _scripts(words):
        need_trusted(script, "script", user)


def check_program(words: Sequence[str], user: HookUser) -> None:
    """Prove that there is such a program, and that nobody else may write it, or a script that it runs.

    Raises HookFailed, HookUnsafe.
    """
    program = Path(words[0])
    _need_trusted(words, user)
    if not program.is_file():
        raise HookFailed(f'There is no program "{program}": install it, or correct its path')
    if not os.access(program, os.X_OK):
        raise HookFailed(f'The program "{program}" may not be run: run "chmod +x" on it')


class _Tail:
    """The end of a program's output; all of it is read, so that the program never waits for a reader."""

    def __init__(self) -> None:
        self._kept = b""
        self._count = 0
        self.flood = asyncio.Event()

    @property
    def flooded(self) -> bool:
        return self.flood.is_set()

    @asynccontextmanager
    async def pipe(self) -> AsyncIterator[int]:
        """Give the end of a pipe to write to, for the caller to close; the rest is read for a moment after.

        A pipe of one's own: asyncio's stays open as long as a child of the program has it.
        """
        stream = asyncio.StreamReader()
        end, begin = os.pipe()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(end, "rb", 0)
        )
        reading = asyncio.create_task(self._read(stream))
        try:
            yield begin
            await asyncio.wait({reading}, timeout=_PIPE_GRACE)
        finally:
            transport.close()
            reading.cancel()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(_CHUNK):
            self._kept = (self._kept + data)[-_SHOWN:]
            self._count += len(data)
            if self._count > MAX_OUTPUT:
                self.flood.set()
                return

    def shown(self) -> str:
        """Return the last lines as the end of a sentence."""
        lines = self._kept.decode("utf-8", "replace").strip().splitlines()
        return f": {one_line('; '.join(lines[-3:]), 400)}" if lines else ", and printed nothing"


def systemctl(hook: UnitHook) -> tuple[str, ...]:
    """Return the command that speaks to the manager of a unit. Raises HookFailed."""
    found = shutil.which("systemctl")
    if found is None:
        raise HookFailed("There is no systemctl here: use command, or signal with the server's pid file")
    return (found, *(("--user",) if hook.user_unit else ()))


def _as(user: HookUser) -> dict[str, Any]:
    if user.is_own:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": os.getgrouplist(user.name, user.gid)}


def _environment(user: HookUser, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment: nothing of the agent's own, which may hold a token."""
    runtime = f"/run/user/{user.uid}"
    found = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": user.home, "USER": user.name, "LOGNAME": user.name}
    if os.path.isdir(runtime):  # noqa: PTH112
        found |= {"XDG_RUNTIME_DIR": runtime, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus"}
    return {**found, **variables}
