"""Fields of the file against those that a server offers, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from issuer.pki.file.reading import LoadedFile, load
from issuer.pki.plan.desired import resources_of
from issuer.pki.plan.fields import check_fields, questions
from issuer.pki.server.offers import mismatch, offered_fields
from issuer.pki.server.reading import PathRead, VaultReading
from tests.pki.files import TWO_TIER


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedFile:
    path = tmp_path / "pki.yaml"
    path.write_text(TWO_TIER)
    return load([str(path)], {"T": "t"})


def reading(*mounts: str) -> VaultReading:
    tables = {f"{one}/": {"type": "pki"} for one in mounts}
    return VaultReading({"sys/mounts": PathRead(tables), "sys/auth": PathRead({})})


def test_a_mount_that_is_not_there_is_asked_for_by_another_of_its_type(loaded: LoadedFile) -> None:
    resources = resources_of(loaded.file, loaded.places)
    asked = questions(resources, reading("elsewhere"))
    assert asked["pki/roles"] == "elsewhere/roles/web"
    assert asked["mount"] == "sys/mounts/t-root/tune"
    assert "approle/role" not in asked
    assert questions(resources, reading("t-int"))["pki/roles"] == "t-int/roles/web"


def test_what_cannot_be_asked_is_said_and_checked_by_what_is_known(loaded: LoadedFile) -> None:
    resources = resources_of(loaded.file, loaded.places)
    checked = check_fields(resources, reading(), {}, loaded.places)
    assert checked.problems == ()
    assert "role" in checked.notes[0]
    assert "OpenBao 2.7.2" in checked.notes[0]


def test_what_the_server_says_counts_before_what_is_known(loaded: LoadedFile) -> None:
    resources = resources_of(loaded.file, loaded.places)
    names = ("allowed_domains", "allow_subdomains", "key_type", "ttl", "max_tll")
    offers = {"pki/roles": dict.fromkeys(names, "")}
    checked = check_fields(resources, reading("t-int"), offers, loaded.places)
    assert len(checked.problems) == 1
    assert "mounts.t-int.roles.web.max_ttl: this server has no field max_ttl" in checked.problems[0]
    assert "write max_tll" in checked.problems[0]


@pytest.mark.parametrize(
    "answer", [None, {}, {"openapi": None}, {"openapi": {"paths": []}}, {"openapi": {"paths": {"/x": 3}}}]
)
def test_an_answer_that_does_not_tell_offers_nothing(answer: Any) -> None:
    assert offered_fields(answer) == {}


def test_fields_are_read_from_a_document() -> None:
    schema = {"$ref": "#/components/schemas/Role"}
    write = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    document = {
        "paths": {"/roles/{name}": {"get": {}, "post": write}},
        "components": {
            "schemas": {"Role": {"properties": {"ttl": {"type": "integer"}, "x": {}, "backend": {}}}}
        },
    }
    assert offered_fields({"openapi": document}) == {"ttl": "integer", "x": ""}


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        ("string", ("a", "", 5, True, 1.5), ([], ["a"], {})),
        ("boolean", (True, "t", "False", "", 0, 1), ("maybe", "yes", [True], {})),
        ("integer", (5, "5", "72h", "30d", "", True), ("soon", [5], {"a": 5})),
        ("array", ([], ["a"], "a,b", "", 5), ({"a": "b"},)),
        ("object", ({}, {"a": "b"}, "a=b", ["a=b"]), ()),
        ("", ({}, [], "a", 5), ()),
    ],
)
def test_values_are_read_as_loosely_as_vault_reads_them(
    kind: str, taken: tuple[object, ...], refused: tuple[object, ...]
) -> None:
    assert [one for one in taken if mismatch(one, kind)] == []
    assert [one for one in refused if not mismatch(one, kind)] == []


@pytest.mark.parametrize("offers", [{}, {"pki/roles": {"allowed_domains": "array", "key_type": "string"}}])
def test_a_value_of_another_type_is_refused_with_its_line(
    tmp_path: Path, offers: dict[str, dict[str, str]]
) -> None:
    path = tmp_path / "pki.yaml"
    path.write_text("mounts:\n  m:\n    roles:\n      web:\n        allowed_domains: {a: b}\n")
    loaded = load([str(path)], {})
    checked = check_fields(resources_of(loaded.file, loaded.places), reading("m"), offers, loaded.places)
    (problem,) = checked.problems
    assert f"{path}:5 mounts.m.roles.web.allowed_domains: must be a list for this role" in problem
