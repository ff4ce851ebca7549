"""The site of the docs: links of the repository's pages hold there, and what goes wrong is noticed."""

from __future__ import annotations

import pytest

from tools.site import problems
from tools.site_links import files, place, rewritten
from tools.site_tables import labelled


@pytest.mark.parametrize(
    ("page", "link", "becomes"),
    [
        ("docs/install.md", "[x](auth.md#token)", "[x](auth.md#token)"),
        ("docs/install.md", "[auth.md](auth.md#token)", "[Log in](auth.md#token)"),
        ("README.md", "[docs/auth.md](docs/auth.md)", "[Log in](auth.md)"),
        ("docs/install.md", "[x](../README.md#an-issuer)", "[x](index.md#an-issuer)"),
        ("docs/install.md", "[x](../charts/vault-issuer/README.md)", "[x](chart.md)"),
        (
            "docs/install.md",
            "[x](../config/samples/policy.yaml)",
            "[x](files/config/samples/policy.yaml.txt)",
        ),
        ("docs/gitops.md", "[`x`](../config/gitops) holds", "`x` holds"),
        ("README.md", "![x](docs/demo.svg)", "![x](demo.svg)"),
        ("README.md", "[x](docs/install.md)", "[x](install.md)"),
        ("docs/reference/cli.md", "[x](../cli.md)", "[x](../cli.md)"),
        ("docs/reference/cli.md", "[x](../../CHANGELOG.md)", "[x](../changelog.md)"),
        (
            "docs/install.md",
            "[x](https://example.com/a.md) [y](#here)",
            "[x](https://example.com/a.md) [y](#here)",
        ),
    ],
)
def test_a_link_leads_to_the_same_in_the_site(page: str, link: str, becomes: str) -> None:
    assert rewritten(link, page, {"auth.md": "Log in"}) == becomes


def test_code_stays_and_comments_go() -> None:
    text = "<!-- run by: x -->\n```console\n[x](../README.md) <!-- y -->\n```\n"
    assert rewritten(text, "docs/install.md", {}) == "```bash\n[x](../README.md) <!-- y -->\n```\n"
    shown = "```console\n$ typed\nshown\n```\n"
    assert rewritten(shown, "docs/install.md", {}) == shown


def test_the_files_that_a_page_links_to_are_known() -> None:
    text = "[a](../config/samples/policy.yaml) [b](../config) [c](auth.md)\n```\n[d](../Makefile)\n```\n"
    assert list(files(text, "docs/install.md")) == ["config/samples/policy.yaml"]
    assert place("config") is None


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "loads //fonts.example/x.css"),
        ('<a href="https://example.com">x</a><link rel="canonical" href="https://example.com">', None),
        ("<p>text\n| a | b |\n|---|---|\n</p>", "shows Markdown"),
        ("<p>text:\n- one\n- two</p>", "shows Markdown"),
        ("<p>text: - no list</p><pre>```\n- code</pre>", None),
    ],
)
def test_what_comes_from_elsewhere_or_was_not_understood_is_noticed(html: str, said: str | None) -> None:
    found = list(problems(html))
    assert (said is None and not found) or (said is not None and any(one.startswith(said) for one in found))


def test_a_cell_knows_its_column_and_a_table_stays_one() -> None:
    html = (
        "<table>\n<thead>\n<tr>\n<th>what <code>you</code> &lt;see&gt;</th>\n<th></th>\n</tr>\n</thead>\n"
        '<tbody>\n<tr>\n<td>a</td>\n<td style="x">b</td>\n</tr>\n</tbody>\n</table><p>| <tr></p>'
    )
    made = labelled(html)
    assert '<td role="cell" data-label="what you &lt;see&gt;">a</td>' in made
    assert '<td role="cell" style="x">b</td>' in made
    for role in ("table", "rowgroup", "row", "columnheader"):
        assert f'role="{role}"' in made
    assert made.endswith("<p>| <tr></p>")
    shown = '<div><table class="highlighttable"><tr><td>1</td></tr></table></div>'
    assert labelled(shown) == shown
