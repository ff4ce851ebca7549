"""One command's way to a plan: read the file, connect, read Vault, plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from issuer.pki.authorities.files import AuthorityFiles, check_bundles
from issuer.pki.file.model import Part
from issuer.pki.file.reading import LoadedFile, load
from issuer.pki.plan.desired import BOTH, resources_of
from issuer.pki.plan.fields import questions
from issuer.pki.plan.planning import PkiPlan, PlanInput, plan_of
from issuer.pki.plan.pruning import prunables
from issuer.pki.plan.reading import read_for
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.connecting import connected, connection_from, token_from
from issuer.pki.server.reading import VaultReading
from issuer.pki.server.state import check_state
from issuer.pki.server.warnings import Expected, WarningFilter
from issuer.pki.verify.item import Verification
from issuer.pki.verify.verifying import Progress, Verifier


@dataclass(frozen=True, slots=True)
class PkiSession:
    """A checked file, and calls to a Vault that can be used."""

    loaded: LoadedFile
    calls: VaultCalls
    parts: Collection[Part] = BOTH

    @property
    def files(self) -> AuthorityFiles:
        """The files beside the first file."""
        return AuthorityFiles(self.loaded.folder)

    async def plan(self, *, prune: bool = False) -> PkiPlan:
        """Read Vault and return the plan; with `prune` it removes what the file owns and doesn't have."""
        plan, _ = await self._planned(self.plan_input(prune=prune))
        return plan

    async def verify(self, progress: Progress, token_role: str | None = None) -> Verification:
        """Read Vault and hold it against the file, each policy by a token of its own."""
        given = self.plan_input()
        plan, reading = await self._planned(given)
        return await Verifier(self.calls, given, progress, token_role).verify(plan, reading)

    async def _planned(self, given: PlanInput) -> tuple[PkiPlan, VaultReading]:
        reading = await read_for(self.calls, given)
        offers = await self.calls.help_all(questions(given.resources, reading))
        return plan_of(given, reading, offers), reading

    def plan_input(self, *, prune: bool = False) -> PlanInput:
        """Return all that a plan is made from but for what Vault holds."""
        file, places = self.loaded.file, self.loaded.places
        resources = tuple(resources_of(file, places, self.parts))
        pruned = tuple(prunables(file, places, self.parts)) if prune else ()
        return PlanInput(file, places, resources, self.loaded.sha256, self.parts, pruned)


@asynccontextmanager
async def opened(
    paths: Sequence[str], environment: Mapping[str, str], parts: Collection[Part] = BOTH
) -> AsyncIterator[PkiSession]:
    """Read the files, connect, and check the server's state. Raises BadInput, then PkiError."""
    loaded = load(paths, environment)
    check_bundles(loaded.file, loaded.places, AuthorityFiles(loaded.folder))
    connection, token = connection_from(environment), token_from(environment)
    expected = [Expected(one.path, one.contains) for one in loaded.file.expect_warnings]
    async with connected(connection) as client:
        await check_state(client)
        yield PkiSession(loaded, VaultCalls(client, token, WarningFilter(expected)), parts)
