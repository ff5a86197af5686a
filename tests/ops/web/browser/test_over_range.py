"""Frames over range never show the number that stands for their highest value."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from sqlalchemy import update

from storage.db.database import writing
from storage.db.schema import results
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite


def test_wall_and_charts_say_over_range_instead_of_a_number(visit: Visit, web: WebSite) -> None:
    # to see it fail: leave `saturated_px` out of the wall's or the chart's rows
    web.site.upload(5, camera="furnace", hot_every=10**9)
    web.site.upload(1, camera="furnace", hot_every=1)
    web.site.wait_until_settled()
    page = visit().log_in("vera")
    tile = page.get_by_role("article", name="furnace")
    expect(tile.locator(".max")).to_have_text(re.compile("^max [0-9]+ counts$"))

    normal, *_, hot = web.results(camera="furnace")
    over = update(results).where(results.c.id.in_([normal.id, hot.id]))
    with writing(web.site.engine) as connection:
        connection.execute(over.values(max_temperature=10_000.0, saturated_px=9))
    web.site.upload(1, camera="cam-b", hot_every=10**9)  # the wall is told that something changed
    expect(tile.locator(".max")).to_have_text("max over range")

    page.goto("/cameras/furnace")
    expect(page.locator(".flagged")).to_contain_text("over range")
    expect(page.locator("#shown")).to_have_text("6 frames")
    said = _read_aloud(page)
    assert [text for text in said if re.search(": over range$", text)], said
    assert [text for text in said if "flagged at over range" in text], said
    for address in ("/", "/cameras/furnace", "/history?camera=furnace", f"/results/{hot.id}"):
        page.goto(address)
        expect(page.get_by_text("over range").first).to_be_visible()
        assert "10,000" not in page.locator("main").inner_text(), address

    phone = visit(width=360, height=800).log_in("vera", then=f"/results/{hot.id}")
    expect(phone.locator(".beyond").first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") == 360


def _read_aloud(page: Page) -> list[str]:
    """What the chart of temperatures says of each of its values."""
    chart = page.get_by_role("application", name="Highest temperatures of furnace")
    chart.focus()
    page.keyboard.press("Home")
    said = []
    for _ in range(8):
        said.append(page.locator("#temperatures-readout").inner_text())
        page.keyboard.press("ArrowRight")
    return said
