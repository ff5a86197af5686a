"""The wall updates itself."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite
from tests.scene import picture

#: Seconds from an upload to its result on the wall.
SOON_S = 2.0


def test_an_upload_appears_within_two_seconds(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera")
    expect(page.locator("#live")).to_have_text("Live")
    tile = page.locator(".tile", has_text="cam-a")
    expect(tile).to_have_attribute("data-result", str(web.results(camera="cam-a")[-1].id))

    took_s = [_seconds_to_tile(page, web) for _ in range(3)]

    assert min(took_s) < SOON_S, took_s  # the minimum, because other tests may load the machine
    assert max(took_s) < 5 * SOON_S, took_s


def _seconds_to_tile(page: Page, web: WebSite) -> float:
    tile = page.locator(".tile", has_text="cam-a")
    before = tile.get_attribute("data-result")
    started = time.monotonic()
    web.site.upload(1, camera="cam-a", hot_every=10**9)
    expect(tile).not_to_have_attribute("data-result", str(before))
    return time.monotonic() - started


def test_a_new_camera_gets_a_tile(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera")
    expect(page.locator(".tile")).not_to_have_count(0)

    web.site.upload(1, camera="cam-new", hot_every=10**9)

    tile = page.get_by_role("article", name="cam-new")
    expect(tile.get_by_text("OK", exact=True)).to_be_visible()


def test_a_tile_shows_state_temperature_and_age(visit: Visit, web: WebSite) -> None:
    web.site.upload(1, camera="cam-b", hot_every=1)
    web.site.wait_until_settled()
    page = visit().log_in("vera")
    last = web.results(camera="cam-b")[-1]
    tile = page.locator(".tile", has_text="cam-b")

    expect(tile.locator(".chip")).to_have_text("Anomaly")
    expect(tile.locator(".max")).to_have_text(f"max {last.max_temperature:.0f} counts")
    expect(tile.locator(".age")).to_contain_text("ago")
    expect(tile.get_by_role("img", name="against a threshold of")).to_be_visible()


def test_a_tile_opens_its_anomaly_and_its_name_the_camera(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera")
    waiting = web.results(camera="cam-b", review="unreviewed")[-1]
    page.locator(".tile", has_text="cam-b").click()
    expect(page.locator("#chips")).to_contain_text("Anomaly")
    assert page.url.endswith(f"/results/{waiting.id}")
    page.go_back()

    page.get_by_role("link", name="cam-b", exact=True).click()
    expect(page.get_by_role("heading", name="cam-b", exact=True)).to_be_visible()
    expect(page.locator("#scores canvas")).to_be_visible()
    expect(page.locator("#window canvas")).to_be_visible()
    page.locator("#scores .u-over").hover(position={"x": 60, "y": 60})
    expect(page.locator("#scores-readout")).to_contain_text("threshold")

    page.locator(".flagged a").first.click()
    expect(page.locator("#chips")).to_contain_text("Anomaly")
    flagged = web.results(camera="cam-b", prediction="Anomaly")[-1]
    assert page.url.endswith(f"/results/{flagged.id}")


def test_dragging_over_the_chart_zooms_and_all_resets_it(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera", then="/cameras/cam-b")
    over = page.locator("#scores .u-over")
    expect(page.locator("#shown")).to_have_text(f"{len(web.results(camera='cam-b'))} frames")
    box = over.bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page.locator("#shown")).to_contain_text(" to ")

    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator("#shown")).to_have_text(f"{len(web.results(camera='cam-b'))} frames")


def test_a_chart_is_panned_with_one_finger_and_zoomed_with_two(visit: Visit, web: WebSite) -> None:
    visitor = visit(width=390, height=844, touch=True)
    page = visitor.log_in("vera", then="/cameras/cam-b")
    shown = page.locator("#shown")
    expect(shown).to_have_text(f"{len(web.results(camera='cam-b'))} frames")
    box = page.locator("#scores .u-over").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 60

    visitor.swipe([[(x + by, y)] for by in (-25, -10, 0, 10, 25)])  # the first move may be ignored
    expect(shown).to_contain_text(" to ")
    moved = shown.inner_text()

    visitor.swipe([[(x - apart, y), (x + apart, y)] for apart in (100, 70, 50, 30, 20)])
    expect(shown).not_to_have_text(moved)
    assert span_shown(shown.inner_text()) == pytest.approx(5 * span_shown(moved), rel=0.3)


def span_shown(text: str) -> float:
    """Seconds between the two times in the page's text."""
    first, second = re.findall(r"[0-9-]{10} [0-9:]{8}", text)
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def test_a_wrong_clock_of_a_camera_is_shown_with_both_times(visit: Visit, web: WebSite) -> None:
    folder = web.site.watch / "cam-ahead"
    folder.mkdir()
    for number in range(2):
        hidden = folder / f".{number}.png.part"
        hidden.write_bytes(picture(number))
        ahead = time.time() + 8 * 3600
        os.utime(hidden, (ahead, ahead))
        hidden.rename(folder / f"{number}.png")
    page = visit().log_in("vera")

    tile = page.locator(".tile", has_text="cam-ahead")
    expect(tile.locator(".clock")).to_have_text("Camera clock 8 h ahead")
    expect(
        page.locator(".tile", has_text="cam-a", has_not_text="ahead").locator(".clock")
    ).to_be_hidden()
    tile.click()
    expect(page.locator("#clock")).to_have_text("camera clock 8 h ahead")

    page.goto("/history?camera=cam-ahead")
    row = page.locator("#rows tr").first
    expect(row.locator("td.arrived")).to_contain_text("captured")
    row.locator("a").click()
    expect(page.locator("#facts")).to_contain_text("Arrived")
    expect(page.locator("#facts")).to_contain_text("Captured")


def test_pages_ask_for_the_whole_wall_once_and_then_for_what_changed(
    visit: Visit, web: WebSite
) -> None:
    # to see it fail: forget the revision of the last answer
    page = visit().log_in("vera", then="/review")
    expect(page.locator("#facts .meter")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for address, count in (("/", ".tile"), ("/review", ".item")):
        asked.clear()
        page.goto(address)
        expect(page.locator(count).first).to_be_visible()
        with page.expect_response(re.compile(r"/cameras\?.*since=")) as found:
            web.site.upload(1, camera="cam-a", hot_every=10**9)
        assert found.value.json()["complete"] is False
        whole = [url for url in asked if "/api/v1/cameras" in url and "since=" not in url]
        assert len(whole) == 1, whole


def test_cameras_stand_under_their_group_and_the_choice_is_in_the_address(
    visit: Visit, web: WebSite
) -> None:
    # to see it fail: leave the group out of the tiles, or the choice out of the address
    web.site.upload(1, camera="press", hot_every=10**9)
    web.site.wait_until_settled()
    page = visit().log_in("vera")
    expect(page.get_by_role("heading", name="Hall 2")).to_contain_text("1 camera")
    expect(page.get_by_role("heading", name="Other cameras")).to_be_visible()
    after = page.locator(".group[data-group='Hall 2'] + .tile")
    expect(after).to_have_attribute("aria-label", "press")

    page.get_by_label("Group of cameras").select_option("Hall 2")
    for _ in range(2):
        expect(page.locator(".tile:visible")).to_have_count(1)
        expect(page.get_by_role("heading", name="Other cameras")).to_be_hidden()
        page.reload()
        expect(page.get_by_label("Group of cameras")).to_have_value("Hall 2")
    assert page.url.endswith("/?group=Hall+2")


def test_a_camera_that_keeps_sending_the_same_image_is_frozen(visit: Visit, web: WebSite) -> None:
    # to see it fail: judge a camera by when its frames arrive alone
    page = visit().log_in("vera")
    for number in range(6):
        web.site.put(f"stuck/{number}.png", picture(1234))
        web.site.wait_until_settled()
    tile = page.get_by_role("article", name="stuck")
    expect(tile.locator(".chip")).to_have_text("Frozen")
    expect(tile).to_contain_text("he last 6 or more images are the same, since")
    expect(page.locator("#totals")).to_contain_text("1 frozen")
