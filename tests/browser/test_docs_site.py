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

from testbed.chromium import Page
from testbed.cluster import REPOSITORY


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
    subprocess.run(words, cwd=REPOSITORY, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
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
