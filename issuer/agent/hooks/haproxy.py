"""Certificates of a running HAProxy, replaced by its runtime socket.

Source: https://docs.haproxy.org/2.6/management.html#9.3-set%20ssl%20cert
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from issuer.agent.hooks.errors import ConsumerRefused, HookFailed, HookUnsafe, NotRunning
from issuer.agent.hooks.users import HookUser, need_trusted
from issuer.text import one_line

_MOST: Final = 1 << 20
"""Bytes of the longest answer that is read."""
_SERIAL: Final = re.compile(r"^Serial: ([0-9A-Fa-f]+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Replacement:
    """One certificate: HAProxy's name for it, its new PEM with the key, and its serial number."""

    file: str
    pem: bytes = field(repr=False)
    serial: int


async def replace_certificates(
    path: Path, user: HookUser, new: Sequence[Replacement], seconds: float
) -> None:
    """Replace all certificates or none, and see that HAProxy has them.

    Keys are sent: the socket's server has to be root, the agent's user or `user`. Raises NotRunning,
    HookUnsafe, ConsumerRefused with HAProxy's own words.
    """
    talk = _RuntimeSocket(path, user)
    try:
        async with asyncio.timeout(seconds):
            try:
                for one in new:
                    await talk.set(one)
                for one in new:
                    await talk.commit(one)
            except HookFailed:
                for one in new:
                    with suppress(HookFailed):
                        await talk.ask(f"abort ssl cert {one.file}\n".encode())
                raise
            for one in new:
                await talk.check(one)
    except TimeoutError as error:
        raise ConsumerRefused(f'HAProxy doesn\'t answer at "{path}" in {seconds:g} s') from error


class _RuntimeSocket:
    """The runtime socket: one connection a command."""

    def __init__(self, path: Path, user: HookUser) -> None:
        self._path = path
        self._user = user

    async def set(self, one: Replacement) -> None:
        # An empty line ends the certificate.
        lines = b"\n".join(line for line in one.pem.splitlines() if line.strip())
        answer = await self.ask(b"set ssl cert " + one.file.encode() + b" <<\n" + lines + b"\n\n")
        if "Transaction created" not in answer and "Transaction updated" not in answer:
            raise ConsumerRefused(
                f'HAProxy doesn\'t take the certificate "{one.file}": {one_line(answer, 400)}. Its '
                'names are those of "show ssl cert"'
            )

    async def commit(self, one: Replacement) -> None:
        answer = await self.ask(f"commit ssl cert {one.file}\n".encode())
        if "Success!" not in answer:
            raise ConsumerRefused(f'HAProxy doesn\'t put "{one.file}" to use: {one_line(answer, 400)}')

    async def check(self, one: Replacement) -> None:
        answer = await self.ask(f"show ssl cert {one.file}\n".encode())
        found = _SERIAL.search(answer)
        if found is None or int(found[1], 16) != one.serial:
            raise ConsumerRefused(f'HAProxy took "{one.file}" and still has another certificate')

    async def ask(self, command: bytes) -> str:
        """Return the whole answer to one command."""
        need_trusted(self._path.parent, "folder of the socket")
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(f'HAProxy isn\'t at "{self._path}": start it, or correct socket') from error
        except OSError as error:
            raise HookFailed(f'"{self._path}" can\'t be connected to: {error.strerror}') from error
        try:
            _check_server(writer.get_extra_info("socket"), self._path, self._user)
            writer.write(command)
            await writer.drain()
            data = b""
            while len(data) < _MOST and (more := await reader.read(65536)):
                data += more
            return data.decode("utf-8", "replace")
        except OSError as error:
            raise ConsumerRefused(f'HAProxy closed "{self._path}": {error.strerror}') from error
        finally:
            writer.transport.abort()


def _check_server(connected: socket.socket, path: Path, user: HookUser) -> None:
    """Refuse a socket that another user listens at: keys would be sent to it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid not in (0, user.uid):
        raise HookUnsafe(f'At "{path}" user {uid} listens, not root or {user.name}: nothing was sent')
