"""A consumer tried without telling it anything: user, program, pid file, unit, socket, endpoints."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from issuer.agent.config.consumers import ConsumerSpec, PidFileHook, UnitHook
from issuer.agent.hooks.containers import check_containers
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed, NotRunning
from issuer.agent.hooks.haproxy import check_runtime
from issuer.agent.hooks.processes import check_process
from issuer.agent.hooks.programs import check_program, run_program, systemctl
from issuer.agent.hooks.serving import check_endpoint
from issuer.agent.hooks.users import HookUser, hook_user


@dataclass(slots=True)
class CheckFindings:
    """Sentences about what doesn't work, and about what works and deserves a look."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, found: CheckFindings) -> None:
        """Take over what was found about the set or consumer `name`."""
        self.problems += [f"{name}: {one}" for one in found.problems]
        self.warnings += [f"{name}: {one}" for one in found.warnings]


async def check_consumer(spec: ConsumerSpec, *, serves: bool, has_files: bool) -> CheckFindings:
    """Try all of a consumer but its hook. `serves` is True if a certificate is among its sets.

    One that doesn't run is a problem, unless it may be stopped, or there are no files yet for it to start
    with (`has_files`): then it is a warning.
    """
    findings = CheckFindings()
    absent = findings.problems if has_files and not spec.may_be_stopped else findings.warnings
    try:
        await _check_hook(spec, hook_user(spec.user))
    except NotRunning as error:
        absent.append(str(error))
    except HookFailed as error:
        findings.problems.append(str(error))
    absent += filter(None, await asyncio.gather(*map(check_endpoint, spec.endpoints)))
    if serves and not spec.endpoints and spec.haproxy is None:
        findings.warnings.append(
            "it has no endpoints, so nothing shows that it serves new certificates: write endpoints: "
            '[{address: "HOST:PORT"}]'
        )
    return findings


async def _check_hook(spec: ConsumerSpec, user: HookUser) -> None:
    seconds = spec.timeout.total_seconds()
    if spec.command is not None:
        check_program(spec.command, user)
    elif spec.signal is not None:
        _check_pid_file(spec.signal, user)
    elif spec.systemd is not None:
        await _check_unit(spec.systemd, user, seconds)
    elif spec.haproxy is not None:
        files = [one.file for one in spec.haproxy.certificates]
        await check_runtime(spec.haproxy.socket, user, files, seconds)
    elif spec.container is not None:
        await check_containers(spec.container, user, seconds)


def _check_pid_file(hook: PidFileHook, user: HookUser) -> None:
    if not hook.exe.is_file():
        raise HookFailed(f'There is no program "{hook.exe}": correct exe, or install it')
    if not hook.pid_file.parent.is_dir():
        raise NotRunning(
            f'There is no folder for the pid file "{hook.pid_file}": start the server, or correct pidFile'
        )
    check_process(hook, user)


async def _check_unit(hook: UnitHook, user: HookUser, seconds: float) -> None:
    try:
        await run_program((*systemctl(hook), "cat", hook.unit), user, seconds)
    except ConsumerRefused as error:
        raise HookFailed(f"{error}. Correct unit, or install {hook.unit}") from error
