"""One command's way to a plan: read the file, connect, read Vault, plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from issuer.manifests.errors import BadInput
from issuer.pki.authorities.files import AuthorityFiles, check_bundles
from issuer.pki.authorities.identity import AuthorityProgress
from issuer.pki.file.model import Part, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.file.reading import LoadedFile, load
from issuer.pki.file.rotations import Rotation, rotations_of
from issuer.pki.health.fetching import url_reader
from issuer.pki.health.finding import HealthReport
from issuer.pki.health.parameters import HealthParameters
from issuer.pki.health.running import HealthInput, HealthRun
from issuer.pki.plan.desired import BOTH, resources_of
from issuer.pki.plan.fields import questions
from issuer.pki.plan.imports import Chains
from issuer.pki.plan.planning import PkiPlan, PlanInput, plan_of
from issuer.pki.plan.pruning import prunables
from issuer.pki.plan.reading import read_for
from issuer.pki.resources.issuers import IssuerResource
from issuer.pki.rotation.facts import RotationFacts
from issuer.pki.rotation.gates import GateName
from issuer.pki.rotation.gathering import RotationWish, gather
from issuer.pki.rotation.scope import about
from issuer.pki.rotation.state import RotationState, next_state
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.connecting import connected, connection_from, token_from
from issuer.pki.server.logins import JobLogin, job_calls
from issuer.pki.server.reading import VaultReading
from issuer.pki.server.state import check_state, clock_skew
from issuer.pki.server.warnings import Expected, WarningFilter
from issuer.pki.verify.item import Verification
from issuer.pki.verify.verifying import Progress, Verifier
from issuer.vault.transport import VaultClient


def plan_input(
    loaded: LoadedFile, parts: Collection[Part], *, prune: bool = False, resend: bool = False
) -> PlanInput:
    """Return all that a plan is made from but for what Vault holds."""
    file, places = loaded.file, loaded.places
    resources = tuple(resources_of(file, places, parts))
    pruned = tuple(prunables(file, places, parts)) if prune else ()
    return PlanInput(file, places, resources, loaded.sha256, parts, pruned, resend)


def rotation_input(loaded: LoadedFile, rotation: Rotation) -> PlanInput:
    """Return what the making of a rotation's new CA is planned from but for what Vault holds."""
    given = plan_input(replace(loaded, file=about(loaded.file, rotation)), BOTH)
    issuers = tuple(one for one in given.resources if isinstance(one, IssuerResource))
    return replace(given, resources=issuers, is_rotation=True)


def _missing_above(rotation: Rotation, plan: PkiPlan) -> Iterator[str]:
    """Yield a problem for each CA above a rotation's new one that isn't made: a rotation makes no other."""
    for step in plan.applied:
        if step.authority not in ("", rotation.new):
            lacking = f"{step.authority}, which is above {rotation.new}, isn't made yet"
            yield f"{step.place} {lacking}; run pki apply first"


@dataclass(frozen=True, slots=True)
class PkiSession:
    """A checked file, and calls to a Vault that can be used."""

    loaded: LoadedFile
    calls: VaultCalls
    parts: Collection[Part] = BOTH
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def files(self) -> AuthorityFiles:
        """The files beside the first file."""
        return AuthorityFiles(self.loaded.folder)

    async def plan(self, *, prune: bool = False, resend: bool = False) -> PkiPlan:
        """Read Vault and return the plan.

        With `prune` it removes what the file owns and doesn't have; with `resend` it sends again what Vault
        never gives back.
        """
        given = self._with_files(plan_input(self.loaded, self.parts, prune=prune, resend=resend))
        plan, _ = await self._planned(given)
        return replace(plan, problems=(*plan.problems, *self._missing_bundles(plan, given.chains)))

    def _missing_bundles(self, plan: PkiPlan, there: Chains) -> Iterator[str]:
        """Yield a problem for each CA that an apply would import from a file that isn't there."""
        authorities = {name: one for _, name, one in self.loaded.file.all_authorities()}
        for step in plan.applied:
            given = authorities[step.authority].imported if step.authority else None
            if given is not None and step.authority not in there:
                where = path_in_file(step.part, "authorities", step.authority, "import")
                yield (
                    f"{self.loaded.places.told(*where)} {given.bundle} is not there, and Vault doesn't have "
                    "this CA yet; bring the file"
                )

    async def rotations(
        self, wish: RotationWish, accepted: Collection[GateName], progress: Progress
    ) -> list[RotationState]:
        """Read the rotations that the file asks for, and return where each stands. Raises BadInput for one
        that it doesn't ask for, PkiError."""
        states = []
        for facts in await self.rotation_facts(wish, progress):
            making = None if facts.new is not None else await self._making(facts.rotation)
            state = next_state(facts, self.loaded.places, accepted, self.loaded.sha256, making)
            states.append(replace(state, awaits=self._awaited(facts)))
        return states

    def _awaited(self, facts: RotationFacts) -> str:
        """Return the file that is to hold the certificate of a new CA whose key is made; "" if none is."""
        offline = facts.authorities[facts.rotation.new].offline
        if offline is None or facts.progress is not AuthorityProgress.KEY:
            return ""
        return "" if self.files.read(offline.certificate) is not None else offline.certificate

    async def rotation_facts(self, wish: RotationWish, progress: Progress) -> list[RotationFacts]:
        """Read the rotations that the file asks for. Raises BadInput for one that it doesn't, PkiError."""
        asked = rotations_of(self.loaded.file)
        chosen = [one for one in asked if wish.ca in (None, one.new)]
        if wish.ca is not None and not chosen:
            there = ", ".join(one.new for one in asked) or "none"
            raise BadInput(f"no authority {wish.ca} with replaces is in the file; those with it: {there}")
        authorities = {name: one for _, name, one in self.loaded.file.all_authorities()}
        now = self.now()
        return [await gather(self.calls, one, authorities, wish, now, progress) for one in chosen]

    async def _making(self, rotation: Rotation) -> PkiPlan:
        """Return the plan that makes the new CA of a rotation, and nothing else."""
        given = self._with_files(rotation_input(self.loaded, rotation))
        plan, _ = await self._planned(given)
        steps = tuple(one for one in plan.applied if one.authority == rotation.new)
        made = replace(plan, steps=steps)
        problems = (
            *plan.problems,
            *_missing_above(rotation, plan),
            *self._missing_bundles(made, given.chains),
        )
        return replace(made, problems=problems)

    async def verify(self, progress: Progress, token_role: str | None = None) -> Verification:
        """Read Vault and hold it against the file, each policy by a token of its own."""
        given = self._with_files(plan_input(self.loaded, self.parts))
        plan, reading = await self._planned(given)
        return await Verifier(self.calls, given, progress, token_role).verify(plan, reading)

    def _with_files(self, given: PlanInput) -> PlanInput:
        """Return it with the certificates of bundles and of offline CAs that are there. Raises BadInput."""
        bundles = check_bundles(self.loaded.file, self.loaded.places, self.files)
        answers = {
            name: self.files.read(one.offline.certificate)
            for _, name, one in self.loaded.file.all_authorities()
            if one.offline is not None
        }
        return replace(
            given,
            chains={name: one.certificates for name, one in bundles.items()},
            brought={name: content for name, content in answers.items() if content is not None},
        )

    async def _planned(self, given: PlanInput) -> tuple[PkiPlan, VaultReading]:
        reading = await read_for(self.calls, given)
        offers = await self.calls.help_all(questions(given.resources, reading))
        return plan_of(given, reading, offers, self.now()), reading


@dataclass(frozen=True, slots=True)
class HealthSession:
    """Calls to a Vault that can be used, and a file if one was given."""

    client: VaultClient
    calls: VaultCalls
    loaded: LoadedFile | None

    async def run(self, wish: HealthWish, progress: Progress) -> HealthReport:
        """Read Vault and the URLs, and run every check."""
        file = None if self.loaded is None else self.loaded.file
        places = Places() if self.loaded is None else self.loaded.places
        given = HealthInput(wish.parameters, file, places, wish.mounts)
        run = HealthRun(self.calls, given, progress)
        skew = await clock_skew(self.client)
        if not wish.fetch:
            return await run.run(skew, None)
        async with url_reader(self.client.connection.ca_pem) as reader:
            return await run.run(skew, reader)


@dataclass(frozen=True, slots=True)
class HealthWish:
    """Options of a health check: mounts by name, all of them if none; `fetch` is for URLs."""

    parameters: HealthParameters
    mounts: tuple[str, ...] = ()
    fetch: bool = True


@asynccontextmanager
async def reached(paths: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[HealthSession]:
    """Connect, and check the server's state; read the files first, if there are any. Raises BadInput, then
    PkiError."""
    loaded = load(paths, environment) if paths else None
    connection, token = connection_from(environment), token_from(environment)
    async with connected(connection) as client:
        await check_state(client)
        yield HealthSession(client, VaultCalls(client, token), loaded)


@dataclass(frozen=True, slots=True)
class JobWish:
    """The login of a Job, the seconds that it waits for Vault, and who is told why it waits."""

    login: JobLogin
    wait: float
    told: Progress


@asynccontextmanager
async def opened(
    paths: Sequence[str],
    environment: Mapping[str, str],
    parts: Collection[Part] = BOTH,
    job: JobWish | None = None,
) -> AsyncIterator[PkiSession]:
    """Read the files, connect, check the server's state, and log in if a Job does. Raises BadInput, then
    PkiError."""
    loaded = load(paths, environment, parts)
    check_bundles(loaded.file, loaded.places, AuthorityFiles(loaded.folder))
    connection = connection_from(environment)
    warnings = WarningFilter([Expected(one.path, one.contains) for one in loaded.file.expect_warnings])
    if job is None:
        token = token_from(environment)
        async with connected(connection) as client:
            await check_state(client)
            yield PkiSession(loaded, VaultCalls(client, token, warnings), parts)
        return
    if Part.FOUNDATION in parts:
        raise BadInput(
            "A login of a Job applies no foundation, since who may write policies is root; add "
            "--part automation"
        )
    async with (
        connected(connection) as client,
        job_calls(client, job.login, warnings, job.wait, job.told) as calls,
    ):
        yield PkiSession(loaded, calls, parts)
