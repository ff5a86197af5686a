"""A running site for a browser: real processes, frames, accounts, and checked pages."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from ops.web.security.hashing import hash_password
from storage.accounts import Role, add_account
from storage.db.result_fields import ResultRow
from storage.results.queries import ResultQuery, iterate_results
from tests.faults.site import START_S, Site
from tests.waiting import wait_until

PASSWORD = "correct horse battery staple"
ACCOUNTS: Mapping[str, Role] = {"vera": "viewer", "rita": "reviewer", "adam": "admin"}

#: Settings of the server: cameras that are grouped on the wall.
SETTINGS = """
[cameras.press]
group = "Hall 2"
"""

Theme = Literal["light", "dark"]


def free_port() -> int:
    """An unused TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class WebSite:
    """A `Site` with a running server and an account for each role."""

    site: Site
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all processes and score the first frames."""
        self.site.start_producer()
        self.site.start_worker()
        self.site.upload(21, camera="cam-a")  # every seventh has a hot spot
        self.site.upload(14, camera="cam-b")
        self.site.put("cam-b/broken.png", b"\x89PNG\r\n\x1a\n and no more")
        settings = self.site.directory / "server.toml"
        settings.write_text(SETTINGS)
        options = ("--port", str(self.port), "--config", str(settings))
        self.site.start("serve", "serve", *options)
        wait_until(self.answers, START_S, "the first response of the server")
        self.site.wait_until_settled()
        for name, role in ACCOUNTS.items():
            add_account(self.site.engine, name, role, hash_password(PASSWORD), now=time.time())

    def answers(self) -> bool:
        """Whether the server responds."""
        try:
            return httpx2.get(f"{self.url}/healthz", timeout=1).is_success
        except httpx2.HTTPError:
            return False

    def results(self, **conditions: object) -> list[ResultRow]:
        """Results in the database, earliest first."""
        return list(iterate_results(self.site.engine, ResultQuery(**conditions)))  # type: ignore[arg-type]


class Visitor:
    """A browser window. Records console errors and requests to other hosts as `complaints`."""

    def __init__(
        self,
        browser: Browser,
        web: WebSite,
        *,
        width: int,
        height: int,
        theme: Theme,
        touch: bool,
        time_zone: str,
    ) -> None:
        self.web = web
        self.complaints: list[str] = []
        self._expected: list[str] = []
        self.context = browser.new_context(
            base_url=web.url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            accept_downloads=True,
            has_touch=touch,
            timezone_id=time_zone,
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._note_request)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text} ({message.location['url']})")

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        if parts.netloc != urlsplit(self.web.url).netloc:
            self.complaints.append(f"a request to another host: {request.url}")

    def expect_complaint(self, pattern: str) -> None:
        """Ignore complaints that match the regular expression."""
        self._expected.append(pattern)

    def unexpected(self) -> list[str]:
        """Complaints that the test does not expect."""
        return [
            text
            for text in self.complaints
            if not any(re.search(pattern, text) for pattern in self._expected)
        ]

    def log_in(self, name: str, *, then: str = "/") -> Page:
        """Log in through the form; return the page, which then shows `then`."""
        self.page.goto(then)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: urlsplit(url).path != "/login")
        return self.page

    def swipe(self, fingers: Sequence[Sequence[tuple[float, float]]]) -> None:
        """Touch the first set of (x, y) positions, move to each of the others, and release."""
        devtools = self.context.new_cdp_session(self.page)
        for number, places in enumerate(fingers):
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            kind = "touchStart" if number == 0 else "touchMove"
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        devtools.detach()
