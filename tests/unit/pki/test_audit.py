"""Audit devices: made by the API on Vault, asked for by a stanza on OpenBao, and never changed.

OpenBao has no such API, and Vault's program can't be had here: a fake answers as Vault's documentation says
(https://developer.hashicorp.com/vault/api-docs/system/audit).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.pki.apply.applying import Applier
from issuer.pki.authorities.files import AuthorityFiles
from issuer.pki.file.model import Part
from issuer.pki.file.reading import LoadedFile, load_texts
from issuer.pki.plan.planning import PkiPlan, plan_of
from issuer.pki.plan.step import StepAction
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input
from issuer.pki.verify.items import items_of

FILE = b"""
foundation:
  audit:
    file: {description: all of it, options: {file_path: /var/log/vault/audit.log, mode: "0600"}}
"""
DEVICE = {"type": "file", "description": "by hand", "options": {"file_path": "/elsewhere"}}


class FakeVault(VaultCalls):
    """Takes writes, and keeps them."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, Mapping[str, Any]]] = []

    async def write(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> dict[str, Any]:
        self.written.append((method, path, body or {}))
        return {}


@pytest.fixture
def loaded() -> LoadedFile:
    return load_texts([("pki.yaml", FILE)], {}, Path())


def planned(loaded: LoadedFile, plugin: str, audit: PathRead) -> PkiPlan:
    """The plan on a server whose mounts run plugins of this version."""
    mounts = {"sys/": {"type": "system", "running_plugin_version": plugin}}
    read = VaultReading({"sys/mounts": PathRead(mounts), "sys/audit": audit, "sys/auth": PathRead({})})
    given = plan_input(loaded, {Part.FOUNDATION})
    return plan_of(given, read, {}, datetime(2026, 11, 27, tzinfo=UTC))


async def test_vault_gets_the_device_by_its_api(loaded: LoadedFile) -> None:
    plan = planned(loaded, "v1.21.0+builtin.vault", PathRead({}))
    vault = FakeVault()
    await Applier(vault, loaded.file, AuthorityFiles(Path()), lambda _: None).apply(plan)
    options = {"file_path": "/var/log/vault/audit.log", "mode": "0600"}
    body = {"type": "file", "description": "all of it", "options": options}
    assert vault.written == [("POST", "sys/audit/file", body)]


async def test_a_device_stands_before_all_that_is_to_be_audited() -> None:
    more = b"  mounts: {pki: {}}\n  policies: {p: {text: x}}\n  auth: {a: {type: approle, roles: {r: {}}}}\n"
    loaded = load_texts([("pki.yaml", FILE + more)], {}, Path())
    plan = planned(loaded, "v1.21.0+builtin.vault", PathRead({}))
    vault = FakeVault()
    await Applier(vault, loaded.file, AuthorityFiles(Path()), lambda _: None).apply(plan)
    paths = [path for _, path, _ in vault.written]
    assert paths == ["sys/audit/file", "sys/mounts/pki", "sys/policies/acl/p", "sys/auth/a", "auth/a/role/r"]


def test_openbao_gets_a_stanza_and_no_call(loaded: LoadedFile) -> None:
    plan = planned(loaded, "v2.7.2+builtin.bao", PathRead({}))
    (step,) = plan.steps
    assert (step.action, step.writes, plan.applied) == (StepAction.BY_HAND, (), ())
    assert 'audit "file" "file" {' in step.note
    assert '    file_path = "/var/log/vault/audit.log"' in step.note


@pytest.mark.parametrize("plugin", ["v1.21.0+builtin.vault", "v2.7.2+builtin.bao"])
def test_a_device_that_is_there_is_never_changed(loaded: LoadedFile, plugin: str) -> None:
    plan = planned(loaded, plugin, PathRead({"file/": DEVICE}))
    assert [one.action for one in plan.steps] == [StepAction.NONE]
    (note,) = plan.notes
    assert note.startswith(
        "pki.yaml:4 sys/audit/file differs: description is 'by hand', and 'all of it' in the file"
    )
    assert "options.file_path is '/elsewhere', and '/var/log/vault/audit.log' in the file" in note
    assert "options.mode is '', and '0600' in the file" in note
    (item,) = items_of(plan)
    assert "differs: description" in item.message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ()),
        ({"description": "another"}, ("description is 'another'",)),
        ({"type": "syslog"}, ("type is 'syslog', and 'file' in the file",)),
        (
            {"options": {"file_path": "/var/log/vault/audit.log", "mode": "0600", "log_raw": "true"}},
            ("options.log_raw is 'true', and '' in the file",),
        ),
    ],
)
def test_a_device_that_differs_is_told(
    loaded: LoadedFile, change: dict[str, Any], told: tuple[str, ...]
) -> None:
    options = {"file_path": "/var/log/vault/audit.log", "mode": "0600"}
    device = {"type": "file", "description": "all of it", "options": options, **change}
    notes = planned(loaded, "v2.7.2+builtin.bao", PathRead({"file/": device})).notes
    assert [one in notes[at] for at, one in enumerate(told)] == [True] * len(notes)


def test_a_table_that_may_not_be_read_is_a_problem(loaded: LoadedFile) -> None:
    plan = planned(loaded, "v1.21.0+builtin.vault", PathRead(refused="permission denied"))
    assert plan.problems == ("The token may not read sys/audit: permission denied",)
