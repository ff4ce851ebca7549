"""The contract suite notices a faulty backend: each of these is the example with one fault."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from issuer.api.issuers import IssuerSpec
from issuer.kube.client import KubeClient
from issuer.kube.resources import SECRETS
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import Connector, LoggedIn, PreparedSigner
from issuer.signing.contract import BackendContract, ContractCase, FakeKubernetes
from issuer.signing.contract.case import csr_pem
from issuer.signing.contract.kubernetes import fake_kubernetes
from issuer.signing.contract.opened import OpenedCase, opened
from issuer.signing.outcomes import Failed, IssuerBroken
from issuer.signing.reasons import Reasons, SigningIssuerReason
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import SignedCertificate, SigningRequest
from tests.example_backend.example_backend import (
    ExampleBackend,
    ExampleConnector,
    ExampleIssuerReason,
    ExampleSigner,
)
from tests.unit.signing.contract.test_example import example_case

SUITE = BackendContract()
SignerTest = Callable[[OpenedCase], Awaitable[None]]


@pytest.fixture
async def kube() -> AsyncIterator[FakeKubernetes]:
    async with fake_kubernetes() as fake:
        yield fake


@pytest.fixture
def case(kube: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> ContractCase:
    return example_case(kube, monkeypatch)


class Hasty(ExampleSigner):
    """Sends before it asks."""

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        signed = await super().sign(replace(request, before_sending=lambda: None))
        request.before_sending()
        return signed


class Careless(ExampleSigner):
    """Signs another key."""

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        return await super().sign(replace(request, csr_pem=csr_pem("web.team-a.example.test")))


class Moody(ExampleSigner):
    """Blames the issuer for what is one request's fault."""

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        try:
            return await super().sign(request)
        except Failed as error:
            raise IssuerBroken(SigningIssuerReason.INVALID_SPEC, error.message) from error


class Trusting(ExampleSigner):
    """Takes every CA for its own."""

    async def knows(self, _cas: object, *, is_ca: bool) -> bool:
        return True


class Connecting:
    """Opens signers of a class."""

    def __init__(self, connector: ExampleConnector, signer: type[ExampleSigner]) -> None:
        self._connector, self._signer = connector, signer

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        prepared = await self._connector.prepare(key, spec)
        made = prepared.build()
        assert isinstance(made, ExampleSigner)
        return replace(prepared, build=lambda: self._signer(made.ca, made.key))


class Forgetful(ExampleConnector):
    """Does not say which Secret it read."""

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        return replace(await super().prepare(key, spec), versions=())


class Talkative(ExampleConnector):
    """Repeats what a Secret holds."""

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        try:
            return await super().prepare(key, spec)
        except IssuerBroken as error:
            secret = await self.client.get(SECRETS, "another", key.namespace)
            text = base64.b64decode(secret["data"]["token"]).decode()
            raise IssuerBroken(error.reason, f"{error.message} {text}") from error


def with_signer(signer: type[ExampleSigner]) -> ExampleBackend:
    """Return the example with signers of that class."""

    class Changed(ExampleBackend):
        def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
            return Connecting(ExampleConnector(client, settings), signer)

    return Changed()


def with_connector(made: type[ExampleConnector]) -> ExampleBackend:
    """Return the example with connectors of that class."""

    class Changed(ExampleBackend):
        def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
            return made(client, settings)

    return Changed()


class Undeclared(ExampleBackend):
    """Raises reasons that it does not declare."""

    reasons = Reasons.of(ExampleIssuerReason)


class Fragile(ExampleBackend):
    """Reads specs as if somebody had checked them."""

    def parse(self, spec: Mapping[str, Any]) -> Any:
        return super().parse({"caSecretName": spec["caSecretName"]})


@pytest.mark.parametrize(
    ("backend", "test"),
    [
        (with_signer(Hasty), SUITE.test_the_caller_is_asked_just_before_it_is_sent),
        (with_signer(Careless), SUITE.test_a_certificate_is_what_was_asked_for),
        (with_signer(Moody), SUITE.test_a_request_that_the_ca_refuses_fails_with_its_reason),
        (with_signer(Trusting), SUITE.test_it_tells_its_own_cas_from_others),
        (with_connector(Forgetful), SUITE.test_a_changed_secret_makes_another_signer),
        (with_connector(Talkative), SUITE.test_a_missing_secret_breaks_the_issuer),
        (Undeclared(), SUITE.test_a_request_that_the_ca_refuses_fails_with_its_reason),
    ],
    ids=["hasty", "careless", "moody", "trusting", "forgetful", "talkative", "undeclared"],
)
async def test_a_backend_with_a_fault_fails(
    case: ContractCase, kube: FakeKubernetes, backend: ExampleBackend, test: SignerTest
) -> None:
    kube.put_secret("another", {"token": b"what-nobody-may-see"})
    async with opened(case, kube) as good:
        await test(good)
    async with opened(replace(case, backend=backend), kube) as faulty:
        with pytest.raises(AssertionError):
            await test(faulty)


def test_a_spec_that_raises_anything_else_fails(case: ContractCase) -> None:
    with pytest.raises(KeyError):
        SUITE.test_garbage_is_refused_in_no_other_way(replace(case, backend=Fragile()))
