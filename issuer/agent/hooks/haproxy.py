"""Certificates of a running HAProxy, replaced by its runtime socket.

HAProxy has one transaction at a time, about one file ("The ongoing transaction is about ..."). So each new
certificate is first offered and taken away again, which tells whether HAProxy reads it; then each is put to
use, and if one isn't, those before it get their old ones again.

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
class KeyAndCertificates:
    """A PEM with the key, and the serial number of its certificate."""

    pem: bytes = field(repr=False)
    serial: int


@dataclass(frozen=True, slots=True)
class Replacement:
    """One certificate: HAProxy's name for it, the new one, and the old one if it is still there."""

    file: str
    new: KeyAndCertificates
    old: KeyAndCertificates | None = None


async def replace_certificates(
    path: Path, user: HookUser, all_of_them: Sequence[Replacement], seconds: float
) -> None:
    """Replace all certificates, and see that HAProxy has them; where one fails, give the others back.

    One that is not read leaves all as they were. One that fails later leaves new ones only where the old one
    is no longer on the disk, or HAProxy had another one, or doesn't take it back: the error names them.
    Keys are sent: the socket's server has to be root, the agent's user or `user`. Each way takes `seconds`
    at most. Raises NotRunning, HookUnsafe, ConsumerRefused with HAProxy's own words.
    """
    talk = _RuntimeSocket(path, user)
    begun: list[tuple[Replacement, int | None]] = []
    failure: HookFailed
    try:
        async with asyncio.timeout(seconds):
            for one in all_of_them:
                await talk.offer(one)
            for one in all_of_them:
                begun.append((one, await talk.serial(one.file)))
                await talk.put(one.file, one.new)
        return
    except TimeoutError:
        failure = ConsumerRefused(f'HAProxy doesn\'t answer at "{path}" in {seconds:g} s')
    except HookFailed as error:
        failure = error
    left = [one.file for one, _ in begun]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for one in all_of_them:  # the one at which it failed may be offered still
                with suppress(HookFailed):
                    await talk.abort(one.file)
            for one, had in reversed(begun):
                with suppress(HookFailed):
                    if await talk.has_again(one, had):
                        left.remove(one.file)
    raise type(failure)(f"{failure}{_told(begun, left)}") from failure


async def check_runtime(path: Path, user: HookUser, files: Sequence[str], seconds: float) -> None:
    """Prove that HAProxy is there and uses a certificate of each name in `files`; changes nothing.

    Raises NotRunning, HookUnsafe, HookFailed.
    """
    talk = _RuntimeSocket(path, user)
    try:
        async with asyncio.timeout(seconds):
            unknown = [file for file in files if await talk.serial(file) is None]
    except TimeoutError as error:
        raise HookFailed(f'HAProxy doesn\'t answer at "{path}" in {seconds:g} s') from error
    if unknown:
        raise HookFailed(
            f"HAProxy has no certificate {', '.join(unknown)}: give it as its configuration does, or as "
            '"show ssl cert" prints it'
        )


def _told(begun: Sequence[tuple[Replacement, int | None]], left: Sequence[str]) -> str:
    if left:
        return f". It may have the new certificates of {', '.join(left)}: reload it"
    return ". It has all of its old certificates" if len(begun) > 1 else ""


class _RuntimeSocket:
    """The runtime socket: one connection a command."""

    def __init__(self, path: Path, user: HookUser) -> None:
        self._path = path
        self._user = user

    async def offer(self, one: Replacement) -> None:
        """See whether HAProxy reads the new certificate; it keeps the old one. Raises HookFailed."""
        await self._set(one.file, one.new)
        await self.abort(one.file)

    async def put(self, file: str, made: KeyAndCertificates) -> None:
        """Put a certificate to use, and see that HAProxy has it. Raises HookFailed."""
        await self._set(file, made)
        answer = await self._ask(f"commit ssl cert {file}\n".encode())
        if "Success!" not in answer:
            raise ConsumerRefused(f'HAProxy doesn\'t put "{file}" to use: {one_line(answer, 400)}')
        if await self.serial(file) != made.serial:
            raise ConsumerRefused(f'HAProxy took "{file}" and still has another certificate')

    async def has_again(self, one: Replacement, had: int | None) -> bool:
        """Give the old certificate back if it is the one that HAProxy had, of the serial number `had`.

        Returns False if it has another one now. Raises HookFailed.
        """
        if await self.serial(one.file) != had and one.old is not None and one.old.serial == had:
            await self.put(one.file, one.old)
        return await self.serial(one.file) == had

    async def serial(self, file: str) -> int | None:
        """Return the serial number of the certificate that HAProxy uses, None if it has none of that name."""
        found = _SERIAL.search(await self._ask(f"show ssl cert {file}\n".encode()))
        return None if found is None else int(found[1], 16)

    async def abort(self, file: str) -> None:
        """End a transaction about the file, if there is one."""
        await self._ask(f"abort ssl cert {file}\n".encode())

    async def _set(self, file: str, made: KeyAndCertificates) -> None:
        # An empty line ends the certificate.
        lines = b"\n".join(line for line in made.pem.splitlines() if line.strip())
        answer = await self._ask(b"set ssl cert " + file.encode() + b" <<\n" + lines + b"\n\n")
        if "Transaction created" not in answer and "Transaction updated" not in answer:
            raise ConsumerRefused(
                f'HAProxy doesn\'t take the certificate "{file}": {one_line(answer, 400)}. Its '
                'names are those of "show ssl cert"'
            )

    async def _ask(self, command: bytes) -> str:
        """Return the whole answer to one command."""
        need_trusted(self._path.parent, "folder of the socket", self._user)  # Debian's is haproxy's own
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
