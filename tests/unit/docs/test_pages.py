"""README.md and docs/*.md: links lead somewhere, and what they show of ours can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from issuer.api.issuers import VaultClusterIssuerSpec
from issuer.api.step import StepClusterIssuerSpec
from issuer.policy.compiled import compile_policy
from tests.unit.docs.collected import ROOT
from tests.unit.docs.pages import PAGES, anchors, documents, links, prose

BASE = {
    "server": "https://vault.example.com:8200",
    "path": "pki_int/sign/lab",
    "auth": {"tokenSecretRef": {"name": "vault-login"}},
}


def broken(page: Path, target: str) -> str | None:
    """Return what is wrong with a relative link, or None."""
    name, _, anchor = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    if not file.exists():
        return f"{target}: there is no such file"
    if anchor and anchor not in anchors(file):
        return f"{target}: {file.name} has no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert [wrong for target in links(page) if (wrong := broken(page, target))] == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One: `two`, and three\n\n[a](page.md#one-two-and-three) [b](#none) [c](gone.md)\n")
    assert [broken(page, target) is None for target in links(page)] == [True, False, False]


def torn(text: str) -> list[str]:
    """Return the lines at which the site ends a list that goes on: below an item it wants four blanks."""
    found, after_blank, ended, fenced = [], False, True, False
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        if not fenced:
            if re.match(r" {1,3}(?:[-*] |\S)" if after_blank else r" {1,3}[-*] ", line):
                found.append(line)
            if re.match(r"(?:[2-9]|\d\d)\. ", line) and ended:
                found.append(line)
            if re.match(r"\d+\. ", line):
                ended = False
            elif after_blank and line and not line.startswith(" "):
                ended = True
        fenced ^= is_fence
        after_blank = not line
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_no_list_is_torn_on_the_site(page: Path) -> None:
    assert torn(page.read_text()) == []


def test_a_torn_list_is_noticed() -> None:
    assert torn("1. a\n\n    b\n\n    ```\n c\n    ```\n\n2. d\n   e\n\nf\n") == []
    assert torn("1. a\n\n   b\n\n2. c\n") == ["   b"]
    assert torn("1. a\n\n```\nb\n```\n\n2. c\n") == ["2. c"]
    assert torn("- a\n  - b\n") == ["  - b"]


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_pages_named_in_a_page_are_linked(page: Path) -> None:
    unlinked = re.sub(r"\[[^\]]*\]\([^)]*\)", "", prose(page))
    assert re.findall(r"\bdocs/[\w-]+\.md", unlinked) == []


def ours(one: dict[str, Any]) -> str:
    """Return the kind of a document of ours, `spec` for a piece of an issuer, else an empty text."""
    if "kind" not in one:
        return "spec" if set(one) == {"spec"} else ""
    return str(one["kind"]) if str(one["apiVersion"]).startswith("vault-issuer.io/") else ""


SHOWN = [
    pytest.param(one, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, one in enumerate(documents(page))
    if ours(one)
]


@pytest.mark.parametrize("document", SHOWN)
def test_what_is_shown_of_ours_has_no_unknown_field_and_no_mistake(document: dict[str, Any]) -> None:
    if ours(document) == "CertificateRequestPolicy":
        compile_policy(document["metadata"]["name"], document["spec"])
    elif ours(document).startswith("Step"):
        StepClusterIssuerSpec.parse(document["spec"], strict=True)
    else:
        VaultClusterIssuerSpec.parse({"vault": BASE, **document["spec"]}, strict=True)
