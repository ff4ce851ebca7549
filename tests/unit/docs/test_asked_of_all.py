"""Commands of the pages reach every replica, and need no program that their page doesn't name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.docs.console import console
from tests.unit.docs.pages import PAGES, prose

OTHERS = ("jq", "yq", "cmctl", "openssl", "curl", "date", "pipx", "podman")
"""Programs that not every terminal has, or not with the options that pages use."""
KNOWN = {"tutorial.md": {"openssl"}, "status-page.md": {"curl"}}
"""Programs whose absence a reader of the page repairs without being told."""


def commands() -> Iterator[tuple[str, str]]:
    """Yield the name of each page and each script that it has typed, its lines joined."""
    for page in PAGES:
        for block in console(page):
            for step in block.steps:
                yield page.name, step.script.replace("\\\n", " ")


def one_pods_log(script: str) -> bool:
    """Return True if a command asks for the log of one pod where several may run."""
    return any("--prefix" not in one for one in re.findall(r"kubectl logs [^\n|]*", script))


@pytest.mark.parametrize(
    ("script", "one"),
    [
        ("kubectl logs -n a deployment/b --tail=5", True),
        ("kubectl get pods\nkubectl logs -n a -l app=b --prefix --all-containers --tail=5", False),
        ("kubectl get pods", False),
    ],
)
def test_a_log_of_one_pod_is_found(script: str, one: bool) -> None:
    assert one_pods_log(script) is one


def test_logs_are_asked_of_every_pod_and_to_a_length() -> None:
    asked = [(page, script) for page, script in commands() if "kubectl logs" in script]
    assert len(asked) >= 4
    assert [one for one in asked if one_pods_log(one[1]) or "--tail=" not in one[1]] == []


def test_a_page_names_the_programs_that_its_commands_need() -> None:
    missing = {
        (page.name, program)
        for page in PAGES
        for block in console(page)
        for step in block.steps
        for program in OTHERS
        if re.search(rf"(?:^|[|(]|\$\() *{program} ", step.script, re.MULTILINE)
        and not re.search(rf"\b{program}\b", prose(page))
        and program not in KNOWN.get(page.name, set())
    }
    assert missing == set()
