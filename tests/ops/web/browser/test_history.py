"""History: filters in the URL, paging by keyboard, and exports of the filtered results."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
from playwright.sync_api import Page, expect

from tests.ops.web.browser.conftest import Visit
from tests.ops.web.browser.site import WebSite


def download(page: Page, name: str, folder: Path) -> Path:
    """Download the file of a link."""
    with page.expect_download() as started:
        page.get_by_role("link", name=name).click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_filters_are_in_the_url_and_apply_to_exports(
    visit: Visit, web: WebSite, tmp_path: Path
) -> None:
    expected = web.results(camera="cam-a", prediction="Anomaly")
    page = visit().log_in("vera", then="/history")
    expect(page.locator("#rows tr").first).to_be_visible()

    page.get_by_label("Camera").select_option("cam-a")
    page.get_by_label("Prediction").select_option("Anomaly")

    expect(page.locator("#rows tr")).to_have_count(len(expected))
    assert "camera=cam-a" in page.url
    assert "prediction=Anomaly" in page.url
    page.reload()
    expect(page.locator("#rows tr")).to_have_count(len(expected))
    expect(page.get_by_label("Camera")).to_have_value("cam-a")

    with download(page, "Export CSV", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_path"] for row in rows] == [row.image_path for row in expected]
    table = pq.read_table(download(page, "Parquet", tmp_path))
    assert table.column("image_path").to_pylist() == [row.image_path for row in expected]


def test_results_can_be_filtered_by_score_and_time(visit: Visit, web: WebSite) -> None:
    rows = web.results()
    middle = sorted(row.score for row in rows)[len(rows) // 2]
    above = [row for row in rows if row.score >= middle]
    page = visit().log_in("vera", then="/history")
    expect(page.locator("#rows tr").first).to_be_visible()

    page.get_by_label("Score at least").fill(repr(middle))
    page.get_by_label("Score at least").press("Enter")
    expect(page.locator("#rows tr")).to_have_count(min(50, len(above)))

    page.get_by_label("Arrived from").fill("2090-01-01T00:00")
    page.get_by_label("Arrived from").press("Enter")
    expect(page.get_by_text("No result matches this filter")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(page.locator("#rows tr")).to_have_count(min(50, len(rows)))


def test_a_link_with_times_means_the_same_in_every_time_zone(visit: Visit, web: WebSite) -> None:
    # to see it fail: put the local time of the field into the address
    page = visit(time_zone="Asia/Kolkata").log_in("vera", then="/history")
    expect(page.locator("#rows tr").first).to_be_visible()
    page.get_by_label("Arrived from").fill("2026-01-02T05:30")
    page.get_by_label("Arrived from").press("Enter")
    page.wait_for_url("**/history?since=2026-01-02T00%3A00Z")

    other = visit(time_zone="America/New_York")
    there = other.log_in("vera", then="/history?since=2026-01-02T00%3A00Z")

    expect(there.get_by_label("Arrived from")).to_have_value("2026-01-01T19:00")
    sent = [page.locator("#csv").get_attribute("href"), there.locator("#csv").get_attribute("href")]
    assert sent[0] == sent[1]
    assert "since=1767312000" in str(sent[0])


def test_pages_are_turned_by_keyboard_and_repeat_no_result(visit: Visit, web: WebSite) -> None:
    web.site.upload(40, camera="cam-c", hot_every=10**9)
    web.site.wait_until_settled()
    newest_first = [row.image_path for row in reversed(web.results())]
    page = visit().log_in("vera", then="/history")
    expect(page.locator("#rows tr")).to_have_count(50)
    first = page.locator("#rows td.image").all_inner_texts()

    page.get_by_role("button", name="Older").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#rows td.image").first).to_have_text(newest_first[50])
    expect(page.locator("#rows tr")).to_have_count(min(50, len(newest_first) - 50))
    second = page.locator("#rows td.image").all_inner_texts()

    assert first + second == newest_first[: len(first) + len(second)]
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#rows td.image").first).to_have_text(first[0])


def test_a_row_opens_its_result_also_without_stored_pictures(visit: Visit, web: WebSite) -> None:
    normal = web.results(camera="cam-a", prediction="Normal")[-1]
    page = visit().log_in("vera", then="/history?prediction=Normal&camera=cam-a")

    page.locator("#rows tr").first.click()

    page.wait_for_url(f"**/results/{normal.id}")
    expect(page.locator("#chips")).to_contain_text("Normal")
    # drawn from the values in the file
    expect(page.locator(".touch canvas")).to_be_visible()
    page.locator(".touch").hover()
    expect(page.locator("#spot")).to_contain_text("counts")
