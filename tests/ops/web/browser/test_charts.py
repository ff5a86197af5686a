"""Charts by keyboard, and gaps in them."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from sqlalchemy import update

from storage.db.database import writing
from storage.db.schema import results
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite


def test_a_chart_is_read_by_keyboard_and_opens_a_flagged_frame(visit: Visit, web: WebSite) -> None:
    # to see it fail: let only the pointer move the cursor
    flagged = web.results(camera="cam-b", prediction="Anomaly")[0]
    page = visit().log_in("vera", then="/cameras/cam-b")
    chart = page.get_by_role("application", name="Scores of cam-b")
    chart.focus()
    readout = page.locator("#scores-readout")
    page.keyboard.press("Home")
    expect(readout).to_contain_text("score")
    first = readout.inner_text()
    page.keyboard.press("ArrowRight")
    expect(readout).not_to_have_text(first)
    for _ in web.results(camera="cam-b"):
        if "flagged with" in readout.inner_text():
            break
        page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("flagged with")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/results/{flagged.id}")


def test_no_line_is_drawn_where_nothing_arrived(visit: Visit, web: WebSite) -> None:
    # to see it fail: draw the points without the gaps between them
    web.site.upload(12, camera="outage", hot_every=10**9)
    web.site.wait_until_settled()
    rows = web.results(camera="outage")
    with writing(web.site.engine) as connection:
        for number, row in enumerate(rows):
            at = row.arrived_at - (12 - number) * 10 - (7200 if number < 6 else 0)
            of_row = update(results).where(results.c.id == row.id)
            connection.execute(of_row.values(arrived_at=at))
    page = visit().log_in("vera", then="/cameras/outage")
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator("#shown")).to_have_text("12 frames")
    over = page.locator("#scores .u-over")
    box = over.bounding_box()
    assert box is not None
    over.hover(position={"x": box["width"] / 2, "y": 60})
    expect(page.locator("#scores-readout")).to_have_text(re.compile(r"^No frames from .* to .*$"))
