"""Every page on phone and desktop, light and dark: no overflow, no unnamed control."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import Theme, WebSite

#: Element that shows that a page is complete.
PAGES = {
    "/": ".tile",
    "/cameras/cam-a": "#scores canvas",
    "/review": "#facts .meter",
    "/history": "#rows tr",
    "/system": "#drift tr",
    "/account": "#sessions tr",
    "/audit": "#rows tr",
}

#: Finds controls without an accessible name and images without `alt`.
UNNAMED = """() => [...document.querySelectorAll("button, a, input, select, textarea, summary")]
  .concat([...document.images])
  .filter((e) => e.offsetParent !== null)
  .filter((e) => e.tagName === "IMG" ? !e.hasAttribute("alt") :
    !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim() || e.title))
  .map((e) => e.outerHTML.slice(0, 120))"""


def check(page: Page) -> None:
    """Check that the page does not scroll sideways and has no unnamed control."""
    width, room = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= room, f"{page.url} is {width} px wide, but the window {room} px"
    assert page.evaluate(UNNAMED) == []


@pytest.mark.parametrize(
    ("width", "theme"), [(360, "dark"), (390, "light"), (768, "dark"), (1440, "light")]
)
def test_every_page_fits_and_names_its_controls(
    visit: Visit, web: WebSite, width: int, theme: Theme
) -> None:
    visitor = visit(width=width, height=800, theme=theme)
    page = visitor.page
    page.goto("/login")
    check(page)
    visitor.log_in("adam")
    for path, drawn in PAGES.items():
        page.goto(path)
        expect(page.locator(drawn).first).to_be_visible()
        check(page)
    page.goto(f"/results/{web.results(prediction='Anomaly')[0].id}")
    expect(page.locator(".touch").first).to_be_visible()
    check(page)


def test_the_theme_follows_the_system_until_one_is_chosen(visit: Visit, web: WebSite) -> None:
    page = visit(theme="light").log_in("vera")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")

    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_missing_pages_and_results_are_reported(visit: Visit, web: WebSite) -> None:
    visitor = visit()
    visitor.expect_complaint("404")
    page = visitor.log_in("vera")

    page.goto("/nowhere")
    expect(page.get_by_role("link", name="Open the wall")).to_be_visible()
    page.goto("/results/999999")
    expect(page.get_by_role("alert").first).to_contain_text("no result 999999")
