"""A step-ca of fakes, and signers of it as the controller opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from issuer.requests.issuers import IssuerKey
from issuer.servers.allowed import AllowedServers
from issuer.signing.backend import Connector
from issuer.signing.contract import FakeKubernetes
from issuer.signing.contract.kubernetes import CLUSTER_NAMESPACE, NAMESPACE, client_of, fake_kubernetes
from issuer.signing.settings import BackendSettings
from issuer.signing.step.backend import StepBackend
from issuer.signing.step.provisioner import account
from issuer.signing.step.signer import StepSigner
from tests.unit.step.fake import PASSWORD, FakeStepCA, fake_step_ca

Open = Callable[..., Awaitable[StepSigner]]
CLUSTER = IssuerKey("StepClusterIssuer", "", "ca")
NAMESPACED = IssuerKey("StepIssuer", NAMESPACE, "ca")
SETTINGS = BackendSettings(
    CLUSTER_NAMESPACE, timeout=10, allowed_servers=AllowedServers.parse(["127.0.0.0/8", "localhost"])
)


@pytest.fixture
async def step(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeStepCA]:
    """A CA; what waits for the next second doesn't."""
    monkeypatch.setattr(account, "_NEXT_SECOND", 0.0)
    async with fake_step_ca() as running:
        yield running


@pytest.fixture
async def kube() -> AsyncIterator[FakeKubernetes]:
    """An API server with the password's Secret in both namespaces."""
    async with fake_kubernetes() as fake:
        fake.put_secret("step", {"password": PASSWORD.encode()})
        yield fake


@pytest.fixture
async def open_signer(step: FakeStepCA, kube: FakeKubernetes) -> AsyncIterator[Open]:
    """Open a signer for a spec (that of `step` by default, with `provisioner` fields changed)."""
    backend = StepBackend()
    async with client_of(kube) as client, AsyncExitStack() as closing:
        connectors: dict[int, Connector] = {}

        async def opened(
            spec: dict[str, Any] | None = None,
            *,
            key: IssuerKey = CLUSTER,
            settings: BackendSettings = SETTINGS,
            provisioner: dict[str, Any] | None = None,
            **more: Any,
        ) -> StepSigner:
            whole = {**(spec or step.spec), **more}
            if provisioner is not None:
                whole["provisioner"] = provisioner
            connector = connectors.setdefault(
                id(settings), backend.connector(client, settings, lambda _result, _seconds: None)
            )
            signer = (await connector.prepare(key, backend.parse(whole))).build()
            closing.push_async_callback(signer.close)
            assert isinstance(signer, StepSigner)
            return signer

        yield opened
