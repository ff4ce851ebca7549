"""Signers of a case, opened as the controller opens them, and closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKind
from issuer.signing.backend import Connector, PreparedSigner
from issuer.signing.contract.case import ContractCase, Fault
from issuer.signing.contract.kubernetes import FakeKubernetes, client_of
from issuer.signing.outcomes import (
    BadAnswer,
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    NotRevoked,
    Retry,
    SigningError,
)
from issuer.signing.reasons import SIGNING_REASONS
from issuer.signing.signer import Signer


def no_login(_result: str, _seconds: float) -> None:
    """Hear of a login, and do nothing."""


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """A case with a client of its API server; `closing` is what is closed at the end."""

    case: ContractCase
    kube: FakeKubernetes
    client: KubeClient
    closing: AsyncExitStack

    @property
    def kinds(self) -> tuple[IssuerKind, ...]:
        """The kinds of issuers that the backend signs for."""
        return self.case.backend.kinds

    def connector(self) -> Connector:
        """Return what opens signers."""
        return self.case.backend.connector(self.client, self.case.settings, no_login)

    async def prepare(self, kind: IssuerKind) -> PreparedSigner:
        """Read what the case's issuer of that kind refers to."""
        case = self.case
        return await self.connector().prepare(case.key(kind), case.backend.parse(case.spec))

    @asynccontextmanager
    async def signer(self, kind: IssuerKind) -> AsyncIterator[Signer]:
        """Open a signer of the case's issuer of that kind, and close it."""
        signer = (await self.prepare(kind)).build()
        try:
            yield signer
        finally:
            await signer.close()

    def fail(self, fault: Fault) -> None:
        """Make the CA fail so from now on, or skip the test if it never does."""
        if fault not in self.case.faults:
            pytest.skip(f"{self.case.backend.name} has no CA that fails so: {fault}")
        self.case.faults[fault]()

    @contextmanager
    def raises(self, *types: type[SigningError]) -> Iterator[list[SigningError]]:
        """Expect one of these outcomes, with a reason that the backend declares and nothing secret."""
        found: list[SigningError] = []
        try:
            yield found
        except SigningError as error:
            found.append(error)
        names = " or ".join(one.__name__ for one in types)
        assert found, f"{names} was expected, and nothing was raised"
        assert isinstance(found[0], types), f"{names} was expected, and not {found[0]!r}"
        self.check_reason(found[0])
        self.check_shown(str(found[0]), repr(found[0]))

    def check_reason(self, error: SigningError) -> None:
        """Check that the reason is one that metrics know, and stands where the outcome's type has it."""
        own = self.case.backend.reasons
        known = {
            Failed: own.failures | SIGNING_REASONS.failures,
            Retry: own.retries | SIGNING_REASONS.retries,
            IssuerBroken: own.issuer | SIGNING_REASONS.issuer,
            IssuerUnavailable: own.issuer | SIGNING_REASONS.issuer,
            BadAnswer: SIGNING_REASONS.issuer,
        }
        for outcome, reasons in known.items():
            if isinstance(error, outcome):
                assert error.reason in reasons, f"{error.reason} is not in the backend's reasons"
        assert isinstance(error, (*known, NotRevoked)), f"{type(error).__name__} is no outcome to be raised"
        assert error.message.strip(), "an outcome says what is wrong, and what to do"

    def check_shown(self, *texts: str) -> None:
        """Check that no text holds anything of a Secret but certificates."""
        for secret in self.kube.secret_values():
            assert not any(secret in text for text in texts), "what a Secret holds must be shown nowhere"


@asynccontextmanager
async def opened(case: ContractCase, kube: FakeKubernetes) -> AsyncIterator[OpenedCase]:
    """Open a client for a case, and close it."""
    async with client_of(kube) as client, AsyncExitStack() as closing:
        yield OpenedCase(case, kube, client, closing)
