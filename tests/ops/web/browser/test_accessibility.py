"""axe-core finds nothing serious on any page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import Theme, WebSite
from tests.ops.web.browser.test_shapes import PAGES

AXE = Path(__file__).resolve().parents[4] / "node_modules" / "axe-core" / "axe.min.js"

pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is not installed; `npm ci` installs it"
)

#: Target sizes are a rule of WCAG 2.2 that axe does not run by default.
RUN = """async () => (await axe.run(document, {rules: {"target-size": {enabled: true}}})).violations
  .filter((found) => ["serious", "critical"].includes(found.impact))
  .map((found) => [found.id, found.nodes.map((node) => node.html.slice(0, 150))])"""


def findings(page: Page) -> list[Any]:
    """Rules that the page breaks, with the elements. axe runs outside the page's own policy."""
    page.evaluate(AXE.read_text())
    return list(page.evaluate(RUN))


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_no_page_has_a_serious_finding(
    visit: Visit, web: WebSite, width: int, theme: Theme
) -> None:
    # to see it fail: remove a label, or draw text in a colour near that of its background
    visitor = visit(width=width, height=844, theme=theme)
    page = visitor.page
    page.goto("/login")
    found = {"/login": findings(page)}
    visitor.log_in("adam")
    result = f"/results/{web.results(prediction='Anomaly')[0].id}"
    for path, drawn in {**PAGES, result: ".touch"}.items():
        page.goto(path)
        expect(page.locator(drawn).first).to_be_visible()
        found[path] = findings(page)
    serious = [f"{path}: {rule}" for path, rules in found.items() for rule in rules]
    assert serious == [], "\n".join(serious)
