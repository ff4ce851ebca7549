"""What the pages show of the chart works: commands with the values they set, and values as YAML."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.chart import CHART, KUBERNETES, render, run_helm
from testbed.cluster import REPOSITORY
from tests.unit.docs.pages import blocks

SHOWING = ("install.md", "upgrading.md", "gitops.md", "canary.md", "monitoring.md", "status-page.md")
PAGES = [REPOSITORY / "docs" / name for name in SHOWING]
PAGES += [CHART / "README.md", REPOSITORY / "README.md"]
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


def commands() -> list[str]:
    """Every `helm install` and `helm upgrade` of the pages, on one line."""
    shown = [block for page in PAGES for block in blocks(page, "console")]
    lines = "\n".join(shown).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"helm (install|upgrade) ", line)]


def test_there_are_commands() -> None:
    assert len(commands()) >= 3


@pytest.mark.parametrize("line", commands())
def test_a_command_sets_values_that_there_are(line: str) -> None:
    words = [one for one in shlex.split(line) if one != "--install"]
    _, _, release, chart, *options = words
    left_out = {"--create-namespace", "--reset-then-reuse-values", "--values", "values.yaml"}
    words = ["template", release, str(REPOSITORY / chart), *(one for one in options if one not in left_out)]
    if "--reset-then-reuse-values" in options:  # the registry that was set before
        words.append("--set=image.registry=registry.example.com")
    assert "kind: Deployment" in run_helm([*words, f"--kube-version={KUBERNETES}"])


def values(page: Path) -> list[Any]:
    """A page's YAML blocks that are values of the chart."""
    found = [yaml.safe_load(block) for block in blocks(page, "yaml") if "\n---\n" not in block]
    return [one for one in found if isinstance(one, dict) and one.keys() <= DEFAULTS.keys()]


def test_values_that_a_page_shows_are_taken() -> None:
    shown = [one for page in PAGES for one in values(page)]
    assert len(shown) >= 2
    for one in shown:
        render(one)


def test_every_switch_that_the_pages_name_is_one() -> None:
    for page in PAGES:
        for name in re.findall(r"`((?:\w+\.)+\w+)(?:: \w+)?`", page.read_text()):
            tree: Any = DEFAULTS
            if name.split(".")[0] not in DEFAULTS or name.endswith((".yaml", ".json")):  # a file's name
                continue
            for key in name.split("."):
                assert key in tree, f"{page.name}: {name}"
                tree = tree[key]
