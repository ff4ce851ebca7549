"""The status page as a person has it: in a browser, by keyboard, in the dark, on a narrow screen, live."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from testbed.chromium import Page
from tests.browser.conftest import World
from tests.builders import csr_pem
from tests.integration.support.common import request, wait_answer

LIVE = "document.querySelector('#live').textContent.startsWith('Live')"
TEXT = "document.querySelector('main').innerText"
CONTRAST = Path(__file__).with_name("contrast.js").read_text()


async def opened(page: Page, world: World, query: str = "") -> None:
    """The page, live."""
    await page.open(f"{world.url}/{query}")
    await page.until(LIVE)


def has(text: str) -> str:
    """Whether the page shows a text."""
    return f"{TEXT}.includes({text!r})"


async def test_it_shows_what_there_is_without_a_complaint_or_anything_from_outside(
    page: Page, world: World
) -> None:
    await opened(page, world)
    for told in (
        "1 issuer of 3 is not Ready",
        "A CA expires soon",
        "pki_int/sign/web-2019",
        "payments/waits-0",
        'VaultClusterIssuer "legacy" is not Ready',
    ):
        await page.until(has(told))
    await page.until("document.querySelector('#expiring .timeline .ends') !== null")
    await page.evaluate("document.querySelector('#requests a[href*=denied]').click()")
    await page.until(has("shop/denied"))
    await page.until(has("www.example.com"))
    assert page.complaints == []
    own = urlsplit(world.url).netloc
    assert {urlsplit(one).netloc for one in page.requested} == {own}
    assert len(page.requested) >= 4


async def test_a_violated_policy_or_an_error_would_be_noticed(page: Page, world: World) -> None:
    await opened(page, world)
    await page.evaluate("document.body.setAttribute('style', 'color: red')")
    await page.evaluate("fetch('http://127.0.0.1:1/').catch(() => 0)")
    await page.evaluate("void setTimeout(() => { throw new Error('a defect') })")
    for _ in range(2400):
        if any("a defect" in one for one in page.complaints) and len(page.complaints) >= 3:
            break
        await asyncio.sleep(0.05)
    told = " ".join(page.complaints)
    assert "style-src" in told
    assert "connect-src" in told
    assert "a defect" in told


async def test_news_come_by_themselves_and_nothing_is_loaded_again(page: Page, world: World) -> None:
    await opened(page, world)
    await page.evaluate("window.same = true; document.querySelector('details').open = true; 1")
    await asyncio.to_thread(request, world.bed, "live-news", "edge", "legacy")
    await page.until(has("edge/live-news"))
    assert await page.evaluate("window.same && document.querySelector('details').open")
    await asyncio.to_thread(
        world.bed.kube.delete, "cert-manager.io/v1", "CertificateRequest", "live-news", "edge"
    )
    await page.until(f"!({has('edge/live-news')})")
    assert page.complaints == []


async def test_a_page_that_is_paused_stands_still_until_it_goes_on(page: Page, world: World) -> None:
    await opened(page, world)
    await page.evaluate("document.querySelector('#pause').click()")
    await page.until("document.querySelector('#live').textContent.startsWith('Paused')")
    await asyncio.to_thread(request, world.bed, "while-paused", "edge", "legacy")
    await asyncio.to_thread(wait_answer, world.bed, "while-paused", "edge", "Pending")
    await asyncio.sleep(2)
    assert not await page.evaluate(has("edge/while-paused"))
    await page.evaluate("document.querySelector('#pause').click()")
    await page.until(has("edge/while-paused"))
    await asyncio.to_thread(
        world.bed.kube.delete, "cert-manager.io/v1", "CertificateRequest", "while-paused", "edge"
    )


FOCUS = """(() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {name: (one.innerText || one.getAttribute('aria-label') || one.name || one.tagName).trim(),
          tag: one.tagName, outline: parseFloat(style.outlineWidth) * (style.outlineStyle !== 'none'),
          seen: box.width > 0 && box.height > 0 && box.bottom > 0};
})()"""


async def tabbed(page: Page) -> dict[str, Any]:
    """What the next Tab leads to."""
    await page.press("Tab")
    found: dict[str, Any] = await page.evaluate(FOCUS)
    return found


async def test_everything_is_reached_in_order_by_keyboard_and_the_focus_is_seen(
    page: Page, world: World
) -> None:
    await opened(page, world)
    reached = []
    for _ in range(40):
        found = await tabbed(page)
        if found["tag"] == "BODY":
            break
        reached.append(found)
    names = [one["name"] for one in reached]
    assert names[0] == "Skip to what there is"
    order = ["Skip to what there is", "Pause", "q", "Search"]
    assert [one for one in names if one in order] == order
    for state in ("Waiting", "Queued", "Recently issued", "Recently denied", "Recently failed"):
        assert any(one.startswith(state) for one in names)
    assert any(one.startswith("The next") for one in names)
    assert all(one["outline"] >= 2 and one["seen"] for one in reached)


async def test_lists_are_changed_by_keyboard_without_losing_the_place(page: Page, world: World) -> None:
    await opened(page, world)
    await page.evaluate("window.same = true; document.querySelector('#requests a[href*=issued]').focus(); 1")
    await page.press("Enter")
    await page.until(
        "document.querySelector('#requests [aria-current]').innerText.startsWith('Recently issued')"
    )
    await page.until(has("shop/web-1"))
    await asyncio.sleep(2)  # some rounds of news
    assert await page.evaluate(
        "window.same && document.activeElement.innerText.startsWith('Recently issued')"
    )
    assert await page.evaluate("location.search") == "?state=issued"
    await page.evaluate("history.back()")
    await page.until("document.querySelector('#requests [aria-current]').innerText.startsWith('Waiting')")
    await page.evaluate("document.querySelector('#expiring summary').focus()")
    await page.press("Enter")
    await page.until("document.querySelector('#expiring details').open")
    assert page.complaints == []


async def test_a_search_narrows_the_list_while_it_is_typed_and_survives_a_reload(
    page: Page, world: World
) -> None:
    await opened(page, world)
    await page.until(has("payments/waits-0"))
    await page.evaluate("document.querySelector('#q').focus()")
    await page.write("waits-1")
    await page.until(f"{has('payments/waits-1')} && !({has('payments/waits-0')})")
    assert await page.evaluate("location.search") == "?state=waiting&q=waits-1"
    assert await page.evaluate("document.activeElement.id") == "q"
    await page.evaluate("window.same = true; location.reload(); 1")
    await page.until(f"!window.same && {LIVE} && {has('payments/waits-1')} && !({has('payments/waits-0')})")
    assert await page.evaluate("document.querySelector('#q').value") == "waits-1"


async def test_a_command_is_copied_by_its_button_and_only_where_scripts_run(page: Page, world: World) -> None:
    await opened(page, world, "?state=waiting&q=waits-1")
    await page.until(has("payments/waits-1"))
    wanted = "kubectl vault-issuer explain waits-1 -n payments"
    # This browser refuses the clipboard: the command is selected then, for the reader's own keys.
    await page.evaluate("document.querySelector('#requests .copy').click()")
    await page.until(f"getSelection().toString() === {wanted!r}")
    stub = "{writeText: async text => { window.copied = text; }}"
    await page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{value: {stub}}}); 1")
    await page.evaluate("document.querySelector('#requests .copy').click()")
    await page.until(f"window.copied === {wanted!r}")
    await page.evaluate("document.querySelector('#issuers .copy').focus()")
    await page.press("Enter")
    await page.until("window.copied === 'kubectl vault-issuer explain vaultclusterissuer/legacy'")
    assert page.complaints == []
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(f"{world.url}/?q=waits-1")
    assert await page.evaluate("document.querySelector('#requests .copy').checkVisibility()") is False
    assert await page.evaluate("document.querySelector('#requests .command code').checkVisibility()")


@pytest.mark.parametrize("width", [1280, 360])
async def test_text_begins_where_pictures_and_other_text_of_its_column_begin(
    page: Page, world: World, width: int
) -> None:
    await page.size(width)
    await opened(page, world)
    lefts = await page.evaluate(
        "[...document.querySelectorAll('.issuers td:is([data-label=CA], [data-label=Canary])')].map(cell => "
        "[...cell.firstChild.children].map(one => Math.round(one.getBoundingClientRect().left)))"
    )
    assert len(lefts) == 6
    assert [one for one in lefts if len(set(one)) > 1] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_every_text_can_be_read(page: Page, world: World, scheme: str, width: int) -> None:
    await page.size(width)
    await page.prefers(prefers_color_scheme=scheme)
    await opened(page, world)
    await page.evaluate("document.querySelector('details').open = true; 1")
    assert await page.evaluate(CONTRAST) == []
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    first = int(ground.removeprefix("rgb(").partition(",")[0])
    assert (first < 60) is (scheme == "dark")


@pytest.mark.parametrize("width", [320, 360, 768])
async def test_a_narrow_screen_is_never_left_sideways_and_tables_stay_tables(
    page: Page, world: World, width: int
) -> None:
    await page.size(width)
    await opened(page, world)
    await page.until(has("payments/waits-0"))
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= width
    nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    roles = [one["role"]["value"] for one in nodes if not one.get("ignored")]
    assert roles.count("table") >= 2
    assert roles.count("row") >= 6
    assert "main" in roles
    small = await page.evaluate(
        "[...document.querySelectorAll('button, .tabs a')].filter(one => one.checkVisibility() && "
        "one.getBoundingClientRect().height < 24).map(one => one.innerText)"
    )
    assert small == []


async def test_who_wants_less_motion_gets_none(page: Page, world: World) -> None:
    moves = (
        "[...document.querySelectorAll('*')].filter(one => { const style = getComputedStyle(one);"
        " return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none'; }).length"
    )
    await opened(page, world)
    assert await page.evaluate(moves) > 0
    await page.prefers(prefers_reduced_motion="reduce")
    assert await page.evaluate(moves) == 0


async def test_without_scripts_the_page_is_complete_and_its_links_and_search_work(
    page: Page, world: World
) -> None:
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(f"{world.url}/?state=waiting&q=waits-2")
    text = await page.evaluate(TEXT)
    assert "1 issuer of 3 is not Ready" in text
    assert "payments/waits-2" in text
    assert "payments/waits-0" not in text
    assert (await page.evaluate("document.querySelector('#live').innerText")).startswith("As of ")
    assert await page.evaluate("document.querySelector('#pause').checkVisibility()") is False


async def test_only_the_headline_is_read_aloud_and_it_has_no_number_that_changes_all_the_time(
    page: Page, world: World
) -> None:
    await opened(page, world)
    spoken = await page.evaluate(
        "[...document.querySelectorAll('[role=status], [role=alert], [aria-live]')].map(one => one.id)"
    )
    assert spoken == ["headline"]
    await page.evaluate(
        "window.said = []; new MutationObserver(all => window.said.push(all.length)).observe("
        "document.querySelector('#headline'), {childList: true, characterData: true, subtree: true}); 1"
    )
    await asyncio.to_thread(request, world.bed, "spoken", "shop", "vault", csr=csr_pem("spoken.example.com"))
    await asyncio.to_thread(wait_answer, world.bed, "spoken", "shop", "Denied")
    await asyncio.sleep(3)
    assert await page.evaluate("window.said") == []


async def test_a_controller_that_went_away_is_told_and_the_page_finds_it_again(
    page: Page, world: World
) -> None:
    await opened(page, world)
    await page.evaluate("window.same = true")
    await asyncio.to_thread(world.controller.kill)
    try:
        await page.until("document.querySelector('#live').textContent.startsWith('Not live')")
    finally:
        await asyncio.to_thread(world.controller.start)
    await page.until(LIVE, seconds=60)
    await page.until(has("payments/waits-0"))
    assert await page.evaluate("window.same")
