"""Hooks for mkdocs: pages from outside of docs/, links that hold in the site, a
header with version and repository, and tables for narrow screens.

mkdocs reads this file (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mkdocs.structure.files import File, Files

from issuer import __version__
from tools.repository import repository
from tools.site_links import PAGES, ROOT, files, place, rewritten, source
from tools.site_tables import labelled


def on_config(config: Any) -> Any:
    """Name the version beside the site's name, and the repository where it is known."""
    config.site_name = f"{config.site_name} {__version__}"
    config.repo_url = repository()
    config.repo_name = "/".join(config.repo_url.split("/")[-2:]) if config.repo_url else None
    return config


def on_files(found: Files, config: Any) -> Files:
    """Add the pages from outside of docs/, and every file of the repository that a page links to."""
    for path, name in PAGES.items():
        found.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    pages = [source(one.src_uri) for one in found.documentation_pages()]
    linked = {one for page in pages for one in files((ROOT / page).read_text(encoding="utf-8"), page)}
    for path in sorted(linked):
        there = place(path)
        if there is not None:
            found.append(File.generated(config, there, abs_src_path=str(ROOT / path)))
    return found


# People with a problem look here first, so these come first in the search.
SOUGHT = ("waiting-request.md", "troubleshooting.md", "monitoring.md", "install.md", "rotate-the-ca.md")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return the page's text as it is in the site."""
    if page.file.src_uri in SOUGHT:
        page.meta["search"] = {"boost": 4}
    return rewritten(markdown, source(page.file.src_uri), dict(_titles(config.nav)))


def on_page_content(html: str, **_: Any) -> str:
    """Return the page's HTML with tables that a narrow screen can show."""
    return labelled(html)


def on_post_page(output: str, **_: Any) -> str:
    """Keep the theme from asking the repository's host for its stars: nothing is loaded from elsewhere."""
    return output.replace(' data-md-component="source"', "")


def _titles(nav: Any) -> Iterator[tuple[str, str]]:
    """Yield the pages of the contents with their titles."""
    for one in nav:
        if isinstance(one, str):
            continue  # called by its own heading
        for title, below in one.items():
            if isinstance(below, str):
                yield below, title
            else:
                yield from _titles(below)
