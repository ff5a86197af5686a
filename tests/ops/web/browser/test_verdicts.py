"""A verdict or a note never reaches another frame than the one that it was given for."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect

from storage.results.reviews import Verdict, add_reviews
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite
from tests.ops.web.browser.test_review import WAIT_S, expect_shown, shown, verdict_of
from tests.waiting import wait_until


def waiting_frames(web: WebSite, camera: str, number: int = 4) -> list[int]:
    """Ids of new unreviewed anomalies of a camera, in the order of the queue."""
    web.site.upload(number, camera=camera, hot_every=1)
    web.site.wait_until_settled()
    return [row.id or 0 for row in reversed(web.results(camera=camera, review="unreviewed"))]


def reviewed_by_adam(web: WebSite, result_id: int, verdict: Verdict) -> None:
    done = add_reviews(
        web.site.engine, [result_id], verdict, note="", reviewer="adam", now=time.time()
    )
    assert list(done.versions) == [result_id]


def expect_verdict(web: WebSite, result_id: int, verdict: str, note: str = "") -> None:
    wait_until(lambda: verdict_of(web, result_id) == (verdict, "rita", note), WAIT_S, "the verdict")


def type_note(page: Page, text: str) -> None:
    page.keyboard.press("n")
    page.keyboard.type(text)
    page.keyboard.press("Escape")


def test_a_note_stays_with_the_frame_that_it_was_typed_for(visit: Visit, web: WebSite) -> None:
    # to see it fail: leave the text in the field when another frame is shown
    first, second, third, _ = waiting_frames(web, "notes")
    page = visit().log_in("rita", then="/review?camera=notes")
    expect_shown(page, first)
    type_note(page, "hot clamp")
    page.keyboard.press("j")
    expect_shown(page, second)
    expect(page.locator("#note")).to_have_value("")
    page.keyboard.press("f")
    expect_shown(page, third)
    expect_verdict(web, second, "false_alarm")

    page.keyboard.press("k")
    expect_shown(page, first)
    expect(page.locator("#note")).to_have_value("hot clamp")
    page.keyboard.press("c")
    expect_verdict(web, first, "confirmed", "hot clamp")
    expect(page.locator("#note")).to_have_value("")


def test_a_key_that_is_held_down_gives_one_verdict(visit: Visit, web: WebSite) -> None:
    # to see it fail: run an action for every keydown
    first, second, *_ = waiting_frames(web, "held")
    page = visit().log_in("rita", then="/review?camera=held")
    expect_shown(page, first)
    page.keyboard.down("c")
    expect_shown(page, second)
    for _ in range(8):
        page.keyboard.down("c")  # with `repeat`
    page.keyboard.up("c")
    page.get_by_role("button", name="Confirm").focus()
    page.keyboard.down("Enter")
    expect_verdict(web, second, "confirmed")
    for _ in range(8):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.reload()
    expect_shown(page, web.results(camera="held", review="unreviewed")[-1].id or 0)
    assert len(web.results(camera="held", review="unreviewed")) == 2


#: Clicks again at the moment when another frame has appeared.
CLICK_AGAIN = """() => new MutationObserver(() => document.querySelector("#false-alarm").click())
  .observe(document.querySelector("#facts"), {childList: true})"""


def test_two_quick_clicks_give_one_verdict(visit: Visit, web: WebSite) -> None:
    # to see it fail: take a verdict on a frame that has just appeared
    first, second, *_ = waiting_frames(web, "quick")
    page = visit().log_in("rita", then="/review?camera=quick")
    expect_shown(page, first)
    page.evaluate(CLICK_AGAIN)
    page.get_by_role("button", name="False alarm").dblclick()
    expect_shown(page, second)
    expect_verdict(web, first, "false_alarm")
    assert len(web.results(camera="quick", review="unreviewed")) == 3


def test_the_page_stays_on_a_frame_that_somebody_else_reviews(visit: Visit, web: WebSite) -> None:
    # to see it fail: show the next frame when the one shown has left the queue
    first, second, *_ = waiting_frames(web, "moving")
    page = visit().log_in("rita", then="/review?camera=moving")
    expect_shown(page, first)
    page.keyboard.press("n")
    page.keyboard.type("a hot cl")
    reviewed_by_adam(web, first, "false_alarm")
    expect(page.locator("#elsewhere")).to_have_text(
        "adam has reviewed this frame: False alarm. Go on with Next."
    )
    page.keyboard.type("amp")
    page.keyboard.press("Escape")
    assert shown(page) == first
    expect(page.locator("#note")).to_have_value("a hot clamp")
    page.keyboard.press("c")
    page.keyboard.press("j")
    expect_shown(page, second)
    expect(page.locator("#elsewhere")).to_be_hidden()
    assert verdict_of(web, first) == ("false_alarm", "adam", "")
    assert len(web.results(camera="moving", review="unreviewed")) == 3


def test_undo_takes_back_nobody_elses_verdict(visit: Visit, web: WebSite) -> None:
    # to see it fail: send the undo without the version of one's own verdict
    first, second, *_ = waiting_frames(web, "undo")
    page = visit().log_in("rita", then="/review?camera=undo")
    expect_shown(page, first)
    page.keyboard.press("c")
    expect_verdict(web, first, "confirmed")
    expect_shown(page, second)
    reviewed_by_adam(web, first, "false_alarm")
    page.keyboard.press("u")
    told = page.get_by_role("alert").filter(has_text="Not undone")
    expect(told).to_contain_text("adam has called it a false alarm in the meantime")
    assert verdict_of(web, first) == ("false_alarm", "adam", "")


def test_a_result_can_be_unreviewed_on_its_page(visit: Visit, web: WebSite) -> None:
    first, *_ = waiting_frames(web, "withdrawn")
    page = visit().log_in("rita", then=f"/results/{first}")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#chips")).to_contain_text("Confirmed")
    expect(page.locator("#live")).to_have_text("Live")

    page.get_by_role("button", name="Withdraw the verdict").click()

    expect(page.locator("#chips")).to_contain_text("Not reviewed")
    expect(page.get_by_role("button", name="Withdraw the verdict")).to_be_hidden()
    expect_verdict(web, first, "unreviewed")


def test_a_verdict_on_a_result_that_has_changed_is_refused_and_said(
    visit: Visit, web: WebSite
) -> None:
    # to see it fail: send a verdict without the version that was shown
    first, *_ = waiting_frames(web, "conflict")
    visitor = visit()
    visitor.expect_complaint("ERR_FAILED")
    visitor.page.route("**/api/v1/events", lambda route: route.abort())
    page = visitor.log_in("rita", then=f"/results/{first}")
    expect(page.locator("#chips")).to_contain_text("Not reviewed")
    reviewed_by_adam(web, first, "confirmed")

    page.get_by_role("button", name="False alarm").click()

    told = page.get_by_role("alert").filter(has_text="Not stored")
    expect(told).to_contain_text("adam has confirmed it in the meantime")
    expect(page.locator("#chips")).to_contain_text("Confirmed")
    assert verdict_of(web, first) == ("confirmed", "adam", "")
