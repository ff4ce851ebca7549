"""Words said before TLS begins, by protocol. Answers are bounded, and at most a line of them is shown."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from issuer.endpoint.address import StartTls
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.text import one_line

_MOST: Final = 16 << 10
"""Bytes of the longest answer that is read: greetings and lists of capabilities take under 2 KiB."""
_LDAP_OID: Final = b"1.3.6.1.4.1.1466.20037"  # RFC 4511, section 4.14.1
# ExtendedRequest [APPLICATION 23] with requestName [0], in an LDAPMessage with the ID 1.
_LDAP_REQUEST: Final = (
    bytes([0x30, len(_LDAP_OID) + 7, 0x02, 0x01, 0x01, 0x77, len(_LDAP_OID) + 2, 0x80, len(_LDAP_OID)])
    + _LDAP_OID
)
_MYSQL_PROTOCOL: Final = 10
_MYSQL_ERROR: Final = 0xFF
_MYSQL_SSL: Final = 0x0800  # CLIENT_SSL
# SSLRequest, packet 1: CLIENT_PROTOCOL_41, CLIENT_SSL and CLIENT_SECURE_CONNECTION, 16 MiB, utf8, 23 zeros.
_MYSQL_REQUEST: Final = bytes.fromhex("20000001008a00000000000121") + bytes(23)
_POSTGRES_REQUEST: Final = bytes.fromhex("0000000804d2162f")  # SSLRequest: length 8, code 80877103


class _Talk:
    """A conversation in the clear over one socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._read = 0

    async def say(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    async def bytes(self, count: int) -> bytes:
        """Read exactly so many bytes: what follows may be TLS already."""
        found = b""
        while len(found) < count:
            data = await self._loop.sock_recv(self._sock, count - len(found))
            if not data:
                raise _refused("it closed the connection")
            found += data
        self._read += count
        if self._read > _MOST:
            raise _refused("it says too much")
        return found

    async def line(self) -> str:
        """Read one line without its end, byte by byte: the server waits, so nothing else is on its way."""
        found = b""
        while not found.endswith(b"\n"):
            found += await self.bytes(1)
        return found.decode("utf-8", "replace").rstrip("\r\n")


async def begin_tls(sock: socket.socket, protocol: StartTls) -> None:
    """Say what the protocol wants before TLS. Raises DialFailed, OSError."""
    await _WAYS[protocol](_Talk(sock))


async def _smtp(talk: _Talk) -> None:
    """RFC 3207."""
    await _smtp_reply(talk, "220")
    await talk.say(b"EHLO localhost\r\n")
    offered = await _smtp_reply(talk, "250")
    if "STARTTLS" not in {line[4:].strip().upper() for line in offered}:
        raise _refused("its answer to EHLO doesn't offer STARTTLS")
    await talk.say(b"STARTTLS\r\n")
    await _smtp_reply(talk, "220")


async def _smtp_reply(talk: _Talk, code: str) -> list[str]:
    lines = []
    while True:
        line = await talk.line()
        lines.append(line)
        if not line.startswith(code):
            raise _refused(f'it says "{one_line(line, 200)}"')
        if line[3:4] != "-":
            return lines


async def _imap(talk: _Talk) -> None:
    """RFC 9051, section 6.2.1."""
    greeting = await talk.line()
    if not greeting.upper().startswith("* OK"):
        raise _refused(f'it says "{one_line(greeting, 200)}"')
    await talk.say(b"a1 STARTTLS\r\n")
    while not (line := await talk.line()).startswith("a1 "):
        pass
    if not line.upper().startswith("A1 OK"):
        raise _refused(f'it says "{one_line(line, 200)}"')


async def _pop3(talk: _Talk) -> None:
    """RFC 2595, section 4."""
    for words in (b"", b"STLS\r\n"):
        await talk.say(words)
        line = await talk.line()
        if not line.startswith("+OK"):
            raise _refused(f'it says "{one_line(line, 200)}"')


async def _ldap(talk: _Talk) -> None:
    """RFC 4511, section 4.14."""
    await talk.say(_LDAP_REQUEST)
    head = await talk.bytes(2)
    length = head[1]
    if length & 0x80:
        length = int.from_bytes(await talk.bytes(min(length & 0x7F, 4)), "big")
    if head[0] != 0x30 or not 0 < length <= _MOST:
        raise _refused("its answer is not LDAP's")
    body = await talk.bytes(length)
    # messageID, then ExtendedResponse [APPLICATION 24], whose first element is the ENUMERATED resultCode.
    place = body.find(b"\x0a\x01")
    if body[:1] != b"\x02" or b"\x78" not in body[:6] or place < 0 or body[place + 2 : place + 3] != b"\0":
        raise _refused("it refuses the extended operation StartTLS")


async def _postgres(talk: _Talk) -> None:
    """https://www.postgresql.org/docs/current/protocol-flow.html, "SSL Session Encryption"."""
    await talk.say(_POSTGRES_REQUEST)
    answer = await talk.bytes(1)
    if answer != b"S":
        raise _refused("it has TLS switched off" if answer == b"N" else "its answer is not PostgreSQL's")


async def _mysql(talk: _Talk) -> None:
    """https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html; MariaDB, too."""
    head = await talk.bytes(4)
    length = int.from_bytes(head[:3], "little")
    if head[3] or not 0 < length <= _MOST:
        raise _refused("its greeting is not MySQL's")
    body = await talk.bytes(length)
    if body[0] == _MYSQL_ERROR:
        raise _refused(f'it says "{one_line(body[3:].decode("utf-8", "replace"), 200)}"')
    # Protocol 10: the version ends with a zero; thread, salt and a filler have 13 bytes, then capabilities.
    at = body.find(b"\0") + 14
    if body[0] != _MYSQL_PROTOCOL or not 14 < at <= length - 2:
        raise _refused("its greeting is not MySQL's")
    if not int.from_bytes(body[at : at + 2], "little") & _MYSQL_SSL:
        raise _refused("it has TLS switched off")
    await talk.say(_MYSQL_REQUEST)


def _refused(detail: str) -> DialFailed:
    return DialFailed(DialCode.STARTTLS, detail)


_WAYS: Final[dict[StartTls, Callable[[_Talk], Awaitable[None]]]] = {
    StartTls.SMTP: _smtp,
    StartTls.IMAP: _imap,
    StartTls.POP3: _pop3,
    StartTls.LDAP: _ldap,
    StartTls.POSTGRES: _postgres,
    StartTls.MYSQL: _mysql,
}
