"""Roles whose sizes Vault fills in make no plan that never ends."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.pki.file.model import Part
from issuer.pki.file.reading import load_texts
from issuer.pki.plan.desired import resources_of
from issuer.pki.plan.planning import plan_of
from issuer.pki.resources.roles import PkiRoleResource
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input


def changed(fields: str, read: dict[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """The fields of a role that a plan would change."""
    text = f"mounts: {{pki: {{tune: {{}}, roles: {{web: {{{fields}}}}}}}}}"
    loaded = load_texts([("pki.yaml", text.encode())], {}, Path())
    role = next(one for one in resources_of(loaded.file, loaded.places) if isinstance(one, PkiRoleResource))
    reading = VaultReading({"pki/roles/web": PathRead(read)})
    return {one.name: (one.before, one.after) for one in role.changes(role.current(reading))}


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ("key_type: rsa", {"key_type": "rsa", "key_bits": 2048, "signature_bits": 256}),
        ("key_type: rsa", {"key_type": "rsa", "key_bits": 2048, "signature_bits": 0}),
        ("key_type: rsa, signature_bits: 0, key_bits: 0", {"key_bits": 2048, "signature_bits": 256}),
        ("key_type: ec, key_bits: 0", {"key_type": "ec", "key_bits": 256, "signature_bits": 0}),
    ],
)
def test_a_size_in_place_of_0_makes_no_difference(fields: str, read: dict[str, Any]) -> None:
    assert changed(fields, {"key_type": "rsa", **read}) == {}


@pytest.mark.parametrize(
    ("fields", "read", "name", "differs"),
    [
        ("key_type: rsa, signature_bits: 384", {"signature_bits": 256}, "signature_bits", (256, 384)),
        ("key_type: rsa", {"signature_bits": 512}, "signature_bits", (512, 0)),
        ("key_type: ec, key_bits: 384", {"key_type": "ec", "key_bits": 256}, "key_bits", (256, 384)),
    ],
)
def test_another_size_differs(fields: str, read: dict[str, Any], name: str, differs: tuple[int, int]) -> None:
    assert changed(fields, {"key_type": "rsa", "key_bits": 2048, **read}) == {name: differs}


def test_a_new_role_shows_what_the_file_switches_off() -> None:
    fields = "allow_localhost: false, require_cn: false, max_ttl: 0, allowed_domains: [], ou: null"
    assert {name: after for name, (_, after) in changed(fields, None).items()} == {
        "allow_localhost": False,
        "require_cn": False,
        "max_ttl": 0,
    }


DATED = """\
foundation:
  mounts: {pki: {tune: {max_lease_ttl: 8760h}, defaultIssuer: home}}
  authorities:
    home: {mount: pki, subject: {commonName: Home}, lifetime: 8760h, settings: {SETTINGS}}
mounts:
  other: {}
"""


def told(not_after: str, settings: str = "", role: str = "", read: dict[str, Any] | None = None) -> list[str]:
    """The contradictions of a plan, made on 2026-11-27, with a role of this end."""
    fields = f"not_after: '{not_after}'{role}"
    text = DATED.replace("SETTINGS", settings).replace(
        "Issuer: home}", f"Issuer: home, roles: {{web: {{{fields}}}}}}}"
    )
    loaded = load_texts([("pki.yaml", text.encode())], {}, Path())
    known = {path: PathRead({}) for path in ("sys/mounts", "sys/auth", "sys/audit")}
    reading = VaultReading({**known, "pki/roles/web": PathRead(read)})
    plan = plan_of(plan_input(loaded, set(Part)), reading, {}, datetime(2026, 11, 27, tzinfo=UTC))
    return list(plan.contradictions)


def test_a_role_that_ends_after_its_ca_is_refused_with_its_line() -> None:
    (line,) = told("2099-01-01T00:00:00Z")
    assert line.startswith(
        "pki.yaml:2 foundation.mounts.pki.roles.web.not_after: is after the end of home, its CA"
    )
    assert "(2027-11-27T00:00:00Z)" in line


def test_a_role_that_ended_is_refused() -> None:
    (line,) = told("2026-11-27T00:00:00Z", "leaf_not_after_behavior: permit")
    assert "roles.web.not_after: is over; write a later date" in line


@pytest.mark.parametrize(
    ("not_after", "settings"),
    [
        ("2027-11-27T00:00:00Z", ""),
        ("2027-11-27T01:00:00+01:00", "usage: issuing-certificates"),
        ("9999-12-31T23:59:59Z", "leaf_not_after_behavior: truncate"),
        ("9999-12-31T23:59:59Z", "leaf_not_after_behavior: permit"),
    ],
)
def test_a_role_whose_ca_signs_so_long_is_taken(not_after: str, settings: str) -> None:
    assert told(not_after, settings) == []


def test_a_role_that_stands_is_not_refused_as_time_passes() -> None:
    end = "2026-01-01T00:00:00Z"
    text = "mounts: {pki: {roles: {web: {}}}}"
    loaded = load_texts([("pki.yaml", text.encode())], {}, Path())
    role = next(one for one in resources_of(loaded.file, loaded.places) if isinstance(one, PkiRoleResource))
    assert told(end, read={**role.defaults, "not_after": end}) == []
    assert told(end, read={**role.defaults, "not_after": "2025-01-01T00:00:00Z"}) != []
