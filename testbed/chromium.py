"""A headless Chromium for tests and pictures of the status page: Debian's, driven over its DevTools protocol.

Source: https://chromedevtools.github.io/devtools-protocol/. It is a process of the testbed: a profile of its
own, which is thrown away, and it ends with us.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from testbed.errors import TestbedError
from testbed.processes import PATIENCE, Process

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    " ": ("Space", 32, " "),
}
_SHIFT = 8
_LISTENING = re.compile(r"DevTools listening on (ws://\S+)")


def find_chromium() -> str | None:
    """The first of ``PROGRAMS`` on the PATH."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Page:
    """A tab. ``complaints`` are its errors, warnings and violated policies; ``requested`` every URL it asked
    for."""

    _browser: Browser
    _session: str
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, in this tab."""
        return await self._browser.call(method, self._session, **parameters)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        """An event of this tab."""
        match method:
            case "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"].get("exception", told)))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{told['entry']['text']} ({told['entry'].get('url', '')})")
            case "Audits.issueAdded":
                self.complaints.append(str(told["issue"]))

    async def open(self, url: str) -> None:
        """Go there and wait until it is loaded."""
        found = await self.call("Page.navigate", url=url)
        if found.get("errorText"):
            raise TestbedError(f"{url} does not open: {found['errorText']}")
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in found:
            raise TestbedError(f"{expression[:200]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = PATIENCE) -> Any:
        """Wait until an expression holds; its value. While a page is loading it may fail."""
        value: Any = None
        for _ in range(int(seconds * 20)):
            try:
                value = await self.evaluate(expression)
            except TestbedError as error:
                value = str(error)
            else:
                if value:
                    return value
            await asyncio.sleep(0.05)
        raise TestbedError(f"it did not become so: {expression[:300]} (it is {value!r})")

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release one of the keys above."""
        code, number, text = _KEYS[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": _SHIFT * shift}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def write(self, text: str) -> None:
        """Type into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def size(self, width: int, height: int = 900, *, scale: float = 1.0) -> None:
        """Be a screen of so many CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    async def prefers(self, **features: str) -> None:
        """What the person has set, such as ``prefers_color_scheme="dark"``."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        await self.call("Emulation.setEmulatedMedia", features=wanted)

    async def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the screen, or of the whole page."""
        found = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])


class Browser:
    """The connection to one Chromium."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """A command and its answer; TestbedError when it fails."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message)
        async with asyncio.timeout(60):
            answer = await future
        if "error" in answer:
            raise TestbedError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    async def listen(self) -> None:
        """Hand out answers and events until the connection ends."""
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                future = self._waiting.pop(told["id"], None)
                if future is not None and not future.done():
                    future.set_result(told)
            elif (page := self._pages.get(told.get("sessionId", ""))) is not None:
                page.hear(told["method"], told["params"])

    async def page(self) -> Page:
        """A new tab in a context of its own, which shares no cookies with others."""
        context = await self.call("Target.createBrowserContext")
        target = await self.call(
            "Target.createTarget", url="about:blank", browserContextId=context["browserContextId"]
        )
        session = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[session["sessionId"]] = Page(self, session["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            await page.call(f"{domain}.enable")
        return page


@asynccontextmanager
async def chromium(program: str, directory: Path) -> AsyncIterator[Browser]:
    """Run one; its profile and log go into ``directory``."""
    process = Process("chromium", directory / "chromium.log")
    arguments = [
        *("--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--disable-dev-shm-usage", "--font-render-hinting=none", "--remote-debugging-port=0"),
        f"--user-data-dir={directory / 'profile'}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # which it can't have as root
        "about:blank",
    ]
    process.start([program, *arguments])
    try:
        await asyncio.to_thread(process.wait_ready, lambda: _LISTENING.search(process.output()) is not None)
        found = _LISTENING.search(process.output())
        if found is None:
            raise AssertionError("it was there a moment ago")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(found[1], max_msg_size=0, autoping=True) as socket,
        ):
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            try:
                yield browser
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    finally:
        process.stop()
