"""Jobs of systemd: a unit that its new files stop is told apart from one that was stopped before."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from issuer.agent.config.consumers import ConsumerSpec
from issuer.agent.errors import AgentError
from issuer.agent.hooks.consumer import Consumer
from issuer.agent.hooks.errors import ConsumerRefused, NotRunning


async def told(folder: Path, state: str, after: str) -> AgentError | None:
    """Restart a unit whose job fails; `state` is its own before, `after` the one that the job leaves."""
    (folder / "state").write_text(state)
    program = folder / "systemctl"
    program.write_text(
        f"""#!/bin/sh
case "$*" in
*is-active*) grep -qx active {folder}/state ;;
*is-failed*) grep -qx failed {folder}/state ;;
*) printf %s {after} > {folder}/state; echo "Job failed" >&2; exit 1 ;;
esac
"""
    )
    program.chmod(0o755)
    data = {"name": "nginx", "user": getpass.getuser()}
    hook = {"unit": "nginx.service", "verb": "restart"}
    spec = ConsumerSpec.model_validate({**data, "sets": ["web"], "systemd": hook})
    try:
        await Consumer(spec.model_copy(update={"sets": ()}), {}).tell(())
    except AgentError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("active", "failed", ConsumerRefused),
        ("active", "inactive", ConsumerRefused),
        ("active", "active", ConsumerRefused),
        ("inactive", "failed", ConsumerRefused),
        ("inactive", "inactive", NotRunning),
    ],
)
async def test_failed_job(
    before: str, after: str, kind: type[AgentError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert type(await told(tmp_path, before, after)) is kind
