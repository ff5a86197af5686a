"""Pictures are whole, on comparable scales, and what deviates in them is named and marked."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite
from tests.scene import picture
from thermal.render.palette import COLD_TO_HOT

#: Sizes of images that were cut off or had a scale of another height.
SHAPES = [(640, 512), (24, 40), (40, 24), (480, 640)]


def of_shape(page: Page, result_id: int, width: int, height: int) -> None:
    """Let the page take a result for one of another size; its pictures keep their layout."""

    def answer(route: Route) -> None:
        found = route.fetch()
        route.fulfill(json=found.json() | {"width": width, "height": height})

    page.route(re.compile(rf"/api/v1/results/{result_id}$"), answer)


@pytest.mark.parametrize(("width", "height"), SHAPES)
@pytest.mark.parametrize("screen", [(1440, 900), (390, 844)])
def test_every_picture_is_whole_with_a_scale_as_tall_as_it(
    visit: Visit, web: WebSite, screen: tuple[int, int], width: int, height: int
) -> None:
    # to see it fail: let pictures take the width that there is, and scales theirs
    number = web.results(prediction="Anomaly")[0].id or 0
    visitor = visit(*screen)
    of_shape(visitor.page, number, width, height)
    page = visitor.log_in("vera", then=f"/results/{number}")
    expect(page.locator("#found")).not_to_be_empty()
    for kind in ("original", "reconstruction", "heatmap", "overlay"):
        touch = page.locator(f".touch[data-kind={kind}]")
        expect(touch).to_be_visible()
        picture = touch.bounding_box()
        bar = touch.locator("xpath=following-sibling::*").locator(".scale-bar").bounding_box()
        assert picture is not None
        assert bar is not None
        assert picture["height"] <= 0.75 * screen[1], kind
        assert picture["width"] / picture["height"] == pytest.approx(width / height, rel=0.03)
        assert bar["height"] == pytest.approx(picture["height"], abs=2), kind
        assert bar["y"] == pytest.approx(picture["y"], abs=2), kind
        assert bar["x"] + bar["width"] <= screen[0]
    page.keyboard.press("b")
    blend = page.locator(".touch[data-kind=blend]").bounding_box()
    assert blend is not None
    assert blend["height"] <= 0.85 * screen[1]


def test_a_cold_spot_is_named_cold_and_marked(visit: Visit, web: WebSite) -> None:
    # to see it fail: call every residual heat
    scene = cv2.imdecode(np.frombuffer(picture(1), np.uint8), cv2.IMREAD_UNCHANGED)
    assert scene is not None
    scene[4:6, 20:22] = 5
    web.site.put("cold/1.png", cv2.imencode(".png", scene)[1].tobytes())
    web.site.wait_until_settled()
    (row,) = web.results(camera="cold", prediction="Anomaly")
    page = visit().log_in("vera", then=f"/results/{row.id}")

    expect(page.locator("#found")).to_have_text(
        re.compile(
            r"^\d+ counts colder than expected at x 2[01], y [45]: 5 counts there, "
            r"residual −\d+.\d σ\.$"
        )
    )
    assert row.deviation is not None
    assert row.deviation == pytest.approx(5 - 80, rel=0.15)
    assert str(page.locator("#found").text_content()).startswith(f"{-row.deviation:.0f} counts ")
    expect(page.locator("#facts")).to_contain_text("Local cold")
    expect(page.locator("#facts")).not_to_contain_text("Local heat")
    ring = page.locator(".touch[data-kind=original] .ring").bounding_box()
    touch = page.locator(".touch[data-kind=original]").bounding_box()
    assert ring is not None
    assert touch is not None
    middle = (ring["x"] + ring["width"] / 2 - touch["x"]) / touch["width"]
    assert middle == pytest.approx(21 / 32, abs=0.06)
    below = page.locator(".touch[data-kind=original] + .scale .beyond.bottom")
    expect(below).to_have_text(f"▼ {row.min_temperature:.0f}")


def test_values_beyond_the_scale_are_said_beside_it(visit: Visit, web: WebSite) -> None:
    # to see it fail: end the scale in silence
    row = web.results(prediction="Anomaly")[0]
    page = visit().log_in("vera", then=f"/results/{row.id}")
    above = page.locator(".touch[data-kind=original] + .scale .beyond.top")
    expect(above).to_have_text(f"▲ {row.max_temperature:.0f}")
    expect(page.locator("#found")).to_contain_text("1 hotspot hotter than expected")
    expect(page.locator("#facts")).to_contain_text("rarer than 1 normal frame in")


def test_all_pictures_of_a_model_have_one_scale(visit: Visit, web: WebSite) -> None:
    # to see it fail: stretch a frame that is drawn from its values over its own range
    scales = []
    page = visit().log_in("vera")
    for row in (web.results(prediction="Anomaly")[0], web.results(prediction="Normal")[0]):
        page.goto(f"/results/{row.id}")
        scale = page.locator(".pane").first.locator(".scale")
        expect(scale).to_be_visible()
        scales.append(str(scale.get_attribute("aria-label")).partition(";")[0])
    assert scales[0] == scales[1]
    assert "counts" in scales[0]


def test_the_scales_have_the_colours_of_the_stored_pictures(visit: Visit, web: WebSite) -> None:
    row = web.results(prediction="Anomaly")[0]
    page = visit().log_in("vera", then=f"/results/{row.id}")
    bar = page.locator(".touch[data-kind=heatmap] + .scale .scale-bar")
    expect(bar).to_be_visible()
    image = cv2.imdecode(np.frombuffer(bar.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    column = image[:, 5, ::-1].astype(int)
    for share in (0.1, 0.4, 0.6, 0.9):
        shown = column[round((1 - share) * (len(column) - 1))]
        assert np.abs(shown - COLD_TO_HOT.colours[round(share * 255)]).max() < 12, share


def test_thumbnails_show_the_whole_picture(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera")
    expect(page.locator(".tile .screen img").first).to_have_css("object-fit", "contain")
    page.goto("/review")
    expect(page.locator("#queue img").first).to_have_css("object-fit", "contain")
