"""The words before TLS: those of a server that openssl's client understands, too, and those that refuse."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from issuer.endpoint.address import EndpointAddress, StartTls
from issuer.endpoint.dialing import DialOptions, dial
from issuer.endpoint.errors import DialCode, DialFailed
from tests.ca import TestCA
from tests.unit.endpoint.support import NAME, Preface, listening, server_context


def scripted(*turns: bytes | Callable[[bytes], bool]) -> Preface:
    """A server that says the bytes, and for each function waits for what it accepts."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn in turns:
            if isinstance(turn, bytes):
                writer.write(turn)
                await writer.drain()
                continue
            heard = b""
            while not turn(heard):
                if not (data := await reader.read(100)):
                    return
                heard += data

    return talk


def line(begin: bytes) -> Callable[[bytes], bool]:
    return lambda heard: begin in heard.upper() and heard.endswith(b"\n")


LDAP_OK = bytes.fromhex("300c02010178070a010004000400")
MYSQL = b"\x0a8.0.36\0" + bytes(13) + b"\0\x08" + bytes(30)
SERVERS = {
    StartTls.SMTP: scripted(
        b"220-mail\r\n220 ready\r\n",
        line(b"EHLO"),
        b"250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n",
        line(b"STARTTLS"),
        b"220 go\r\n",
    ),
    # openssl's client asks for the capabilities first, with a tag of its own.
    StartTls.IMAP: scripted(b"* OK ready\r\n", line(b"A1 STARTTLS"), b"* 1 EXISTS\r\na1 OK go\r\n"),
    StartTls.LDAP: scripted(lambda heard: len(heard) >= 31, LDAP_OK),
    StartTls.POP3: scripted(b"+OK ready\r\n", line(b"STLS"), b"+OK go\r\n"),
    StartTls.POSTGRES: scripted(lambda heard: len(heard) >= 8, b"S"),
}
REFUSALS = {
    "no offer": (StartTls.SMTP, scripted(b"220 a\r\n", line(b"EHLO"), b"250-a\r\n250 SIZE\r\n")),
    "busy": (StartTls.SMTP, scripted(b"421 too many\x1b[31m connections\r\n")),
    "no": (StartTls.IMAP, scripted(b"* OK a\r\n", line(b"STARTTLS"), b"a1 BAD unknown\r\n")),
    "bye": (StartTls.IMAP, scripted(b"* BYE full\r\n")),
    "endless": (StartTls.IMAP, scripted(b"* OK " + b"a" * 20_000)),
    "ldap error": (StartTls.LDAP, scripted(bytes.fromhex("300c02010178070a010204000400"))),
    "no ldap": (StartTls.LDAP, scripted(b"HTTP/1.1 400 Bad Request\r\n")),
    "ldap of no length": (StartTls.LDAP, scripted(b"\x30\x84\xff\xff\xff\xff")),
    "no pop3": (StartTls.POP3, scripted(b"+OK a\r\n", line(b"STLS"), b"-ERR no\r\n")),
    "mysql without": (StartTls.MYSQL, scripted(bytes([9 + 13 + 2, 0, 0, 0]) + b"\x0a8.0.36\0\0" + bytes(15))),
    "mysql error": (StartTls.MYSQL, scripted(b"\x0b\0\0\0\xff\x6a\x04blocked\x1b")),
    "no mysql": (StartTls.MYSQL, scripted(b"HTTP/1.1 400 Bad Request\r\n")),
    "mysql cut": (StartTls.MYSQL, scripted(b"\x03\0\0\0\x0a8\0")),
    "off": (StartTls.POSTGRES, scripted(b"N")),
    "no postgres": (StartTls.POSTGRES, scripted(b"E")),
}


@pytest.mark.parametrize("protocol", list(SERVERS))
async def test_tls_begins_after_the_words(
    protocol: StartTls, tmp_path: Path, ca: TestCA, now: datetime
) -> None:
    context = server_context(tmp_path, ca, now)
    async with listening(context, SERVERS[protocol], protocol) as endpoint:
        served = await dial(endpoint, DialOptions(NAME, (ca.root,)))
    assert served.chain[1:] == (ca.intermediate,)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")
@pytest.mark.parametrize("protocol", [StartTls.SMTP, StartTls.POP3, StartTls.LDAP, StartTls.POSTGRES])
async def test_openssl_understands_the_same_servers(
    protocol: StartTls, tmp_path: Path, ca: TestCA, now: datetime
) -> None:
    context = server_context(tmp_path, ca, now)
    async with listening(context, SERVERS[protocol], protocol) as endpoint:
        words = ["s_client", "-starttls", protocol, "-connect", str(endpoint)]
        process = await asyncio.create_subprocess_exec(
            "openssl",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert b"CN = Test Intermediate" in output


async def test_tls_follows_mysqls_request_at_once(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    """No word comes between: a server that reads further has the handshake's first bytes."""
    context = server_context(tmp_path, ca, now)

    def serve(listener: socket.socket) -> bytes:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(bytes([len(MYSQL), 0, 0, 0]) + MYSQL)
            request = sock.recv(36, socket.MSG_WAITALL)
            with context.wrap_socket(sock, server_side=True):
                return request

    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = EndpointAddress("127.0.0.1", listener.getsockname()[1], StartTls.MYSQL)
        request, served = await asyncio.gather(
            asyncio.to_thread(serve, listener), dial(endpoint, DialOptions(NAME, (ca.root,)))
        )
    assert served.chain[1:] == (ca.intermediate,)
    assert (request[:4], int.from_bytes(request[4:8], "little") & 0x0A00) == (b"\x20\0\0\1", 0x0A00)


@pytest.mark.parametrize("name", REFUSALS)
async def test_refusal_is_told(name: str) -> None:
    protocol, server = REFUSALS[name]

    async def then_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server(reader, writer)
        writer.close()

    async with listening(None, then_closed, protocol) as endpoint:
        with pytest.raises(DialFailed) as caught:
            await dial(endpoint)
    assert caught.value.code is DialCode.STARTTLS
    assert caught.value.detail.isprintable()
