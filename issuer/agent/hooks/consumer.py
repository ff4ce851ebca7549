"""One consumer: whether it has to be told, the hook, and the proof that it serves the new files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from issuer.agent.config.consumers import ConsumerSpec, UnitHook
from issuer.agent.config.model import CAChainSpec, CertificateSpec
from issuer.agent.errors import AgentError
from issuer.agent.files.contents import CertificateSet, FileKind
from issuer.agent.files.opening import seen_set
from issuer.agent.files.regular import read_regular
from issuer.agent.hooks.checking import CheckFindings, check_consumer
from issuer.agent.hooks.containers import tell_containers
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed, NotRunning
from issuer.agent.hooks.haproxy import KeyAndCertificates, Replacement, replace_certificates
from issuer.agent.hooks.processes import signal_process
from issuer.agent.hooks.programs import run_program, systemctl
from issuer.agent.hooks.serving import ServedCheck, verify_served
from issuer.agent.hooks.users import HookUser, hook_user
from issuer.agent.renewal.source import SOURCE, owners_of, read_source

SetSpec = CertificateSpec | CAChainSpec

_SIGNAL_AGAIN: Final = 10.0
"""Seconds without the new certificate after which a server gets its signal once more."""


class Consumer:
    """Tells one consumer. `sets` are all sets of the file, by name."""

    def __init__(self, spec: ConsumerSpec, sets: Mapping[str, SetSpec]) -> None:
        self.spec = spec
        self._sets = {name: sets[name] for name in spec.sets}

    def identities(self) -> dict[str, str]:
        """Return what the files of each set are now; a set without files is left out. Raises AgentError."""
        found = {name: identity_of(spec) for name, spec in self._sets.items()}
        return {name: identity for name, identity in found.items() if identity}

    def news(self, delivered: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the sets whose files it wasn't told of. Raises AgentError."""
        return tuple(name for name, one in self.identities().items() if delivered.get(name) != one)

    async def check(self) -> CheckFindings:
        """Try all but the hook itself; tells nobody."""
        every = [name for name, spec in self._sets.items() if isinstance(spec, CertificateSpec)]
        try:
            has_files = bool(self.identities())
        except AgentError:  # told of the set itself
            has_files = False
        return await check_consumer(self.spec, serves=bool(every), has_files=has_files)

    async def tell(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Run the hook for the sets `names`, and wait until the endpoints serve the new files.

        Returns warnings. Raises HookFailed and AgentError.
        """
        user = hook_user(self.spec.user)
        made = {name: found for name in names if (found := read_set(self._sets[name])) is not None}
        await self._hook(user, names, made)
        certificates = [name for name, one in made.items() if one.certificate is not None]
        every = [name for name, spec in self._sets.items() if isinstance(spec, CertificateSpec)]
        checks = []
        for check in self.spec.endpoints:
            name = self.spec.served_set(check, every)
            if name in certificates:
                checks.append(ServedCheck(check, made[name].leaf, bool(made[name].chain)))
        return await self._served(user, checks)

    async def _served(self, user: HookUser, checks: Sequence[ServedCheck]) -> tuple[str, ...]:
        """Wait until the endpoints serve the new files; signal once more where they don't for some seconds.

        A server that reloads misses a signal that comes meanwhile, as HAProxy's master does while it runs its
        program anew: the signal before this one may be seconds old.
        """
        seconds, first = self.spec.verify_within.total_seconds(), 0.0
        if self.spec.signal is not None and checks:
            first = min(seconds / 2, _SIGNAL_AGAIN)
            with suppress(HookFailed):
                return await verify_served(checks, first)
            signal_process(self.spec.signal, user)
        return await verify_served(checks, seconds - first, waited=first)

    async def _hook(self, user: HookUser, names: tuple[str, ...], made: Mapping[str, CertificateSet]) -> None:
        spec, seconds = self.spec, self.spec.timeout.total_seconds()
        if spec.command is not None:
            variables = {"VAULT_ISSUER_CONSUMER": spec.name, "VAULT_ISSUER_SETS": " ".join(names)}
            await run_program(spec.command, user, seconds, variables)
        elif spec.signal is not None:
            signal_process(spec.signal, user)
        elif spec.systemd is not None:
            await _run_job(spec.systemd, user, seconds)
        elif spec.haproxy is not None:
            replaced = [
                Replacement(one.file, _with_key(made[one.set]), _previous(self._sets[one.set]))
                for one in spec.haproxy.certificates
                if one.set in made
            ]
            await replace_certificates(spec.haproxy.socket, user, replaced, seconds)
        elif spec.container is not None:
            await tell_containers(spec.container, user, seconds)


def identity_of(spec: SetSpec) -> str:
    """Return a digest of a set's files and copies as they are now, empty if there are none.

    Raises AgentError.
    """
    with seen_set(spec.folder, owners_of(spec)) as folder:
        current = None if folder is None else folder.current()
    if current is None:
        return ""
    digest = hashlib.sha256(f"{current.number}".encode())
    for name, sha256 in sorted(current.sha256.items()):
        digest.update(f"{name} {sha256}\n".encode())
    for copy in spec.copies:
        with suppress(AgentError, OSError):
            digest.update(hashlib.sha256(read_regular(copy.path)).digest())
    return digest.hexdigest()


def read_set(spec: SetSpec) -> CertificateSet | None:
    """Return the current set of a folder; None if there is none. Raises AgentError."""
    with seen_set(spec.folder, owners_of(spec)) as folder:
        return None if folder is None else read_source(folder.read(SOURCE))


def _with_key(made: CertificateSet) -> KeyAndCertificates:
    return KeyAndCertificates(made.render(FileKind.COMBINED), made.leaf.serial_number)


def _previous(spec: SetSpec) -> KeyAndCertificates | None:
    """Return the set before the current one, None if there is none with a key. Raises AgentError."""
    with seen_set(spec.folder, owners_of(spec)) as folder:
        before = None if folder is None else folder.previous()
        made = None if folder is None or before is None else read_source(folder.read(SOURCE, before))
    return None if made is None or made.certificate is None else _with_key(made)


async def _run_job(hook: UnitHook, user: HookUser, seconds: float) -> None:
    """Have systemd do the job. Raises NotRunning if it fails and the unit was stopped before and still is.

    A unit that was active, or that fails to start, may have refused the new files: ConsumerRefused.
    """
    words = systemctl(hook)

    async def is_now(state: str) -> bool:
        try:
            await run_program((*words, "--quiet", f"is-{state}", hook.unit), user, seconds)
        except ConsumerRefused:
            return False
        return True

    was_active = await is_now("active")  # a restart with bad files leaves it inactive
    try:
        await run_program((*words, "--no-ask-password", hook.verb, hook.unit), user, seconds)
    except ConsumerRefused as error:
        if was_active or await is_now("failed"):
            raise
        raise NotRunning(f"{error}. {hook.unit} isn't active: start it") from error
