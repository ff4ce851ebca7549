"""Certificates by HAProxy's runtime socket: all of them, or as far back as can be.

The socket is a stand-in that has one transaction at a time, as HAProxy does; a real one is in
tests/agent/test_hooks.py.
"""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from issuer.agent.hooks.errors import ConsumerRefused, HookFailed
from issuer.agent.hooks.haproxy import KeyAndCertificates, Replacement, replace_certificates
from issuer.agent.hooks.users import hook_user

ONGOING = "The ongoing transaction is about '{}' but you are trying to set '{}'\n"


@dataclass
class Runtime:
    """Serial numbers in use by file, and the transaction; `fault` may answer in the place of a command."""

    used: dict[str, int]
    fault: Callable[[str, str], str | None] = lambda _verb, _file: None
    pending: tuple[str, int] | None = None
    said: list[str] = field(default_factory=list)

    def answer(self, text: str) -> str:
        verb, file = re.match(r"(\w+) ssl cert (\S+)", text).groups()  # type: ignore[union-attr]
        self.said.append(f"{verb} {file}")
        if (odd := self.fault(verb, file)) is not None:
            return odd
        if file not in self.used:
            return "Can't replace a certificate which is not referenced by the configuration!\n"
        if verb == "set":
            if self.pending is not None and self.pending[0] != file:
                return ONGOING.format(self.pending[0], file)
            self.pending = (file, int(text.splitlines()[1], 16))
            return f"Transaction created for certificate {file}!\n"
        if verb == "show":
            return f"Filename: {file}\nSerial: {self.used[file]:X}\n"
        pending, self.pending = self.pending, None
        if pending is None or pending[0] != file:
            self.pending = pending
            return "No ongoing transaction!\n"
        if verb == "commit":
            self.used[file] = pending[1]
            return "Committing\nSuccess!\n"
        return "Transaction aborted\n"


@asynccontextmanager
async def listening(runtime: Runtime, folder: Path) -> AsyncIterator[Path]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = (await reader.readline()).decode()
        if text.endswith("<<\n"):
            text += (await reader.readuntil(b"\n\n")).decode()
        writer.write(runtime.answer(text).encode())
        writer.close()

    async with await asyncio.start_unix_server(handle, str(folder / "s")):
        yield folder / "s"


def made(serial: int) -> KeyAndCertificates:
    return KeyAndCertificates(f"{serial:x}\n".encode(), serial)


def replacements(*files: str) -> list[Replacement]:
    return [Replacement(file, made(20 + number), made(10 + number)) for number, file in enumerate(files)]


async def replaced(runtime: Runtime, folder: Path, new: list[Replacement], seconds: float = 60.0) -> None:
    async with listening(runtime, folder) as path:
        await replace_certificates(path, hook_user(getpass.getuser()), new, seconds)


def refuses_to_commit(name: str) -> Callable[[str, str], str | None]:
    return lambda verb, file: "no\n" if (verb, file) == ("commit", name) else None


async def test_all_are_replaced_one_transaction_at_a_time(tmp_path: Path) -> None:
    runtime = Runtime({"a": 10, "b": 11})
    await replaced(runtime, tmp_path, replacements("a", "b"))
    assert runtime.used == {"a": 20, "b": 21}
    assert runtime.pending is None


async def test_one_that_is_not_read_leaves_all_as_they_were(tmp_path: Path) -> None:
    runtime = Runtime({"a": 10})
    with pytest.raises(ConsumerRefused, match='doesn\'t take the certificate "b"'):
        await replaced(runtime, tmp_path, replacements("a", "b"))
    assert runtime.used == {"a": 10}
    assert runtime.pending is None
    assert "commit a" not in runtime.said


async def test_one_that_is_not_put_to_use_gives_the_others_back(tmp_path: Path) -> None:
    runtime = Runtime(
        {"a": 10, "b": 11}, lambda verb, file: "no\n" if (verb, file) == ("commit", "b") else None
    )
    with pytest.raises(ConsumerRefused, match=r'put "b" to use: no\. It has all of its old certificates$'):
        await replaced(runtime, tmp_path, replacements("a", "b"))
    assert runtime.used == {"a": 10, "b": 11}
    assert runtime.pending is None


async def test_what_can_not_be_given_back_is_named(tmp_path: Path) -> None:
    runtime = Runtime(
        {"a": 9, "b": 11}, lambda verb, file: "no\n" if (verb, file) == ("commit", "b") else None
    )
    with pytest.raises(ConsumerRefused, match=r"It may have the new certificates of a: reload it$"):
        await replaced(runtime, tmp_path, replacements("a", "b"))
    assert runtime.used == {"a": 20, "b": 11}


async def test_other_certificate_than_the_new_one_is_noticed(tmp_path: Path) -> None:
    runtime = Runtime({"a": 10}, lambda verb, _: "Success!" if verb == "commit" else None)
    with pytest.raises(HookFailed, match='took "a" and still has another certificate'):
        await replaced(runtime, tmp_path, replacements("a"))


async def test_silence_is_named_with_what_it_may_have(tmp_path: Path) -> None:
    over = asyncio.Event()

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    async with await asyncio.start_unix_server(handle, str(tmp_path / "s")):
        with pytest.raises(ConsumerRefused, match=r"HAProxy doesn't answer at .* in 0.05 s$"):
            await replace_certificates(tmp_path / "s", hook_user(getpass.getuser()), replacements("a"), 0.05)
        over.set()
        await asyncio.sleep(0.01)  # also a connection that was taken late ends in the next turns of the loop
