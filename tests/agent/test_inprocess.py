"""The Python API: servers and clients whose certificates renew themselves in memory."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.inprocess import (
    AppRole,
    Connection,
    RenewingCertificate,
    WantedCertificate,
    renewing_certificate,
    renewing_in_thread,
)
from issuer.vault.errors import VaultError
from tests.agent.support import Machine

HANG = 600.0
"""Seconds after which a test that waits is taken to hang."""
LOCAL = "127.0.0.1"
PEM = Encoding.PEM
ROOT = Path(__file__).parents[2]


def connection(machine: Machine) -> Connection:
    return Connection(machine.bao.addr, machine.bao.ca_file.read_bytes())


def login(machine: Machine) -> AppRole:
    read = {name: (machine.folder / name).read_text() for name in ("role-id", "secret-id")}
    return AppRole(read["role-id"], read["secret-id"])


def wanted(machine: Machine, ttl: timedelta = timedelta(hours=1)) -> WantedCertificate:
    return WantedCertificate(f"{machine.name}/sign/web", dns_names=("web.example.com",), ttl=ttl)


def renewed_soon(machine: Machine) -> WantedCertificate:
    """A certificate that is renewed after 4 s, and has 36 s left then: a busy machine lets none end."""
    return replace(wanted(machine, timedelta(seconds=40)), renew_at=0.1, jitter=0.0)


@pytest.fixture
async def certificate(machine: Machine) -> AsyncIterator[RenewingCertificate]:
    async with renewing_certificate(connection(machine), login(machine), wanted(machine)) as made:
        yield made


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, LOCAL, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def serial_served(port: int, context: ssl.SSLContext) -> int:
    """Talk on a new connection, and return the serial number of the server's certificate."""
    reader, writer = await asyncio.open_connection(
        LOCAL, port, ssl=context, server_hostname="web.example.com"
    )
    try:
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        shown = writer.get_extra_info("ssl_object").getpeercert()
        return int(shown["serialNumber"], 16)
    finally:
        writer.close()


async def test_short_lives_are_renewed_under_handshakes(machine: Machine) -> None:
    short = renewed_soon(machine)
    seen: set[int] = set()
    async with (
        asyncio.timeout(HANG),
        renewing_certificate(connection(machine), login(machine), short) as made,
        serving(made.server_context(client_auth=True)) as port,
    ):
        client = made.client_context()
        while len(seen) < 3:
            seen.add(await serial_served(port, client))
            await asyncio.sleep(0.02)  # as fast as they can handshakes took a processor for seconds


async def test_mutual_tls_demands_a_certificate_of_the_ca(certificate: RenewingCertificate) -> None:
    stranger = ssl.create_default_context(cadata=certificate.roots[0].public_bytes(PEM).decode())
    async with serving(certificate.server_context(client_auth=True)) as port:
        assert (
            await serial_served(port, certificate.client_context()) == certificate.certificate.serial_number
        )
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await serial_served(port, stranger)


async def test_new_root_is_trusted_beside_the_old_one(
    machine: Machine, certificate: RenewingCertificate
) -> None:
    server, client = certificate.server_context(), certificate.client_context()
    old = certificate.roots
    made = machine.bao.write(
        f"{machine.name}/root/generate/internal", {"common_name": "Second root", "ttl": "87600h"}
    )
    machine.bao.write(f"{machine.name}/config/issuers", {"default": made["issuer_id"]})
    before = ssl.create_default_context(cadata=old[0].public_bytes(PEM).decode())
    async with serving(server) as port:
        first = await serial_served(port, before)
        await certificate.renew()
        assert certificate.roots[1:] == old
        assert await serial_served(port, client) not in (first, 0)
        with pytest.raises(ssl.SSLError):
            await serial_served(port, before)


async def test_failed_renewal_keeps_the_old_certificate(
    machine: Machine, certificate: RenewingCertificate
) -> None:
    serial = certificate.certificate.serial_number
    machine.role(allowed_domains=["example.org"])
    with pytest.raises(VaultError):
        await certificate.renew()
    async with serving(certificate.server_context()) as port:
        assert await serial_served(port, certificate.client_context()) == serial


@contextmanager
def threaded_server(context: ssl.SSLContext) -> Iterator[int]:
    """A server with a listening socket that was wrapped once, as many synchronous ones have."""
    with socket.create_server((LOCAL, 0)) as plain, context.wrap_socket(plain, server_side=True) as listening:

        def accept() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(peer.recv(10))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(HANG)


def test_threads_serve_the_newest_certificate(machine: Machine) -> None:
    with renewing_in_thread(connection(machine), login(machine), renewed_soon(machine)) as made:
        renewed = threading.Event()
        made.on_renewed = lambda _: renewed.set()
        client = made.client_context()
        with threaded_server(made.server_context()) as port:
            serials = []
            for _ in range(2):
                with (
                    socket.create_connection((LOCAL, port)) as plain,
                    client.wrap_socket(plain, server_hostname="web.example.com") as peer,
                ):
                    peer.sendall(b"hello")
                    assert peer.recv(10) == b"hello"
                    shown = peer.getpeercert()
                    assert shown is not None
                    serials.append(shown["serialNumber"])
                renewed.clear()
                assert renewed.wait(HANG)
    assert serials[0] != serials[1]


def test_first_failure_is_raised(machine: Machine) -> None:
    wrong = AppRole("nobody", "nothing")
    with pytest.raises(VaultError), renewing_in_thread(connection(machine), wrong, wanted(machine)):
        pass


def test_example_of_the_page_is_run_as_it_stands(machine: Machine) -> None:
    page = (ROOT / "docs" / "agent.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    for usual, own in (
        ("https://vault.example.com:8200", machine.bao.addr),
        ("/etc/vault-issuer/vault-ca.pem", str(machine.bao.ca_file)),
        ("/etc/vault-issuer/role-id", str(machine.folder / "role-id")),
        ("/etc/vault-issuer/secret-id", str(machine.folder / "secret-id")),
        ("pki_int/sign/web", f"{machine.name}/sign/web"),
    ):
        assert usual in example
        example = example.replace(usual, own)
    path = machine.folder / "example.py"
    path.write_text(example)
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False, timeout=HANG)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("b'hello'\n")  # after lines of the log
