"""The site of the docs in a real browser: its search finds a symptom, and nothing comes from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from issuer import __version__
from testbed.chromium import Page
from testbed.cluster import REPOSITORY

ADDRESS = "https://git.example.com/platform/vault-issuer"
"""Of nothing: this page is never opened."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def site(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The built site, served on loopback."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: `make docs` installs it")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={folder}"]
    told = {"NO_MKDOCS_2_WARNING": "1", "REPOSITORY_URL": ADDRESS}
    subprocess.run(words, cwd=REPOSITORY, env={**os.environ, **told}, check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_symptom_is_found_and_nothing_comes_from_elsewhere(page: Page, site: str) -> None:
    await page.open(f"{site}/index.html")
    await page.evaluate("document.querySelector('.md-search__input').focus()")
    await page.write("CANotReady")
    await page.until("document.querySelectorAll('.md-search-result__link').length")
    found = await page.evaluate(
        "[...document.querySelectorAll('.md-search-result__link')].map(one => one.getAttribute('href'))"
    )
    assert any("troubleshooting.html" in one and "#an-issuer-is-not-ready" in one for one in found)
    assert [one for one in page.requested if not one.startswith((site, "data:", "blob:"))] == []
    assert page.complaints == []


async def test_the_header_has_the_version_and_the_repository(page: Page, site: str) -> None:
    await page.open(f"{site}/install.html")
    header = "document.querySelector('.md-header')"
    assert f"vault-issuer {__version__}" in await page.evaluate(f"{header}.innerText")
    link = f"{header}.querySelector('a.md-source')"
    assert await page.evaluate(f"{link}.getAttribute('href')") == ADDRESS
    assert await page.evaluate(f"{link}.innerText.trim()") == "platform/vault-issuer"
    assert await page.evaluate(f"{link}.checkVisibility()")
    assert [one for one in page.requested if not one.startswith((site, "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [360, 390])
@pytest.mark.parametrize(
    "name", ["troubleshooting", "status-page", "reference/custom-resources", "performance"]
)
async def test_on_a_phone_no_column_of_a_table_is_out_of_sight(
    page: Page, site: str, name: str, width: int
) -> None:
    await page.size(width)
    await page.open(f"{site}/{name}.html")
    await page.until("document.querySelector('.md-typeset__table') !== null")
    outside = await page.evaluate(
        "[...document.querySelectorAll('.md-typeset td')].filter(one => { const box ="
        " one.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth; })"
        ".map(one => one.innerText)"
    )
    assert outside == []
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= width
    nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    roles = [one["role"]["value"] for one in nodes if not one.get("ignored")]
    assert roles.count("table") >= 1
    assert roles.count("row") >= 3


async def test_on_a_phone_a_symptom_stands_above_what_to_do(page: Page, site: str) -> None:
    await page.size(390)
    await page.open(f"{site}/troubleshooting.html")
    cell = "document.querySelector('td[data-label=\"what to do\"]')"
    await page.until(f"{cell} !== null")
    assert await page.evaluate(f"getComputedStyle({cell}, '::before').content") == '"what to do"'
    first = f"{cell}.parentElement.firstElementChild"
    below = f"{cell}.getBoundingClientRect().top >= {first}.getBoundingClientRect().bottom"
    assert await page.evaluate(below)
