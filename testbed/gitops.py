"""What Flux and Argo CD make of objects, by Flux's own code and Argo CD's Lua engine."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from testbed.builds import GITOPS, build
from testbed.errors import TestbedError


@cache
def _program() -> Path:
    return build(GITOPS) / GITOPS.program


def ask(command: str, question: Any) -> str:
    """Return an answer of testbed/go/gitops, built in two minutes. Raises TestbedError with its words."""
    done = subprocess.run(
        [_program(), command], input=json.dumps(question), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TestbedError(f"gitops {command}: {done.stderr.strip()}")
    return done.stdout.strip()


def flux_health(item: dict[str, Any], expressions: dict[str, str] | None = None) -> str:
    """Return Flux's status of an object, such as `Current`, by expressions or by its conditions alone."""
    return ask("flux-health", {"exprs": expressions or {}, "object": item})
