"""Names in grants that neither the file nor Vault has: a typo would protect nothing, and say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.pki.file.model import Part
from issuer.pki.file.reading import load_texts
from issuer.pki.plan.checks.granted import grant_reads
from issuer.pki.plan.planning import plan_of
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input

FILE = """\
foundation:
  policies:
    web:
      generate: {%s}
mounts:
  pki_int: {roles: {web: {}}}
"""
MOUNTS = {"pki_root/": {"type": "pki"}, "pki_int/": {"type": "pki"}}


def problems(grants: str, more: Mapping[str, PathRead] | None = None) -> list[str]:
    """What a plan says of these grants, where Vault has two mounts."""
    loaded = load_texts([("pki.yaml", (FILE % grants).encode())], {}, Path())
    answers = {
        "sys/mounts": PathRead(MOUNTS),
        "pki_int/roles/": PathRead({"keys": ["by-hand"]}),
        **(more or {}),
    }
    given = plan_input(loaded, {Part.FOUNDATION})
    plan = plan_of(given, VaultReading(answers), {}, datetime(2026, 11, 27, tzinfo=UTC))
    return [one for one in plan.problems if "generate" in one]


@pytest.mark.parametrize(
    "grants",
    [
        "sign: [pki_int/web], protect: [pki_root]",
        "issue: [pki_int/by-hand]",
        "sign: [pki_root/any], signIntermediate: [pki_root], read: [pki_root], revoke: [pki_int]",
    ],
)
def test_what_the_file_or_vault_has_may_be_granted(grants: str) -> None:
    assert problems(grants) == []


@pytest.mark.parametrize(
    ("grants", "key", "missing"),
    [
        ("protect: [pki_rot]", "protect", "the mount pki_rot"),
        ("sign: [pki_itn/web]", "sign", "the mount pki_itn"),
        ("signIntermediate: [pki_top]", "signIntermediate", "the mount pki_top"),
        ("issue: [pki_int/wbe]", "issue", "the role wbe"),
    ],
)
def test_a_name_that_nobody_has_is_refused_with_its_line(grants: str, key: str, missing: str) -> None:
    (said,) = problems(grants)
    assert said.startswith(f"pki.yaml:4 foundation.policies.web.generate.{key}: neither the file nor ")
    assert missing in said


def test_roles_are_asked_for_only_where_the_file_lacks_them() -> None:
    reads: list[list[Any]] = []
    for grants in ("sign: [pki_int/web]", "sign: [pki_int/other], issue: [elsewhere/x]"):
        loaded = load_texts([("pki.yaml", (FILE % grants).encode())], {}, Path())
        reads.append(list(grant_reads(loaded.file, {Part.FOUNDATION})))
    assert reads == [[], [("pki_int", "pki_int/roles/")]]


def test_what_may_not_be_read_is_not_judged() -> None:
    assert problems("sign: [pki_int/other]", {"pki_int/roles/": PathRead(None, "403")}) == []
