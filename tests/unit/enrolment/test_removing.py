"""A machine locked out and removed: what came meanwhile, what can't be seen, and more names."""

from __future__ import annotations

import asyncio

import pytest

from issuer.enrolment.removing import left_over, lock, plan_removal, remove
from issuer.pki.errors import NotPermitted, PathNotFound, PkiError, VaultNotUsable
from issuer.vault.errors import VaultBadRequest
from tests import odd_certificates
from tests.unit.enrolment.server import MACHINE, ServerInMemory, certificate

HOST = MACHINE.host


@pytest.fixture
def server() -> ServerInMemory:
    return ServerInMemory()


def quiet(_: str) -> None:
    """Drop a line of progress."""


def test_token_that_came_while_the_question_stood_is_revoked(server: ServerInMemory) -> None:
    async def run() -> None:
        server.new_token("first")
        plan = await plan_removal(server, MACHINE, certificates=False)
        server.new_token("second")
        assert await lock(server, plan) == ()

    asyncio.run(run())
    assert server.tokens == {}


def test_certificate_that_came_while_the_question_stood_is_revoked(server: ServerInMemory) -> None:
    async def run() -> None:
        plan = await plan_removal(server, MACHINE, certificates=True)
        server.certificates["11:22"] = certificate(HOST, HOST)
        await remove(server, plan, quiet)

    asyncio.run(run())
    assert server.revoked == ["11:22"]


@pytest.mark.parametrize("ended", [VaultBadRequest("invalid accessor"), PathNotFound("404")])
def test_token_that_ended_meanwhile_is_passed_over(server: ServerInMemory, ended: Exception) -> None:
    server.new_token("gone")

    def answer(path: str) -> None:
        if path == "auth/token/lookup-accessor":
            raise ended

    server.on_write = answer
    assert asyncio.run(plan_removal(server, MACHINE, certificates=False)).tokens == ()


def test_tokens_that_may_not_be_looked_at_are_not_called_gone(server: ServerInMemory) -> None:
    server.new_token("there")

    def answer(path: str) -> None:
        if path == "auth/token/lookup-accessor":
            raise NotPermitted("permission denied")

    server.on_write = answer

    async def run() -> tuple[str, ...]:
        plan = await plan_removal(server, MACHINE, certificates=True)
        assert plan.tokens is None
        return await remove(server, plan, quiet)

    [unread] = asyncio.run(run())
    assert "auth/token/lookup-accessor" in unread


def test_server_that_fails_stops_the_look_at_tokens(server: ServerInMemory) -> None:
    server.new_token("there")

    def answer(_: str) -> None:
        raise VaultNotUsable("sealed")

    server.on_write = answer
    with pytest.raises(VaultNotUsable):
        asyncio.run(plan_removal(server, MACHINE, certificates=False))


def test_role_that_may_not_be_read_is_not_called_gone(server: ServerInMemory) -> None:
    server.refused = {MACHINE.role_path}
    assert asyncio.run(left_over(server, MACHINE)) == ((), (MACHINE.role_path,))
    server.refused = {MACHINE.app_role_path}
    with pytest.raises(PkiError, match="may not read auth/approle/role"):
        asyncio.run(plan_removal(server, MACHINE, certificates=False))


@pytest.mark.parametrize(
    ("names", "others"),
    [
        ((HOST, HOST), ()),
        ((HOST, HOST, "192.0.2.5"), ()),
        ((HOST, HOST, "192.0.2.66"), ("192.0.2.66",)),
        ((HOST,), ()),
        (("", HOST.upper()), ()),
        ((HOST, HOST, "root@example.com"), ("root@example.com",)),
        (("old.example.com", "old.example.com", HOST), ("old.example.com",)),
    ],
)
def test_certificate_with_any_name_of_the_machine_is_revoked(
    server: ServerInMemory, names: tuple[str, ...], others: tuple[str, ...]
) -> None:
    server.certificates = {"11:22": certificate(*names), "33:44": certificate("www.example.com")}
    plan = asyncio.run(plan_removal(server, MACHINE, certificates=True))
    [found] = plan.certificates
    assert (found.serial, found.others) == ("11:22", others)
    assert any("names that are not this machine's" in line for line in plan.lines()) == bool(others)


@pytest.mark.parametrize(
    "pem",
    [
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
        odd_certificates.pem(odd_certificates.chain("X.400 name", as_root=False)[1]),
        odd_certificates.pem(odd_certificates.chain("version 2 with extensions", as_root=False)[1]),
    ],
    ids=["nonsense", "x400", "version"],
)
def test_certificate_that_can_not_be_read_is_named(server: ServerInMemory, pem: str) -> None:
    server.certificates = {"11:22": pem}
    plan = asyncio.run(plan_removal(server, MACHINE, certificates=True))
    assert ["certificate 11:22" in one for one in plan.notes] == [True]
    assert asyncio.run(remove(server, plan, quiet)) == ("certificate 11:22",)
