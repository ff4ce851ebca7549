"""Reports of machines that somebody took over: each is told, and none keeps the inventory from the others."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.inventory.certificate import KnownIssuer, KnownIssuers
from issuer.inventory.reports import read_reports
from issuer.inventory.uses import UsesFound
from issuer.text import rfc3339
from tests.ca import TestCA

CA = TestCA.make()
ISSUERS = KnownIssuers([KnownIssuer.of("pki", "int", CA.intermediate)])
NOW = datetime(2026, 11, 28, tzinfo=UTC)
CERTIFICATE = {
    "serial": "01",
    "issuer": CA.intermediate.subject.rfc4514_string(),
    "subject": "CN=web",
    "notBefore": "2026-11-01T00:00:00Z",
    "notAfter": "2027-11-01T00:00:00Z",
    "sha256": "ab" * 32,
}


def report(at: str = "2026-11-28T00:00:00Z", names: Any = ("web.test",), **certificate: str) -> str:
    """A report of one set."""
    one = {"name": "web", "serial": "01", "names": names, "certificates": [CERTIFICATE | certificate]}
    return json.dumps({"format": 1, "machine": "web-1", "at": at, "sets": [one]})


def read(folder: Path, content: str) -> tuple[UsesFound, list[str]]:
    """Read a folder with this report and a good one; return what is used, and what isn't known."""
    uses = UsesFound(ISSUERS)
    (folder / "bad.json").write_text(content)
    (folder / "good.json").write_text(report(sha256="cd" * 32))
    return uses, [one.text for one in read_reports(folder, ISSUERS, uses, NOW)]


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        report(notAfter="2027-11-01T00:00:00"),
        report(at="2026-11-28T00:00:00"),
        report(notAfter="9999-12-31T23:59:59-14:00"),
        report(notBefore="0001-01-01T00:00:00+14:00"),
        report(serial="9" * 5000),
        report(sha256="x"),
        json.dumps({"format": 1, "machine": "web-1", "at": "2026-11-28T00:00:00Z", "sets": [["x"]]}),
    ],
    ids=["nested", "no-zone", "no-zone-of-report", "late", "early", "long-number", "no-digest", "no-set"],
)
def test_a_report_that_is_none_is_told_and_the_others_are_read(tmp_path: Path, content: str) -> None:
    uses, gaps = read(tmp_path, content)
    assert [rfc3339(one.ends) for one in uses.beyond(())] == ["2027-11-01T00:00:00Z"]
    assert [one.startswith("the report bad.json can't be read") for one in gaps] == [True], gaps


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert "the report pipe.json can't be read: it is no file" in read(tmp_path, report())[1]


def test_names_are_a_list(tmp_path: Path) -> None:
    uses, gaps = read(tmp_path, report(names="abc"))
    assert ([one.names for one in uses.beyond(())], gaps) == ([(), ("web.test",)], [])
