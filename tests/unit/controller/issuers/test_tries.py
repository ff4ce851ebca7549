"""Checks of an issuer whose answers could not be delivered: they say so, and let one request try in time.

On the controller's own reconcilers, a fake API server, and a fake Vault that signs with a CA of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from issuer.controller.state.health.bad_answers import MOST, PAUSES, RETRY_ANNOTATION, BadAnswers
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKind
from issuer.requests.resources import CERTIFICATE_REQUESTS
from issuer.servers.allowed import AllowedServers
from issuer.signing.contract import ContractCase
from issuer.signing.contract.controllers import ControllerOf
from issuer.signing.contract.kubernetes import fake_kubernetes
from issuer.signing.contract.opened import OpenedCase, opened
from issuer.signing.settings import BackendSettings
from issuer.signing.vault.backend import VaultBackend
from tests.ca import TestCA, pem
from tests.unit.signing.contract.test_vault import SECRET_ID, SigningVault
from tests.unit.vault import fake
from tests.unit.vault.fake import fake_vault


class Trial:
    """A controller with one issuer and one request, whose answers are cut until `mend`."""

    def __init__(self, case: OpenedCase, vault: SigningVault) -> None:
        self.case, self.vault = case, vault
        self.time = 0.0
        self.controller = ControllerOf(case)

    @property
    def kind(self) -> IssuerKind:
        return self.case.kinds[0]

    @property
    def bad(self) -> BadAnswers:
        registry = self.controller._components.state.registry
        bad = registry.entry(self.case.case.key(self.kind)).bad_answers
        bad.clock = lambda: self.time
        return bad

    async def begin(self) -> None:
        """One answer was bad."""
        await self.controller.check_issuer(self.kind)
        assert self.bad.error is None
        self.vault.cut()
        self.controller.apply(self.case.case.certificate_request(self.kind))
        await self.work()

    async def work(self) -> int:
        """An attempt at the request; how many were signed by it."""
        before = len(self.vault.signed)
        await self.controller.work()
        return len(self.vault.signed) - before

    @property
    def _issuer(self) -> Object:
        """The issuer as the API server has it."""
        key = self.case.case.key(self.kind)
        return self.case.kube._objects[self.kind.resource.path(key.namespace or None, key.name)]

    def watch(self) -> None:
        """The watch shows the issuer to the controller's store."""
        self.controller._components.state.issuers[self.kind.kind].upsert(self._issuer)

    def annotate(self, value: str) -> int:
        """Somebody asks for another try; how many checks that makes due."""
        queue = self.controller._components.queues.issuers
        meta = {**self._issuer["metadata"], "annotations": {RETRY_ANNOTATION: value, "else": "x"}}
        self.case.kube.put(self.kind.resource, {**self._issuer, "metadata": meta})
        self.watch()
        return queue.depth

    def restart(self) -> None:
        """Another process takes over, and its watches show what there is."""
        request = self.case.kube._objects[CERTIFICATE_REQUESTS.path("team-a", "web")]
        self.controller = ControllerOf(self.case)
        self.watch()
        self.controller.apply(request)

    def counted(self) -> Object | None:
        """What the issuer's status counts."""
        [*_, status] = self.controller.issuer_statuses(self.kind)
        return status.get("badAnswers")

    async def check(self) -> tuple[str, str]:
        """A check; status and reason."""
        ready = await self.controller.check_again(self.kind)
        return ready["status"], ready["reason"]

    async def ask(self) -> None:
        """One request comes, for an issuer that was checked."""
        await self.controller.check_issuer(self.kind)
        assert self.bad.error is None
        self.controller.apply(self.case.case.certificate_request(self.kind))

    async def use_up(self) -> None:
        """All tries that one request alone may have."""
        await self.begin()
        self.time += PAUSES[0]
        assert await self.check() == ("False", "BadAnswer")
        assert await self.work() == 1
        self.time += 1e6
        await self.check()
        assert await self.work() == 0


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    async with fake_kubernetes() as kube, fake_vault() as vault:
        kube.put_secret("approle", {"secretId": SECRET_ID.encode()})
        signing = SigningVault(vault)
        signing.work()
        role = {"path": "approle", "roleId": "role", "secretRef": {"name": "approle", "key": "secretId"}}
        spec = {"vault": {"server": vault.url, "path": "pki/sign/web", "auth": {"appRole": role}}}
        settings = BackendSettings(
            "vault-issuer-system", timeout=10, allowed_servers=AllowedServers.parse(["127.0.0.0/8"])
        )
        case = ContractCase(VaultBackend(), spec, {}, lambda: len(signing.signed), settings=settings)
        async with opened(case, kube) as found:
            yield Trial(found, signing)


async def test_the_status_says_what_happens_next_and_all_follow_a_good_answer(trial: Trial) -> None:
    await trial.begin()
    assert await trial.check() == ("False", "BadAnswer")
    [*_, status] = trial.controller.issuer_statuses(trial.kind)
    assert "1 of 3" in str(status["conditions"])
    assert await trial.work() == 0
    trial.vault.work()
    trial.time += PAUSES[0]
    await trial.check()
    assert await trial.work() == 1
    assert await trial.check() == ("True", "Ready")


async def test_a_persons_word_lets_one_try_again(trial: Trial) -> None:
    await trial.use_up()
    [*_, status] = trial.controller.issuer_statuses(trial.kind)
    assert f"{RETRY_ANNOTATION}=" in str(status["conditions"])
    assert trial.annotate("now") == 1
    assert await trial.check() == ("True", "Ready")
    assert await trial.work() == 1
    assert await trial.work() == 0


async def test_another_ca_lets_one_try_again(trial: Trial) -> None:
    await trial.use_up()
    trial.vault.ca = TestCA.make(datetime.now(UTC))
    trial.vault.work()
    assert await trial.check() == ("True", "Ready")
    assert await trial.work() == 1


@pytest.mark.parametrize("ahead", [timedelta(minutes=20), timedelta(days=-100)])
async def test_clocks_that_agree_again_let_all_follow(trial: Trial, ahead: timedelta) -> None:
    """Certificates of another time were refused, as by a machine that woke with an old clock."""
    trial.vault.ahead = ahead
    await trial.ask()
    assert await trial.work() == 1
    for pause in (*PAUSES, 1e6):
        assert await trial.check() == ("False", "BadAnswer")
        trial.time += pause
        await trial.check()
        await trial.work()
    assert len(trial.vault.signed) == MOST - 1, "no more tries for this request"
    trial.vault.ahead = timedelta(seconds=2)
    assert await trial.check() == ("True", "Ready")
    assert await trial.work() == 1
    assert await trial.check() == ("True", "Ready")


async def test_certificates_of_the_future_by_clocks_that_agree_are_not_tried_for_ever(trial: Trial) -> None:
    """A role can set the beginning, too."""
    trial.vault.ahead = timedelta(minutes=20)
    trial.vault.vault.tell(fake.CHAIN, (200, pem(trial.vault.ca.intermediate) + pem(trial.vault.ca.root)))
    await trial.ask()
    for _ in range(6):
        await trial.work()
        trial.time += 1e6
        assert await trial.check() == ("False", "BadAnswer")
    assert len(trial.vault.signed) == MOST - 1


@pytest.mark.parametrize(("years", "says"), [(2, True), (0.5, False), (0, False)])
async def test_ca_that_has_expired_by_our_clock_alone_says_so(trial: Trial, years: float, says: bool) -> None:
    """Nobody should rotate a good CA because a node's clock is wrong."""
    trial.vault.ca = TestCA.make(datetime.now(UTC) - timedelta(days=365 * 6))
    trial.vault.work()
    trial.vault.ahead = -timedelta(days=365 * years)
    ready = await trial.controller.check_issuer(trial.kind)
    assert ready["reason"] == "CAExpired"
    assert ("set the clocks before anything is rotated" in ready["message"]) is says


async def test_a_process_that_starts_goes_on_counting(trial: Trial) -> None:
    await trial.use_up()
    for _ in range(2):
        trial.restart()
        written = len(trial.controller.issuer_statuses(trial.kind))
        assert await trial.check() == ("False", "BadAnswer")
        trial.time += 1e6
        await trial.check()
        assert await trial.work() == 0
        assert len(trial.controller.issuer_statuses(trial.kind)) <= written + 1, "its message, once"
    trial.vault.work()
    trial.annotate("now")
    assert await trial.check() == ("True", "Ready")
    assert await trial.work() == 1
    assert "badAnswers" not in trial.controller.issuer_statuses(trial.kind)[-1]


async def test_each_try_is_counted_in_the_status_by_the_write_that_tells_it(trial: Trial) -> None:
    await trial.begin()
    assert trial.counted() is None, "a check writes"
    await trial.check()
    first = trial.counted()
    assert first is not None
    assert (first["inARow"], first["onlyRequest"]) == (1, first["requests"][0]["uid"])
    statuses = len(trial.controller.issuer_statuses(trial.kind))
    await trial.check()
    assert len(trial.controller.issuer_statuses(trial.kind)) == statuses, (
        "a check without news writes nothing"
    )


async def test_an_outage_between_keeps_the_count(trial: Trial) -> None:
    await trial.use_up()
    counted = trial.counted()
    trial.vault.seal()
    assert await trial.check() == ("False", "VaultSealed")
    assert trial.counted() == counted
    trial.restart()
    assert await trial.check() == ("False", "VaultSealed")
    assert trial.counted() == counted
    trial.vault.work()
    trial.vault.cut()
    assert await trial.check() == ("False", "BadAnswer")
    trial.time += 1e6
    await trial.check()
    assert await trial.work() == 0


async def test_a_count_that_nothing_can_read_is_left_alone(trial: Trial) -> None:
    await trial.use_up()
    issuer = trial._issuer
    issuer["status"]["badAnswers"] = {"inARow": "many"}
    trial.restart()
    assert await trial.check() == ("False", "BadAnswer")
    assert await trial.work() == 1, "the reason alone lets one try"


async def test_a_check_that_fails_otherwise_says_that_and_lets_nothing_go(trial: Trial) -> None:
    await trial.begin()
    trial.time += PAUSES[0]
    await trial.check()
    trial.vault.seal()
    assert await trial.check() == ("False", "VaultSealed")
    assert await trial.work() == 0
    trial.vault.work()
    assert await trial.check() == ("False", "BadAnswer")
    assert await trial.work() == 1
