"""All tests of the contract, and the fixtures that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from issuer.signing.contract.case import ContractCase
from issuer.signing.contract.controllers import ControllerContract
from issuer.signing.contract.description import DescriptionContract
from issuer.signing.contract.kubernetes import FakeKubernetes, fake_kubernetes
from issuer.signing.contract.opened import OpenedCase, opened
from issuer.signing.contract.signers import SignerContract


class SigningContract(SignerContract, ControllerContract):
    """Tests of one backend with its CA: derive a class from it, and give it a fixture `case`.

    It is enough where the same backend keeps all of `BackendContract` over another CA, such as fakes.
    """

    @pytest.fixture
    async def kube(self) -> AsyncIterator[FakeKubernetes]:
        """Run an API server, into which `case` puts the Secrets of its issuers."""
        async with fake_kubernetes() as fake:
            yield fake

    @pytest.fixture
    def case(self) -> ContractCase:
        """Return the backend and its CA: yours to write."""
        raise NotImplementedError("give your test class a fixture `case` that returns a ContractCase")

    @pytest.fixture
    async def opened_case(self, case: ContractCase, kube: FakeKubernetes) -> AsyncIterator[OpenedCase]:
        """Open the case's client of that API server."""
        async with opened(case, kube) as found:
            yield found


class BackendContract(DescriptionContract, SigningContract):
    """All tests of one backend: derive a class from it, and give it a fixture `case`."""
