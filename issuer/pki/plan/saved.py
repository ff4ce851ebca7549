"""A plan as a file: what was reviewed is what is applied, or nothing is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from issuer.manifests.documents import read_source
from issuer.manifests.errors import BadInput
from issuer.pki.errors import StalePlan
from issuer.pki.plan.planning import PkiPlan
from issuer.text import parse_json
from issuer.whole_files import write_whole


def save(plan: PkiPlan, path: Path) -> None:
    """Write a plan. Raises BadInput if the file can't be written."""
    try:
        write_whole(path, json.dumps(plan.to_json(), indent=2) + "\n")
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A saved plan as it was read, by the name of its file."""

    source: str
    data: Mapping[str, Any] = field(repr=False)


def read_saved(path: Path) -> SavedPlan:
    """Return a saved plan. Raises BadInput if it can't be read, or is none."""
    source, content = read_source(str(path))
    try:
        saved: Any = parse_json(content)
    except ValueError as error:
        raise BadInput(f"{source} is not a saved plan: it is not JSON") from error
    if not isinstance(saved, dict) or saved.get("version") != 1:
        raise BadInput(f"{source} is not a saved plan of this version; make it again with pki plan --out")
    return SavedPlan(source, saved)


def check_saved(saved: SavedPlan, plan: PkiPlan) -> None:
    """Raise StalePlan unless the saved plan is that of now: equal file, reading, certificates to import, and
    steps."""
    now = json.loads(json.dumps(plan.to_json()))
    for key, what in (
        ("fileSHA256", "pki.yaml was edited"),
        ("readSHA256", "something that the plan had read in Vault was changed"),
        ("importsSHA256", "a certificate in a file that would be imported was replaced"),
        ("steps", "the steps are others, by a variable or another version of this command"),
    ):
        if saved.data.get(key) != now[key]:
            raise StalePlan(f"Since {saved.source} was saved, {what}. Plan again, and review it")
