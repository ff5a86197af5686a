"""One Chromium and one running site, shared by all tests of the pages."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from tests.faults.site import RedisProcess, Site
from tests.ops.web.browser.site import Theme, Visitor, WebSite
from tests.waiting import PATIENCE_S
from thermal.detection.bundle import Bundle

NAMES = ("chromium", "chromium-browser", "google-chrome")
HERE = Path(__file__).parent

#: Opens a browser window; keywords set its size and theme.
Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in one process, because they share a site."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Without it, tests are skipped on a laptop and fail in CI."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with ExitStack() as stack:
        try:
            if path is None:
                raise RuntimeError("there is no Chromium on the PATH; `make services` installs one")
            playwright = stack.enter_context(sync_playwright())
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        except (RuntimeError, Error) as error:
            reason = f"Chromium cannot be started here: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def web(
    browser: Browser,  # first, so that no site is started if there is no browser
    tmp_path_factory: pytest.TempPathFactory,
    bundle: Bundle,
) -> Iterator[WebSite]:
    """A site with frames, a server and accounts."""
    directory = tmp_path_factory.mktemp("web")
    sockets = Path(tempfile.mkdtemp(prefix="tw-web-"))  # a socket's path must be short
    redis = RedisProcess(directory / "redis", sockets / "redis.sock")
    redis.start()
    site = Site(directory, f"sqlite:///{directory / 'thermalwatch.db'}", redis, bundle)
    try:
        running = WebSite(site)
        running.start()
        yield running
    finally:
        site.close()
        shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture
def visit(browser: Browser, web: WebSite) -> Iterator[Visit]:
    """Open windows; fails afterwards if a page logged an error or called another host."""
    visitors: list[Visitor] = []

    def open_window(
        width: int = 1280,
        height: int = 900,
        theme: Theme = "dark",
        *,
        touch: bool = False,
        time_zone: str = "UTC",
    ) -> Visitor:
        visitor = Visitor(
            browser, web, width=width, height=height, theme=theme, touch=touch, time_zone=time_zone
        )
        visitors.append(visitor)
        return visitor

    yield open_window
    for visitor in visitors:
        visitor.context.close()
    assert [text for visitor in visitors for text in visitor.unexpected()] == []
