"""The pages never look alive when the system, or the server, is not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from storage.db.database import writing
from storage.db.schema import results
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite
from tests.ops.web.browser.test_shapes import PAGES, check


def age(web: WebSite, camera: str, seconds: float) -> None:
    """Let the results of a camera have arrived earlier."""
    with writing(web.site.engine) as connection:
        earlier = results.c.arrived_at - seconds
        connection.execute(
            update(results).where(results.c.camera == camera).values(arrived_at=earlier)
        )


@pytest.fixture
def _no_worker(web: WebSite) -> Iterator[None]:
    worker = web.site.processes.pop("worker-1")
    worker.terminate()
    worker.wait()
    yield
    web.site.start_worker()
    web.site.wait_until_settled()


@pytest.mark.usefixtures("_no_worker")
def test_every_page_says_that_no_worker_is_running(visit: Visit, web: WebSite) -> None:
    # to see it fail: say «Live» as long as there is a connection
    page = visit(width=360, height=800).log_in("adam")
    for path, drawn in PAGES.items():
        page.goto(path)
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.locator("#health")).to_contain_text("No worker is running")
        expect(page.locator("#live")).to_have_text("Not live")
        check(page)
    page.goto("/")
    web.site.start_worker()
    expect(page.locator("#health")).to_be_hidden()
    expect(page.locator("#live")).to_have_text("Live")
    worker = web.site.processes.pop("worker-1")
    worker.terminate()
    worker.wait()
    expect(page.locator("#health")).to_be_visible()


def test_a_tile_tells_the_age_of_what_it_shows_and_looks_stale(visit: Visit, web: WebSite) -> None:
    # to see it fail: tell the age of the latest upload, which may be one that is not scored
    web.site.upload(1, camera="stale", hot_every=10**9)
    web.site.wait_until_settled()
    age(web, "stale", 600)
    page = visit().log_in("vera")
    tile = page.locator(".tile", has_text="stale")
    expect(tile.locator(".age")).to_have_text("Old image: 10 min ago")
    expect(tile.locator(".screen img")).to_have_css("filter", re.compile("grayscale"))
    web.site.upload(1, camera="stale", hot_every=10**9)
    expect(tile.locator(".age")).to_have_text(re.compile(r"^\d+ s ago"))
    expect(tile.locator(".screen img")).to_have_css("filter", "none")
    tile.click()
    expect(page.locator("#last")).to_have_text(re.compile(r"^latest result \d+ (s|min) ago$"))


def test_a_page_whose_server_is_gone_says_since_when(visit: Visit, web: WebSite) -> None:
    visitor = visit()
    visitor.expect_complaint("ERR_FAILED")
    web.site.upload(1, camera="fresh", hot_every=10**9)
    page = visitor.log_in("vera")
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#health")).to_be_hidden()

    page.route("**/api/v1/health", lambda route: route.abort())

    expect(page.locator("#health")).to_contain_text("No answer from the server since")
    expect(page.locator("#live")).to_have_text("Not live")
    image = page.locator(".tile", has_text="fresh").locator(".screen img")
    expect(image).to_have_css("filter", re.compile("grayscale"))
    page.unroute("**/api/v1/health")
    expect(page.locator("#health")).to_be_hidden()
    expect(image).to_have_css("filter", "none")


@pytest.mark.parametrize("path", ["/", "/cameras/clock", "/review?camera=clock"])
def test_ages_are_right_on_a_machine_whose_clock_is_wrong(
    visit: Visit, web: WebSite, path: str
) -> None:
    if not web.results(camera="clock"):
        web.site.upload(1, camera="clock", hot_every=1)
        web.site.wait_until_settled()
    page = visit().page
    page.clock.install(time=time.time() - 3 * 3600)
    page.goto(path)
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Log in").click()
    told = {
        "/": page.locator(".tile", has_text="clock").locator(".age"),
        "/cameras/clock": page.locator("#last time").first,
        "/review?camera=clock": page.locator("#queue time").first,
    }[path]
    expect(told).to_have_text(re.compile(r"^([1-9]\d?) (s|min) ago$"))
