"""A plan of a file that asks for a rotation leaves to that what is its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.pki.file.model import Part
from issuer.pki.file.reading import load_texts
from issuer.pki.plan.planning import PkiPlan, plan_of
from issuer.pki.plan.step import StepAction
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input
from tests.pki.cas import root

FILE = """\
mounts:
  int: {defaultIssuer: lab-1}
authorities:
  lab-1: {mount: int, existing: true}
  lab-2:
    mount: int
    replaces: lab-1
    offline: {request: a.csr, certificate: a.pem}
    subject: {commonName: Lab 2}
    key: {bits: 256}
    lifetime: 87600h
"""
CAS = {"lab-1": root("Lab 1"), "lab-2": root("Lab 2")}
USAGE = "crl-signing,issuing-certificates,ocsp-signing,read-only"


def planned(names: tuple[str, ...], default: str, more: Mapping[str, Any] | None = None) -> PkiPlan:
    """What is planned where the mount has these CAs, and this one signs by default."""
    held: dict[str, Any] = {
        "sys/mounts": {"int/": {"type": "pki", "description": ""}},
        "int/issuers/": {
            "key_info": {f"i-{one}": {"issuer_name": one, "key_id": f"k-{one}"} for one in names}
        },
        "int/keys/": {"key_info": {f"k-{one}": {"key_name": one} for one in names}},
        "int/config/issuers": {"default": f"i-{default}", "default_follows_latest_issuer": False},
    }
    for one in names:
        pem = CAS[one].pem
        held[f"int/issuer/{one}"] = {
            "certificate": pem,
            "ca_chain": [pem],
            "usage": USAGE,
            "issuer_name": one,
        }
    answers = {path: PathRead(data) for path, data in {**held, **(more or {})}.items()}
    loaded = load_texts([("pki.yaml", FILE.encode())], {}, Path())
    given = plan_input(loaded, {Part.AUTOMATION})
    return plan_of(given, VaultReading(answers), {}, datetime.now(UTC))


def steps(plan: PkiPlan) -> dict[str, StepAction]:
    assert plan.problems == ()
    return {one.path: one.action for one in plan.steps if one.action is not StepAction.NONE}


def test_a_new_ca_is_left_to_the_rotation_while_the_old_one_stands() -> None:
    assert steps(planned(("lab-1",), "lab-1")) == {"int/issuer/lab-2": StepAction.ROTATE}


@pytest.mark.parametrize("default", ["lab-1", "lab-2"])
def test_either_ca_may_sign_by_default(default: str) -> None:
    assert steps(planned(("lab-1", "lab-2"), default)) == {}


def test_a_mount_whose_default_follows_is_set_back_without_a_switch() -> None:
    config = {"default": "i-lab-2", "default_follows_latest_issuer": True}
    plan = planned(("lab-1", "lab-2"), "lab-2", {"int/config/issuers": config})
    assert steps(plan) == {"int/config/issuers": StepAction.CHANGE}
    (write,) = next(one for one in plan.applied).writes
    assert write.body["default"] == "lab-2"


def test_a_retired_usage_stays() -> None:
    pem = CAS["lab-1"].pem
    retired = {
        "certificate": pem,
        "ca_chain": [pem],
        "usage": "read-only,crl-signing",
        "issuer_name": "lab-1",
    }
    assert steps(planned(("lab-1", "lab-2"), "lab-2", {"int/issuer/lab-1": retired})) == {}


def test_a_deleted_ca_is_not_made_again_and_the_file_is_told() -> None:
    plan = planned(("lab-2",), "lab-2")
    assert steps(plan) == {}
    (note,) = plan.notes
    assert note.startswith("pki.yaml:4 int/issuer/lab-1 ")
    assert "take the authority lab-1 and replaces of lab-2 out" in note


def test_in_an_empty_mount_the_new_ca_alone_is_made() -> None:
    found = steps(planned((), "none"))
    assert found == {"int/issuer/lab-2": StepAction.CREATE, "int/config/issuers": StepAction.CHANGE}
