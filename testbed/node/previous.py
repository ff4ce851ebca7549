"""Which version the upgrade starts from: the newest release before this tree, or the first chart."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import REPOSITORY

FILE = REPOSITORY / "tests" / "e2e" / "previous.json"


@dataclass(frozen=True, slots=True)
class Version:
    """A version by what it is called and the commit that it was made from."""

    name: str
    commit: str


def previous_version() -> Version | None:
    """The newest tag ``v*`` that is an ancestor of HEAD and not HEAD; else what ``previous.json`` says.

    None, and a line that says so, where the history was not fetched.
    """
    words = ["git", "-C", str(REPOSITORY), "describe", "--tags", "--match=v*", "--abbrev=0", "HEAD~1"]
    tag = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    if tag and _has_chart(tag):
        return Version(tag, tag)
    told = json.loads(FILE.read_text())
    if not _has_chart(told["commit"]):
        print(
            f"{told['name']} ({told['commit']}) isn't in this clone: no upgrade from it is tried", flush=True
        )
        return None
    return Version(told["name"], told["commit"])


def _has_chart(commit: str) -> bool:
    path = f"{commit}:{Path('charts/vault-issuer/Chart.yaml')}"
    words = ["git", "-C", str(REPOSITORY), "cat-file", "-e", path]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
