"""An address that can't be listened at: the option, the cause, and what to do."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from issuer.agent.reporting.listening import metrics_listener
from issuer.telemetry.address import ListenError, listening_at, parse_address


async def trouble(address: str) -> str:
    """What is told where a server can't listen at this address."""
    with pytest.raises(ListenError) as found, listening_at(address, "--metrics-address"):
        await asyncio.start_server(lambda _reader, _writer: None, *parse_address(address))
    assert "Errno" not in str(found.value)
    return str(found.value)


async def test_a_taken_port_names_the_option_and_how_to_find_who_has_it() -> None:
    async with metrics_listener("127.0.0.1", 0, lambda: "") as port:
        told = await trouble(f"127.0.0.1:{port}")
    assert told.startswith(f"--metrics-address 127.0.0.1:{port}: another process listens there")
    assert f"sport = :{port}" in told


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.1:9402", "192.0.2.1 is no address of this machine"),
        (f"{'a' * 70}.example:9402", "has no address"),
    ],
)
async def test_a_host_that_is_not_this_machine_is_told(address: str, said: str) -> None:
    assert said in await trouble(address)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EACCES, "may not listen at port 80"), (errno.EMFILE, "Too many open files")],
)
def test_what_the_system_refuses_is_told_in_words(number: int, said: str) -> None:
    with pytest.raises(ListenError, match=said), listening_at(":80", "--status-address"):
        raise OSError(number, "Too many open files")


def test_a_host_without_a_name_service_is_told() -> None:
    with pytest.raises(ListenError, match="has no address"), listening_at("vault:80", "--status-address"):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
