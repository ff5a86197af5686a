"""The pages Account and Audit log."""

from __future__ import annotations

import time

import pyotp
import pytest
from playwright.sync_api import expect

from ops.web.security.hashing import hash_password
from storage.accounts import Role, add_account
from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import PASSWORD, WebSite

NEW = "several uncommon words"


@pytest.fixture
def nora(web: WebSite, request: pytest.FixtureRequest) -> str:
    """The name of a new account."""
    role: Role = "reviewer"
    name = f"nora of {request.node.name}"[:90]
    add_account(web.site.engine, name, role, hash_password(PASSWORD), now=time.time())
    return name


def test_a_token_is_made_shown_once_and_revoked(visit: Visit, web: WebSite, nora: str) -> None:
    page = visit().log_in(nora, then="/account")
    page.get_by_label("What it is for").fill("gate camera")
    page.get_by_label("Allows").select_option("upload")
    page.get_by_role("button", name="Make token").click()
    expect(page.locator("#made code")).to_contain_text("tw_")
    row = page.get_by_role("row", name="gate camera")
    expect(row).to_contain_text("only uploads")
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No tokens.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("now, in this browser")).to_be_visible()
    expect(page.locator("#made")).to_be_hidden()


def test_a_password_is_changed_and_other_browsers_must_log_in(
    visit: Visit, web: WebSite, nora: str
) -> None:
    elsewhere = visit()
    elsewhere.expect_complaint("401")
    elsewhere.log_in(nora, then="/history")
    visitor = visit()
    visitor.expect_complaint("403")
    page = visitor.log_in(nora, then="/account")
    expect(page.locator("#sessions tbody tr")).to_have_count(2)
    form = page.locator("#password")
    for current in ("wrong guess", PASSWORD):
        form.get_by_label("Current password").fill(current)
        form.get_by_label("New password").fill(NEW)
        form.get_by_role("button", name="Change password").click()
        said = "current password is wrong" if current != PASSWORD else "Your password is changed"
        expect(page.locator("#notices")).to_contain_text(said)
    expect(page.locator("#sessions tbody tr")).to_have_count(1)
    elsewhere.page.goto("/system")
    elsewhere.page.wait_for_url("**/login?next=*")


def test_one_time_codes_are_switched_on_and_off(visit: Visit, web: WebSite, nora: str) -> None:
    page = visit().log_in(nora, then="/account")
    key = page.locator("#codes-secret code").inner_text().replace(" ", "")
    form = page.locator("#codes")
    form.get_by_label("Current password").fill(PASSWORD)
    form.get_by_label("Code that the app shows now").fill(pyotp.TOTP(key).now())
    form.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("On. 10 recovery codes left.")).to_be_visible()
    expect(page.locator("#recovery")).to_contain_text("-")
    form.get_by_label("Current password").fill(PASSWORD)
    form.get_by_role("button", name="Switch off").click()
    expect(form.get_by_role("button", name="Switch on")).to_be_visible()
    expect(page.locator("#recovery")).to_be_hidden()


def test_an_admin_filters_the_audit_log_and_ends_a_session_of_another(
    visit: Visit, web: WebSite, nora: str
) -> None:
    visit().log_in(nora)
    page = visit().log_in("adam", then="/account")
    page.get_by_label("Sessions and tokens of").select_option(nora)
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_text("No sessions.")).to_be_visible()
    page.get_by_label("Account: adam").click()
    page.get_by_role("link", name="Audit log").click()
    page.get_by_label("Action").select_option("session_revoked")
    row = page.locator("#rows tr").first
    expect(row).to_contain_text("ended a session")
    expect(row).to_contain_text(nora)
    expect(row).to_contain_text("adam")


def test_others_have_no_audit_log(visit: Visit, web: WebSite) -> None:
    visitor = visit()
    visitor.expect_complaint("403")
    page = visitor.log_in("rita")
    page.get_by_label("Account: rita").click()
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    page.goto("/audit")
    expect(page.get_by_text("needs the role admin")).to_be_visible()
