"""A machine enrolled again: what is not given stays as Vault has it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from issuer.enrolment.host import HostBounds, HostRecord, HostWish, wanted_objects
from issuer.enrolment.planning import plan_host, wished_bounds, wished_record
from issuer.enrolment.removing import record_of
from issuer.pki.errors import PkiError
from tests.unit.enrolment.server import MACHINE, ServerInMemory

BOUNDS = HostBounds(timedelta(hours=24), cidrs=("192.0.2.0/24",))


@pytest.fixture
def server() -> ServerInMemory:
    made = ServerInMemory()
    made.objects |= {one.path: one.fields for one in wanted_objects(MACHINE, BOUNDS, "PEM")}
    return made


def wished(server: ServerInMemory, wish: HostWish) -> tuple[HostRecord, HostBounds]:
    async def read() -> tuple[HostRecord, HostBounds]:
        record = await wished_record(server, wish)
        return record, await wished_bounds(server, wish, record)

    return asyncio.run(read())


def test_what_is_not_given_is_taken_from_record_and_roles(server: ServerInMemory) -> None:
    assert wished(server, HostWish(MACHINE.host)) == (MACHINE, BOUNDS)


def test_what_is_given_is_taken(server: ServerInMemory) -> None:
    wish = HostWish(MACHINE.host, dns_names=("a.example.com",), cidrs=(), ttl=timedelta(hours=1))
    record, bounds = wished(server, wish)
    assert (record.dns_names, record.ip_addresses) == (("a.example.com",), MACHINE.ip_addresses)
    assert bounds == HostBounds(timedelta(hours=1))


def test_new_machine_has_the_usual() -> None:
    record, bounds = wished(ServerInMemory(), HostWish("new.example.com"))
    assert record == HostRecord("new.example.com", "pki_int", "approle", "", ("new.example.com",))
    assert bounds == HostBounds()


@pytest.mark.parametrize("mount", ["", "other"])
def test_certificate_login_is_not_forgotten(server: ServerInMemory, mount: str) -> None:
    record, bounds = wished(server, HostWish(MACHINE.host, cert_mount=mount))
    with pytest.raises(PkiError, match="enrolled with --cert cert"):
        asyncio.run(plan_host(server, wanted_objects(record, bounds, "PEM"), record))


def test_roles_that_may_not_be_read_are_not_taken_for_empty(server: ServerInMemory) -> None:
    server.refused = {MACHINE.app_role_path}
    with pytest.raises(PkiError, match="may not read auth/approle/role"):
        wished(server, HostWish(MACHINE.host))


@pytest.mark.parametrize(
    ("own", "told"), [({}, "it has expired, was revoked"), ({"ttl": 1}, "administrator's token")]
)
def test_a_token_that_ended_is_told_from_one_without_a_policy(
    server: ServerInMemory, own: dict[str, int], told: str
) -> None:
    server.refused = {MACHINE.policy_path, *([] if own else ["auth/token/lookup-self"])}
    server.objects["auth/token/lookup-self"] = own
    with pytest.raises(PkiError, match=told):
        wished(server, HostWish(MACHINE.host))
    with pytest.raises(PkiError, match=told):
        asyncio.run(record_of(server, MACHINE))
