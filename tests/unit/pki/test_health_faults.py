"""Every check of `pki health` finds its faults, and every finding says what mends it: the whole catalogue.

A finding has lines of pki.yaml, which load over the file that there is, or words of what to do instead; one
without either can't be made.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest

from issuer.pki.file.reading import load_texts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import to_lines
from issuer.pki.health.parameters import CHECKS
from issuer.pki.health.show import show_report
from issuer.terminal.console import console
from tests.unit.pki.health_facts import FILE, healthy
from tests.unit.pki.health_faults import authorities, logins, mounts, publishing

FAULTS = authorities.FAULTS | publishing.FAULTS | mounts.FAULTS | logins.FAULTS


@cache
def overlaid(lines: str) -> None:
    """Load lines over the file; raises BadInput if they don't fit it."""
    load_texts([("pki.yaml", FILE.encode()), ("fix.yaml", lines.encode())], {}, Path())


async def test_nothing_is_graver_than_informational_in_a_healthy_vault() -> None:
    report = await healthy().examined()
    assert report.worst is Gravity.INFORMATIONAL
    told = {one.check for one in report.findings if not one.severity.is_fine}
    assert told == {"enable_acme_issuance", "role_no_store_false"}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_found_with_what_mends_it(name: str) -> None:
    check, severity, harm = FAULTS[name]
    vault = healthy()
    harm(vault)
    report = await vault.examined()
    assert (check, severity) in {(one.check, one.severity) for one in report.findings}
    for one in report.findings:
        if one.severity.is_fine:
            continue
        assert bool(one.fix) != bool(one.instead), one
        overlaid(to_lines(one.fix))


async def test_a_table_has_the_words_where_no_line_mends_and_the_lines_elsewhere() -> None:
    vault = healthy()
    logins.clock_behind(vault)
    mounts.localhost(vault)
    shown = io.StringIO()
    show_report(await vault.examined(), console(shown, width=200))
    lines = shown.getvalue().splitlines()
    assert lines[0] == "critical  clock_skew  sys/seal-status"
    assert lines[2].startswith("    Set both clocks by NTP")
    assert "            allow_localhost: false" in lines
    assert lines[-1].startswith("pki, int: 1 critical, 1 warning")


def test_every_check_has_a_fault_here() -> None:
    assert {check for check, _, _ in FAULTS.values()} == set(CHECKS)


def test_a_finding_without_what_mends_it_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="nothing says what to do about: bad"):
        HealthFinding("check", Gravity.WARNING, "pki", "pki/roles", "bad")
