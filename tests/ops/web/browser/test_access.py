"""Login, roles and logout."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Route, expect

from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import PASSWORD, WebSite


def test_pages_need_a_login_and_none_opens_after_logout(visit: Visit, web: WebSite) -> None:
    visitor = visit()
    visitor.expect_complaint("401")  # expected without a session
    page = visitor.page

    page.goto("/history?camera=cam-a")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("guessed")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert").first).to_contain_text("wrong")

    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/history?camera=cam-a")  # the page requested before the login

    page.get_by_label("Account: vera").click()
    expect(page.get_by_text("Role: viewer")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto("/")
    assert urlsplit(page.url).path == "/login"


def test_a_request_pending_at_logout_does_not_set_the_page_after_login(visit: Visit) -> None:
    visitor = visit()
    visitor.expect_complaint("401")
    page = visitor.log_in("vera", then="/history")
    expect(page.locator("#rows tr").first).to_be_visible()
    held: dict[str, Route] = {}
    page.route("**/api/v1/results?*", lambda route: held.update(question=route))
    page.route("**/logout", lambda route: held.update(logout=route))

    page.get_by_label("Prediction").select_option("Anomaly")
    page.get_by_label("Account: vera").click()
    page.get_by_role("button", name="Log out").click(no_wait_after=True)
    while len(held) < 2:
        page.wait_for_timeout(10)
    ended = held["logout"].fetch(max_redirects=0)  # the page has not got this response yet
    with page.expect_response(lambda response: response.status == 401):
        held["question"].continue_()
    held["logout"].fulfill(response=ended)

    page.wait_for_url("**/login")  # without ?next=


def test_a_viewer_sees_no_controls_that_require_another_role(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("vera", then="/review")
    expect(page.locator("#queue .item").first).to_be_visible()
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_text("Verdicts require the role reviewer")).to_be_visible()

    page.goto("/system")
    expect(page.get_by_text("corrupt")).to_be_visible()
    expect(page.get_by_role("button", name="Try")).to_have_count(0)
    page.goto("/cameras/cam-a")
    expect(page.locator("#scores canvas")).to_be_visible()
    expect(page.get_by_role("button", name="Accept new baseline")).to_have_count(0)


def test_an_admin_can_requeue_a_quarantined_frame(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("adam", then="/system")
    row = page.get_by_role("row", name="broken.png")
    expect(row).to_contain_text("cannot be decoded")  # the reason in words
    expect(row.locator("img")).to_have_count(0)  # the file cannot be displayed

    row.get_by_role("button", name="again").click()

    expect(page.get_by_role("status").filter(has_text="is pending again")).to_be_visible()
    expect(row).to_be_visible()  # quarantined again, as it is still broken


def test_accepting_a_new_baseline_asks_for_confirmation(visit: Visit, web: WebSite) -> None:
    page = visit().log_in("adam", then="/cameras/cam-a")

    page.get_by_role("button", name="Accept new baseline").click()

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("learns a new baseline")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


def test_a_page_goes_to_the_login_when_the_session_ends(visit: Visit, web: WebSite) -> None:
    visitor = visit()
    visitor.expect_complaint("401")
    page = visitor.log_in("vera", then="/history")
    expect(page.locator("#rows tr").first).to_be_visible()

    visitor.context.clear_cookies()
    page.get_by_label("Prediction").select_option("Anomaly")

    page.wait_for_url("**/login?next=*")
