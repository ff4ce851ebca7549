"""What counts as signed, issued, renewed; and what a process has used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.audit import Audit
from benchmarks.procfs import cpu_seconds, now, rss_peak_mb, runs, started
from benchmarks.watching import Refused, at_revision, issued, renewing
from tests.builders import certificate_request, condition

SIGN = "pki_int/sign/lab"


def entry(path: str, kind: str = "response", policies: tuple[str, ...] = ("x",), **more: Any) -> str:
    made = {"type": kind, "auth": {"policies": policies}, "request": {"path": path}, **more}
    return json.dumps(made, separators=(",", ":")) + "\n"


def test_the_audit_log_is_read_on_from_where_it_was(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    signed = entry(SIGN, response={"data": {"certificate": "pem"}})
    log.write_text(signed)
    audit = Audit(log, SIGN)
    refused = entry(SIGN, error="no")
    with log.open("a") as file:
        file.write(signed + signed + refused + entry(SIGN, "request") + entry("pki/sign/lab"))
    assert audit.look() == (2, 0)
    assert audit.look() == (0, 0)


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("")
    audit = Audit(log, SIGN)
    whole = entry("auth/approle/login")
    log.write_text(whole[:20])
    assert audit.look() == (0, 0)
    log.write_text(whole)
    assert audit.look() == (0, 1)


def test_logins_are_those_of_systems_and_not_the_testbeds_own(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("")
    audit = Audit(log, SIGN)
    lookups = entry("auth/token/lookup-self") + entry("auth/token/lookup-self", policies=("root",))
    log.write_text(lookups + entry("auth/approle/login", error="wrong") + entry("auth/token/create"))
    assert audit.look() == (0, 1)


def test_a_request_is_issued_when_it_is_ready_with_a_certificate() -> None:
    ready = certificate_request(conditions=[condition("Ready", reason="Issued")])
    assert not issued(ready)
    ready["status"]["certificate"] = "cGVt"
    assert issued(ready)
    assert not issued(certificate_request())


def test_a_failed_request_ends_the_benchmark() -> None:
    pending = certificate_request(conditions=[condition("Ready", "False", "Pending")])
    assert not issued(pending)
    for reason in ("Failed", "Denied"):
        with pytest.raises(Refused, match=reason):
            issued(certificate_request(conditions=[condition("Ready", "False", reason)]))


def test_a_certificate_is_renewed_when_its_next_revision_is_stored() -> None:
    told = {"status": {"revision": 1, "conditions": [condition("Issuing")]}}
    assert renewing(told)
    assert not at_revision(1)(told)
    done = {"status": {"revision": 2, "conditions": [condition("Issuing", "False")]}}
    assert not renewing(done)
    assert at_revision(2)(done)
    assert not at_revision(3)(done)


def test_a_process_is_seen_in_proc() -> None:
    me = os.getpid()
    assert 0 < started(me) <= now()
    assert cpu_seconds(me) > 0
    assert rss_peak_mb(me) > 1
    assert runs(me)
    assert not runs(2**22 + 1)
