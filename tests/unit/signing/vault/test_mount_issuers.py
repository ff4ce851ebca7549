"""The CAs of a mount, found with as few calls as possible."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from cryptography import x509

from issuer.signing.vault.mount_issuers import MAX_READ, PAUSE_SECONDS, MountIssuers
from issuer.vault.errors import ServerError, UnexpectedAnswer, VaultError, VaultForbidden, VaultNotFound
from issuer.vault.paths import SignPath
from issuer.vault.pki import Pki
from issuer.x509.certificates import MAX_CERTIFICATES
from issuer.x509.describe import serial_hex
from tests.ca import TestCA, pem

CERTIFICATES = [TestCA.make().root for _ in range(4)]
PEMS = [pem(one) for one in CERTIFICATES]
STRANGER = TestCA.make().root


class Mount:
    """A mount's issuers by number; `calls` are what was asked."""

    def __init__(self, default: int = 0, others: Sequence[int] = ()) -> None:
        self.path = SignPath.parse("pki/sign/web")
        self.default, self.listed = default, {f"id-{n}": n for n in (default, *others)}
        self.calls: list[str] = []
        self.named = True
        self.refuses: VaultError | None = None
        self.hidden: set[str] = set()
        self.waits: list[asyncio.Event] = []

    async def ca_chain(self, _issuer_ref: str | None) -> str:
        self.calls.append("chain")
        return PEMS[self.default]

    async def issuers(self) -> dict[str, str]:
        self.calls.append("list")
        found = {one: serial_hex(CERTIFICATES[n]) if self.named else "" for one, n in self.listed.items()}
        await asyncio.sleep(0)
        if self.refuses is not None:
            raise self.refuses
        if self.waits:
            await self.waits.pop(0).wait()
        return found

    async def issuer_certificate(self, issuer: str) -> str:
        self.calls.append(issuer)
        if issuer not in self.listed or issuer in self.hidden:
            raise VaultNotFound("gone", status=404)
        return PEMS[self.listed[issuer]]


class Clock:
    """A time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def made(mount: Mount, clock: Clock) -> MountIssuers:
    return MountIssuers(cast("Pki", mount), clock, clock.sleep)


def held(*numbers: int) -> list[x509.Certificate]:
    return [CERTIFICATES[number] for number in numbers]


async def test_the_chain_of_the_check_needs_no_question() -> None:
    mount = Mount()
    known = made(mount, Clock())
    assert await known.read() == PEMS[0]
    assert await known.hold(held(0))
    assert mount.calls == ["chain", "list"]
    assert known.warning is None


async def test_another_issuer_of_the_mount_is_read_once_by_its_serial() -> None:
    mount = Mount(0, (1, 2, 3))
    known = made(mount, Clock())
    await known.read()
    for _ in range(3):
        assert await known.hold(held(2, 0))
    assert mount.calls == ["chain", "list", "chain", "list", "id-2"]
    # What was looked up is believed until the list leaves it out.
    del mount.listed["id-2"]
    await known.read()
    assert not await known.hold(held(2))


async def test_a_ca_made_since_the_check_is_known() -> None:
    mount = Mount()
    known = made(mount, Clock())
    await known.read()
    mount.default, mount.listed["id-1"] = 1, 1
    assert await known.hold(held(1))


async def test_an_issuer_that_could_not_be_read_is_asked_for_again() -> None:
    mount = Mount(0, (1,))
    mount.hidden = {"id-1"}  # by a proxy, until somebody does as the message says
    known = made(mount, Clock())
    await known.read()
    assert not await known.hold(held(1))
    mount.hidden.clear()
    assert await known.hold(held(1))


async def test_a_reading_that_is_under_way_is_not_taken_for_its_answer() -> None:
    mount = Mount()
    known = made(mount, Clock())
    first, second = asyncio.Event(), asyncio.Event()
    mount.waits = [first, second]
    early = asyncio.ensure_future(known.hold([STRANGER]))
    await asyncio.sleep(0)
    mount.listed["id-1"] = 1  # a CA is made while the first answer is on its way
    late = asyncio.ensure_future(known.hold(held(1)))
    check = asyncio.ensure_future(known.read())
    await asyncio.sleep(0)
    mount.default = 2
    first.set()
    assert not await early
    assert await late
    second.set()
    await check
    assert await known.hold(held(2)), "an older answer does not undo a newer one"
    assert mount.calls.count("list") == 3


async def test_a_stranger_with_a_known_serial_is_no_issuer() -> None:
    mount = Mount(0, (1,))
    known = made(mount, Clock())
    await known.read()
    mount.listed["forged"] = 1
    mount.named = True
    twin = serial_hex(STRANGER)
    known_serials = {"id-0": serial_hex(CERTIFICATES[0]), "id-1": twin}

    async def issuers() -> dict[str, str]:
        return known_serials

    mount.issuers = issuers  # type: ignore[method-assign]
    assert not await known.hold([STRANGER])
    assert mount.calls[-1] == "id-1", "it was looked at, and is another"
    assert not await known.hold([CERTIFICATES[0], STRANGER]), "each CA of the chain counts"


async def test_a_thousand_bad_answers_are_few_readings() -> None:
    mount, clock = Mount(0, (1, 2)), Clock()
    known = made(mount, clock)
    await known.read()
    answers = await asyncio.gather(*(known.hold([STRANGER]) for _ in range(1_000)))
    assert not any(answers)
    assert mount.calls.count("list") <= 3
    assert all(0 <= seconds <= PAUSE_SECONDS for seconds in clock.slept)


@pytest.mark.parametrize(
    "refusal",
    [
        VaultForbidden("no", status=403),
        VaultNotFound("no", status=404),
        UnexpectedAnswer("too large"),
        ServerError("no", status=501),
    ],
)
async def test_a_list_that_may_not_be_read_leaves_the_chain_and_is_told(refusal: VaultError) -> None:
    mount = Mount(0, (1,))
    mount.refuses = refusal
    known = made(mount, Clock())
    await known.read()
    assert known.warning is not None
    assert "pki/issuers" in known.warning
    assert await known.hold(held(0))
    assert not await known.hold(held(1))
    mount.refuses = None
    await known.read()
    assert known.warning is None


async def test_a_vault_that_cannot_answer_now_is_no_verdict() -> None:
    mount = Mount()
    known = made(mount, Clock())
    await known.read()
    mount.refuses = ServerError("busy", status=503)
    with pytest.raises(ServerError):
        await known.hold([STRANGER])


async def test_a_list_without_serials_is_read_up_to_a_bound_that_is_told() -> None:
    mount = Mount(0, range(1, MAX_READ + 50))
    mount.listed = {one: number % len(PEMS) for one, number in mount.listed.items()}
    mount.named = False
    known = made(mount, Clock())
    await known.read()
    assert known.warning is not None
    assert str(MAX_READ) in known.warning
    assert await known.hold(held(3))
    for _ in range(3):
        assert not await known.hold([STRANGER])
    assert sum(one.startswith("id-") for one in mount.calls) == MAX_READ


async def test_all_cas_of_a_mount_are_read_once_each() -> None:
    mount = Mount(0, (1, 2))
    known = made(mount, Clock())
    assert (await known.own_cas()).pem == "".join(PEMS[:3])
    del mount.listed["id-1"]
    mount.listed["id-3"] = 3
    found = await known.own_cas()
    assert (found.pem, found.problem) == ("".join((PEMS[0], PEMS[2], PEMS[3])), "")
    assert mount.calls == ["list", "id-0", "id-1", "id-2", "list", "id-3"]


async def test_cas_that_are_listed_and_hidden_are_told() -> None:
    """By a proxy, say: what is left must not look like all there are."""
    mount = Mount(0, (1,))
    mount.hidden = {"id-1"}
    known = made(mount, Clock())
    assert "id-1" in (await known.own_cas()).problem
    mount.hidden = set()
    mount.refuses = VaultForbidden("no", status=403)
    assert "pki/issuers" in (await known.own_cas()).problem


async def test_more_cas_than_a_bundle_holds_are_told() -> None:
    mount = Mount(0)
    mount.listed = {f"id-{n}": 0 for n in range(MAX_CERTIFICATES + 1)}
    assert str(MAX_CERTIFICATES) in (await made(mount, Clock()).own_cas()).problem
    assert mount.calls == ["list"]
