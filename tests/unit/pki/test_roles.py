"""Roles whose sizes Vault fills in make no plan that never ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from issuer.pki.file.reading import load_texts
from issuer.pki.plan.desired import resources_of
from issuer.pki.resources.roles import PkiRoleResource
from issuer.pki.server.reading import PathRead, VaultReading


def changed(fields: str, read: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
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
