"""Tokens that a real step-ca refuses: dated before its start or by another clock, used, or for another name.

Signers as an issuer has them, in this process, so that their clock and the ids of their tokens can be set.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from issuer.requests.issuers import IssuerKey
from issuer.signing.contract.case import csr_pem
from issuer.signing.outcomes import IssuerBroken, Retry
from issuer.signing.signer import SigningRequest
from issuer.signing.step.provisioner.account import KeySource, StepAccount
from issuer.signing.step.provisioner.keyring import Keyring
from issuer.signing.step.signer import SignerOptions, StepSigner
from issuer.step.client import StepClient
from issuer.step.connection import StepConnection
from issuer.step.tokens import TokenIssuer
from testbed.stepca import PROVISIONER, StepCA
from tests.integration.support.forwarding_server import Answer, ForwardingServer

NAME = "web.example.test"
OURS = "ca.internal"
"""The name of the CA beside its address; `localhost` is none."""
Open = Callable[..., StepSigner]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepCA]:
    made = StepCA(tmp_path_factory.mktemp("step-ca"), dns=(OURS,))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
async def open_signer(ca: StepCA) -> AsyncIterator[Open]:
    """Open a signer whose clock is so far from the CA's, for the CA itself or another URL."""
    async with AsyncExitStack() as closing:

        def opened(ahead: timedelta = timedelta(), url: str = "", ca_pem: bytes | None = None) -> StepSigner:
            def now() -> datetime:
                return datetime.now(UTC) + ahead

            base = url or ca.url
            client = StepClient(StepConnection(base, ca_pem=ca_pem or ca.root_pem.encode()), now)
            source = KeySource(ca.password.encode, None, "the test")
            keyring = Keyring().of(IssuerKey("StepClusterIssuer", "", "tokens"))
            account = StepAccount(client, TokenIssuer(PROVISIONER, ca.kid, base), source, keyring, now)
            signer = StepSigner(client, account, SignerOptions(base, "it"), lambda _result, _seconds: None)
            closing.push_async_callback(signer.close)
            return signer

        yield opened


def asked() -> SigningRequest:
    """A request for an hour."""
    return SigningRequest(csr_pem(NAME), timedelta(hours=1), frozenset(), is_ca=False)


async def test_a_token_of_before_the_start_is_followed_by_one_of_the_cas_clock(
    ca: StepCA, open_signer: Open
) -> None:
    """A clock that is seconds behind is close enough for all but a CA that has just been restarted."""
    signer = open_signer(timedelta(seconds=-15))
    ca.restart()
    health = await signer.check()
    assert "token issued before the bootstrap" in ca.process.output()
    assert health.warnings == ()
    await signer.sign(asked())


@pytest.mark.parametrize(("ahead", "told"), [(10, "behind"), (-10, "ahead of")])
async def test_a_difference_of_clocks_is_read_from_its_answers_and_made_up_for(
    ca: StepCA, open_signer: Open, ahead: int, told: str
) -> None:
    signer, refused = open_signer(timedelta(minutes=ahead)), refusals(ca)
    (warning,) = (await signer.check()).warnings
    assert f"{told} this controller's" in warning
    await signer.sign(asked())
    assert refusals(ca) == refused


async def test_clocks_that_are_hours_apart_are_told(ca: StepCA, open_signer: Open) -> None:
    with pytest.raises(IssuerBroken, match="ahead of this controller's") as raised:
        await open_signer(timedelta(hours=-3)).check()
    assert raised.value.reason == "ClocksDiffer"


async def test_a_used_token_is_followed_by_one_with_another_id(
    ca: StepCA, open_signer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = secrets.token_hex
    ids = iter(["the same id"] * 2)
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(ids, None) or made(size))
    signer, before = open_signer(), len(ca.signed())
    await signer.check()
    await signer.sign(asked())
    assert "token already used" in ca.process.output()
    assert len(ca.signed()) == before + 1


async def test_an_audience_that_is_none_of_its_names_is_told_with_what_answers_there(
    ca: StepCA, open_signer: Open, tmp_path: Path
) -> None:
    """Behind a proxy, whose certificate has a name that the CA doesn't know."""
    with ForwardingServer(tmp_path, "a-proxy", ca.url, ca.root_file) as proxy:
        url = proxy.addr.replace("127.0.0.1", "localhost")
        with pytest.raises(IssuerBroken) as raised:
            await open_signer(url=url, ca_pem=proxy.ca_file.read_bytes()).check()
    assert raised.value.reason == "TokenRefused"
    assert f'"{url}/1.0/sign"' in raised.value.message
    assert "names localhost, 127.0.0.1" in raised.value.message
    assert "invalid audience" in ca.process.output()


class Troubled(ForwardingServer):
    """A proxy that answers signing calls with `status` itself, where that is set."""

    status = 0

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return the proxy's own answer, or the CA's."""
        if self.status and path.endswith("/sign"):
            return self.status, b"<html>not now</html>"
        return self.relay(method, path, headers, body)


@pytest.mark.parametrize(("status", "reason"), [(502, "StepCAUnavailable"), (429, "StepCARateLimited")])
async def test_trouble_of_a_proxy_before_it_is_told_as_what_it_is(
    ca: StepCA, open_signer: Open, tmp_path: Path, status: int, reason: str
) -> None:
    with Troubled(tmp_path, "a-proxy", ca.url, ca.root_file) as proxy:
        signer = open_signer(url=proxy.addr, ca_pem=proxy.ca_file.read_bytes())
        await signer.check()
        proxy.status = status
        with pytest.raises(Retry) as raised:
            await signer.sign(asked())
        assert raised.value.reason == reason
        proxy.status = 0
        await signer.sign(asked())


async def test_a_tls_name_that_it_has_not_is_told_with_those_it_has(ca: StepCA, open_signer: Open) -> None:
    with pytest.raises(IssuerBroken) as raised:
        await open_signer(url=ca.url.replace("127.0.0.1", "localhost")).check()
    assert raised.value.reason == "TLSVerificationFailed"
    assert f"{OURS}, 127.0.0.1" in raised.value.message


def refusals(ca: StepCA) -> int:
    """How many calls it has refused with 401 since its start."""
    return ca.process.output().count("status=401")
