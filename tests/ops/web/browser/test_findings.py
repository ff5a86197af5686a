"""An anomaly stays on the wall, with its picture, until somebody has decided."""

from __future__ import annotations

import re

import cv2
import numpy as np
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update

from storage.db.database import writing
from storage.db.schema import cameras
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite
from thermal.render.palette import OUTLINE


def chips(tile: Locator) -> Locator:
    return tile.locator(".chip")


def is_marked(page: Page, tile: Locator) -> bool:
    """Whether the tile's picture has a ring around the hot spot, which is left of the middle."""
    image = tile.get_by_role("img", name="its spot marked")
    expect(image).to_be_visible()
    answer = page.request.get(str(image.get_attribute("src")))
    shown = cv2.imdecode(np.frombuffer(answer.body(), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    ring = (shown == OUTLINE[::-1]).all(axis=2)
    rows, columns = np.nonzero(ring)
    middle = (columns.mean() / shown.shape[1], rows.mean() / shown.shape[0])
    return bool(np.hypot(middle[0] - 13.5 / 32, middle[1] - 11.5 / 24) < 0.05)


def test_a_tile_shows_the_anomaly_until_it_is_decided_and_resolved(
    visit: Visit, web: WebSite
) -> None:
    # to see it fail: show the latest image, or take a confirmed anomaly for a camera that is fine
    web.site.upload(1, camera="finding", hot_every=1)
    web.site.wait_until_settled()
    web.site.upload(65, camera="finding", hot_every=10**9)
    web.site.wait_until_settled()
    (hot,) = web.results(camera="finding", prediction="Anomaly")
    last = web.results(camera="finding")[-1]
    assert last.id != hot.id
    page = visit().log_in("rita")
    tile = page.get_by_role("article", name="finding")

    expect(chips(tile)).to_have_text(["Anomaly"])
    expect(tile).to_have_attribute("data-shown", str(hot.id))
    expect(tile.locator(".max")).to_have_text(f"max {hot.max_temperature:.0f} counts")
    expect(tile).to_contain_text(re.compile(r"Latest image .* ago: normal"))
    assert is_marked(page, tile)

    tile.get_by_role("link", name="Anomaly of finding").click()
    page.wait_for_url(f"**/results/{hot.id}")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#chips")).to_contain_text("Confirmed")
    page.goto("/")
    expect(chips(tile)).to_have_text(["Confirmed"])
    expect(tile).to_have_attribute("data-state", "anomaly")

    page.get_by_role("link", name="finding", exact=True).click()
    expect(page.locator("#finding")).to_contain_text("1 confirmed anomaly")
    page.get_by_role("button", name="Resolved").click()
    expect(page.locator("#finding")).to_be_hidden()
    page.goto("/")
    expect(chips(tile)).to_have_text(["OK"])
    expect(tile).to_have_attribute("data-shown", str(last.id))
    page.goto(f"/results/{hot.id}")
    expect(page.locator("#chips")).to_contain_text("Resolved")


def test_silence_does_not_hide_an_anomaly_and_both_are_shown(visit: Visit, web: WebSite) -> None:
    # to see it fail: let one state outrank the other
    web.site.upload(1, camera="quiet", hot_every=1)
    web.site.wait_until_settled()
    with writing(web.site.engine) as connection:
        long_ago = cameras.c.last_frame_at - 7200
        quiet = update(cameras).where(cameras.c.name == "quiet")
        connection.execute(quiet.values(last_frame_at=long_ago))
    page = visit().log_in("vera")
    tile = page.get_by_role("article", name="quiet")
    expect(chips(tile)).to_have_text(["Anomaly", "Silent"])
    expect(tile).to_have_attribute("data-state", "anomaly")
    expect(page.locator("#totals")).to_contain_text(re.compile(r"\d silent"))
    page.get_by_role("link", name="quiet", exact=True).click()
    expect(page.locator("#state .chip")).to_have_text(["Anomaly", "Silent"])
    page.get_by_role("link", name="Review", exact=True).last.click()
    page.wait_for_url("**/review?camera=quiet")
