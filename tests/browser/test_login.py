"""Logging in to the status page in a browser, with a token that the real API server reviews."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from issuer.cluster import connect
from issuer.serving.auth import ApiReviewer, Authenticator
from issuer.serving.tls import ServingCertificate
from issuer.statuspage.web.live import Broadcaster
from issuer.statuspage.web.server import PATH, StatusServer
from issuer.statuspage.web.sessions import COOKIE
from testbed.certs import write_server
from testbed.chromium import Page
from testbed.cluster import SYSTEM_NAMESPACE
from testbed.processes import free_port
from tests.browser.conftest import World
from tests.unit.statuspage.facts import Facts

RBAC = "rbac.authorization.k8s.io/v1"
READER = "browser-reader"
CONTRAST = Path(__file__).with_name("contrast.js").read_text()


@dataclass
class Guarded:
    """A page with a login, and a token of somebody who may look and of somebody who may not.

    Tests ask for it before the browser, which then ends first and closes its connections.
    """

    url: str
    good: str
    stranger: str


@pytest.fixture
async def guarded(world: World, tmp_path: Path) -> AsyncIterator[Guarded]:
    """Its facts are a test's; who may look is the API server's answer."""
    bed = world.bed
    subject = {"kind": "ServiceAccount", "name": READER, "namespace": SYSTEM_NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER}
    meta = {"name": READER}
    rules = [{"nonResourceURLs": [PATH], "verbs": ["get"]}]
    grant = [
        {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": meta, "rules": rules},
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": role,
            "subjects": [subject],
        },
    ]
    await asyncio.to_thread(bed.kube.apply, grant)
    good = await asyncio.to_thread(bed.service_account_token, SYSTEM_NAMESPACE, READER)
    stranger = await asyncio.to_thread(bed.service_account_token, SYSTEM_NAMESPACE, "browser-stranger")
    client = await connect(str(bed.kubeconfig))
    files = write_server(tmp_path, "page")
    page = StatusServer(Broadcaster(Facts()), Authenticator(ApiReviewer(client, PATH)))
    port = free_port()
    await page.start(f":{port}", ServingCertificate(files.cert, files.key))
    yield Guarded(f"https://127.0.0.1:{port}", good, stranger)
    await page.close()
    await client.close()
    await asyncio.sleep(0.5)  # TLS connections end a moment after they are closed, and before the loop does


async def log_in(page: Page, token: str) -> None:
    """By keyboard: the field has the focus."""
    await page.until("document.activeElement && document.activeElement.id === 'token'")
    await page.write(token)
    await page.press("Enter")


async def test_a_token_opens_the_page_by_keyboard_and_leaves_no_trace_in_the_browser(
    guarded: Guarded, page: Page
) -> None:
    await page.call("Security.setIgnoreCertificateErrors", ignore=True)
    await page.open(guarded.url)
    assert await page.evaluate("document.querySelector('main').innerText.includes('Issuers')") is False
    assert await page.evaluate(CONTRAST) == []
    await log_in(page, guarded.stranger)
    await page.until(f"document.body.innerText.includes({PATH!r})")
    await log_in(page, guarded.good)
    await page.until("document.querySelector('#live')?.textContent.startsWith('Live')")
    await page.until("document.body.innerText.includes('All is well')")
    # A refused login is a 401 or 403, and Chromium's console says so; nothing else may complain.
    assert [one for one in page.complaints if "status of 40" not in one] == []
    assert guarded.good not in await page.evaluate("location.href + document.documentElement.outerHTML")
    assert await page.evaluate("document.cookie") == ""
    cookies = (await page.call("Network.getCookies"))["cookies"]
    (cookie,) = [one for one in cookies if one["name"] == COOKIE]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")


async def test_logging_out_ends_what_the_page_shows(guarded: Guarded, page: Page) -> None:
    await page.call("Security.setIgnoreCertificateErrors", ignore=True)
    await page.open(guarded.url)
    await log_in(page, guarded.good)
    await page.until("document.querySelector('#live')?.textContent.startsWith('Live')")
    await page.evaluate("document.querySelector('form[action=logout] button').click(); 1")
    await page.until("document.querySelector('#token') !== null")
    await page.open(guarded.url)
    assert await page.evaluate("document.querySelector('#token') !== null")
