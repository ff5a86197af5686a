"""Reviews by keyboard, undo, pictures, and the temperature under the cursor."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import cv2
import numpy as np
from playwright.sync_api import Page, expect

from storage.results.reviews import list_reviews
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite
from tests.waiting import wait_until
from thermal.render.legend import Scale
from thermal.render.palette import INFERNO
from thermal.render.panel import Caption, View, draw_panel

WAIT_S = 10.0


def open_frames(web: WebSite) -> list[int]:
    """Ids of the unreviewed anomalies, in the order of the queue."""
    rows = web.results(prediction="Anomaly", review="unreviewed")
    return [row.id or 0 for row in reversed(rows)]


def verdict_of(web: WebSite, result_id: int) -> tuple[str, str, str] | None:
    """The latest review: verdict, reviewer, note."""
    found = list_reviews(web.site.engine, result_id)
    return (found[0].verdict, found[0].reviewer, found[0].note) if found else None


def shown(page: Page) -> int:
    """Id of the result on the page."""
    href = page.get_by_role("link", name="Open this result").get_attribute("href")
    return int(str(href).rpartition("/")[2])


def expect_shown(page: Page, result_id: int) -> None:
    """Wait until the page shows a result and, of a reviewer, takes a verdict on it."""
    link = page.get_by_role("link", name="Open this result")
    expect(link).to_have_attribute("href", f"/results/{result_id}")
    expect(page.locator("#confirm[aria-disabled=true]")).to_have_count(0)


def test_the_queue_can_be_reviewed_by_keyboard(visit: Visit, web: WebSite) -> None:
    waiting = open_frames(web)
    assert len(waiting) >= 3
    page = visit().log_in("rita", then="/review")
    expect_shown(page, waiting[0])

    page.keyboard.press("j")
    expect_shown(page, waiting[1])
    page.keyboard.press("k")
    expect_shown(page, waiting[0])

    page.keyboard.press("c")
    expect_shown(page, waiting[1])
    wait_until(
        lambda: verdict_of(web, waiting[0]) == ("confirmed", "rita", ""), WAIT_S, "a verdict"
    )

    page.keyboard.press("n")
    page.keyboard.type("sun on the lens; c and f are letters here")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect_shown(page, waiting[2])
    assert verdict_of(web, waiting[1]) == (
        "false_alarm",
        "rita",
        "sun on the lens; c and f are letters here",
    )

    page.keyboard.press("u")
    expect_shown(page, waiting[1])
    assert verdict_of(web, waiting[1]) == ("unreviewed", "rita", "")
    assert waiting[1] in open_frames(web)

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")


def test_a_verdict_on_several_frames_can_be_undone(visit: Visit, web: WebSite) -> None:
    waiting = open_frames(web)
    page = visit().log_in("rita", then="/review")
    expect_shown(page, waiting[0])

    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    expect_shown(page, waiting[1])
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Confirm 2")).to_be_visible()
    page.get_by_role("button", name="2 false alarms").click()
    expect(page.get_by_role("status").filter(has_text="2 frames")).to_be_visible()
    assert [verdict_of(web, one) for one in waiting[:2]] == [("false_alarm", "rita", "")] * 2

    page.get_by_role("button", name="Undo").last.click()
    expect_shown(page, waiting[0])
    assert open_frames(web) == waiting


def test_the_temperature_under_the_cursor_is_that_of_the_image(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("rita", then="/review")
    expect(page.locator("#readout")).to_contain_text("Point at a picture")
    row = next(row for row in web.results() if row.id == shown(page))
    truth = cv2.imread(str(web.site.watch / row.image_path), cv2.IMREAD_UNCHANGED)
    assert truth is not None

    for kind in ("original", "reconstruction", "heatmap", "overlay"):
        picture = page.locator(f".touch[data-kind={kind}]")
        for column, line in ((0, 0), (13, 11), (12, 10), (31, 23), (20, 5)):
            box = picture.bounding_box()
            assert box is not None
            x = (column + 0.5) / row.width * box["width"]
            y = (line + 0.5) / row.height * box["height"]
            picture.hover(position={"x": x, "y": y})  # once texts that arrive have moved it
            spot = page.locator("#spot")
            expect(spot).to_have_attribute("data-column", str(column))
            expect(spot).to_have_attribute("data-row", str(line))
            assert float(str(spot.get_attribute("data-value"))) == truth[line, column]
            expect(spot).to_have_text(f"{truth[line, column]} counts")
    expect(page.locator("#readout")).to_contain_text("not degrees")
    expect(page.locator("#readout")).to_contain_text(re.compile(r"residual .* σ"))


def test_arrow_keys_on_an_image_move_the_measuring_spot(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("rita", then="/review")
    expect(page.locator("#readout")).to_contain_text("Point at a picture")
    before = shown(page)

    page.locator(".touch").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")

    expect(page.locator("#spot")).to_have_attribute("data-column", "17")
    expect(page.locator("#spot")).to_have_attribute("data-row", "13")
    assert shown(page) == before


def test_the_blend_runs_from_the_original_to_the_heatmap(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera", then="/review")
    page.keyboard.press("b")

    slider = page.get_by_role("slider", name="From original to heatmap")
    slider.fill("0")
    original = _picture(page)
    slider.fill("100")
    heatmap = _picture(page)

    assert np.abs(original - heatmap).mean() > 5
    expect(page.locator(".blended")).to_have_css("opacity", "1")


def _picture(page: Page) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    blend = page.locator(".touch[data-kind=blend]")
    blend.evaluate("box => Promise.all([...box.querySelectorAll('img')].map((i) => i.decode()))")
    data = np.frombuffer(blend.screenshot(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float64)


def test_images_are_cropped_exactly_from_stored_pictures(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera")
    row = web.results(prediction="Anomaly")[0]
    stored = cv2.imread(str(web.site.data / "pictures" / str(row.original_picture)))
    assert stored is not None
    assert _regions(page, row.width, row.height)["page"][2:] == [stored.shape[1], stored.shape[0]]

    caption = Caption(
        camera="cam",
        captured_at=datetime(2026, 7, 1, tzinfo=UTC),
        score=1.0,
        threshold=2.0,
        p_value=0.5,
        anomaly=False,
        learning=False,
        reasons=(),
        model_id="0" * 64,
    )
    scale = Scale(0, 1, "counts", INFERNO)
    for width, height in ((32, 24), (160, 120), (640, 512), (2000, 20), (7, 30), (300, 2)):
        found = _regions(page, width, height)
        x, y, w, h = found["image"]
        view = View("Original", "", np.ones((height, width), np.float32), scale)
        panel = draw_panel(view, (h, w), caption)
        assert found["page"][2:] == [panel.shape[1], panel.shape[0]]
        hottest = (panel == INFERNO.colours[255]).all(axis=2)
        assert hottest[y : y + h, x : x + w].all()
        assert not hottest[y : y + h, x - 1].any()  # outside the image
        assert not hottest[y - 1, x : x + w].any()


def _regions(page: Page, width: int, height: int) -> dict[str, list[int]]:
    script = 'async ([w, h]) => (await import("/static/js/picture.js")).regions(w, h)'
    found: dict[str, list[int]] = page.evaluate(script, [width, height])
    return found
