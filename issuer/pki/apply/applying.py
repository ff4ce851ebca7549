"""Carries out the steps of a plan. A run that stops anywhere is gone on with by the next one's plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from issuer.pki.authorities.files import AuthorityFiles
from issuer.pki.authorities.making import AuthorityMaker
from issuer.pki.ending import to_its_end
from issuer.pki.errors import NotPermitted, OtherAuthority, PkiError, UnexpectedWarning
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import PkiFile
from issuer.pki.plan.planning import PkiPlan
from issuer.pki.plan.step import PkiStep
from issuer.pki.server.calls import VaultCalls
from issuer.vault.errors import VaultBadRequest

Told = Callable[[PkiStep], None]


def utc_now() -> datetime:
    """Return the time now, aware."""
    return datetime.now(UTC)


class Applier:
    """Applies one plan of one file. `done` are the steps that are done.

    `noted` is called at each cancellation that waits for a step.
    """

    def __init__(
        self,
        calls: VaultCalls,
        file: PkiFile,
        files: AuthorityFiles,
        told: Told,
        now: Callable[[], datetime] = utc_now,
        noted: Callable[[], None] = lambda: None,
    ) -> None:
        self._calls = calls
        authorities: Mapping[str, Authority] = {name: one for _, name, one in file.all_authorities()}
        self._maker = AuthorityMaker(calls, authorities, files, now)
        self._told = told
        self._noted = noted
        self.done: list[PkiStep] = []

    async def apply(self, plan: PkiPlan) -> None:
        """Carry out every step that an apply does. Raises PkiError at the first that fails; what was done
        stays.

        Raises PkiError before anything is written if the plan has problems. A cancellation, however often it
        comes, waits until the step is done that has begun.
        """
        if plan.problems:
            raise PkiError("Nothing was written. " + "\n".join(plan.problems))
        for step in plan.applied:
            await to_its_end(self._step(step), self._noted)

    async def _step(self, step: PkiStep) -> None:
        await self._carried_out(step)
        self.done.append(step)
        self._told(step)

    async def _carried_out(self, step: PkiStep) -> None:
        try:
            if step.authority:
                await self._maker.make(step.authority)
            for write in step.writes:
                if write.method == "DELETE":
                    await self._calls.delete(write.path)
                else:
                    await self._calls.write(write.path, write.body, write.method)
        except (NotPermitted, OtherAuthority, UnexpectedWarning) as error:
            raise type(error)(f"{step.place} {step.path}: {error}") from error
        except VaultBadRequest as error:
            raise PkiError(f"{step.place} {step.path}: Vault refuses it: {error}") from error
