"""Addresses of the documentation's pages, for messages that people read where no copy of the repository is.

mkdocs.yml has the same address as its `site_url`; whoever publishes the site elsewhere changes both.
"""

from __future__ import annotations

from typing import Final

SITE: Final = "https://vault-issuer.io/docs"
"""Address of the site, without a slash at its end."""


def docs_page(name: str, anchor: str = "") -> str:
    """Return the address of a page of `docs/` by its name without suffix, at a heading's anchor if given."""
    return f"{SITE}/{name}.html{'#' if anchor else ''}{anchor}"
