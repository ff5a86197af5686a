"""What happens now is shown now, whatever a camera's clock says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from ops.cli.main import cli
from ops.status import read_status
from ops.web.queries.wall import SILENT_INTERVALS, SILENT_S
from tests.ops.web.site import BOTH, NOW, WebSite, api

#: Capture times of a camera whose frames arrive every 10 s from `NOW` on, after its clock stepped.
STEPS = {
    "5 min back": NOW - 300,
    "daylight saving ends": NOW - 3600,
    "1970": 60.0,
    "8 h ahead": NOW + 8 * 3600,
    "2038": 2_147_483_648.0,
}
STEPPED = pytest.mark.parametrize("step", STEPS)


def commit_a_step(site: WebSite, step: str) -> None:
    """60 normal frames with a right clock, then 20 after its step, of which every fourth is hot."""
    earlier = [
        {"captured_at": NOW - 600 + n * 10, "arrived_at": NOW - 598 + n * 10} for n in range(60)
    ]
    later = [
        {
            "captured_at": STEPS[step] + n * 10,
            "arrived_at": NOW + 2 + n * 10,
            "anomaly": n % 4 == 3,
            "image_path": f"north/after-{n:02}.png",
        }
        for n in range(20)
    ]
    site.commit(earlier + later)
    site.now = NOW + 195


def camera(site: WebSite) -> Any:
    return api(site, "cameras")["cameras"][0]


@BOTH
@STEPPED
def test_after_a_step_of_its_clock_the_wall_shows_a_cameras_newest_arrivals(
    site: WebSite, step: str
) -> None:
    commit_a_step(site, step)
    shown = camera(site)
    assert shown["state"] == "anomaly"
    assert (shown["last"]["id"], shown["last"]["prediction"]) == (80, "Anomaly")
    assert [point["id"] for point in shown["recent"]] == list(range(21, 81))
    assert sum(point["anomaly"] for point in shown["recent"]) == 5


@STEPPED
def test_after_a_step_lists_start_with_the_newest_arrivals(site: WebSite, step: str) -> None:
    commit_a_step(site, step)
    newest = list(range(80, 60, -1))
    assert [row["id"] for row in api(site, "results", limit=20)["results"]] == newest
    assert [row["id"] for row in api(site, "results", since=NOW)["results"]] == newest
    waiting = api(site, "results", review="unreviewed")["results"]
    assert [row["id"] for row in waiting] == [80, 76, 72, 68, 64]
    series = api(site, "cameras/north/series", since=NOW, until=NOW + 600)
    assert (series["frames"], len(series["anomalies"])) == (20, 5)
    (day,) = api(site, "summary", since=NOW, until=NOW + 600)["days"]
    assert (day["frames"], day["anomalies"]) == (20, 5)


@STEPPED
def test_after_a_step_commands_count_what_arrived(site: WebSite, step: str, redis_url: str) -> None:
    commit_a_step(site, step)
    since = ("--since", "2025-06-15T15:06:40Z")  # `NOW`
    assert len(command(site, "results", "list", "--anomalies", *since)["results"]) == 5
    assert command(site, "results", "summary", *since)[0]["frames"] == 20
    settings = site.settings.model_copy(update={"data": site.folder})
    (status,) = read_status(settings, now=NOW + 200).cameras
    assert status.anomalies_24h == 5


def command(site: WebSite, *words: str) -> Any:
    """What a command prints as JSON about the site's database."""
    answer = CliRunner().invoke(cli, [*words, "--json", "--data", str(site.folder)])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def test_results_are_found_by_their_time_of_capture_too(site: WebSite) -> None:
    commit_a_step(site, "1970")
    in_1970 = api(site, "results", captured_until=100.0, limit=3)
    assert [row["captured_at"] for row in in_1970["results"]] == [90.0, 80.0, 70.0]
    rest = api(site, "results", captured_until=100.0, cursor=in_1970["next"])
    assert [row["captured_at"] for row in rest["results"]] == [60.0]
    export = site.client().get("/api/v1/results/export.csv", params={"captured_until": 100.0})
    assert len(export.text.splitlines()) == 5
    since = "1970-01-01T00:01:30Z"
    found = command(
        site, "results", "list", "--captured-since", since, "--captured-until", "1971-01-01"
    )
    assert len(found["results"]) == 17


def test_the_list_shows_the_time_of_capture_where_it_differs(site: WebSite) -> None:
    def printed() -> str:
        return CliRunner().invoke(cli, ["results", "list", "--data", str(site.folder)]).stdout

    site.commit([{"captured_at": NOW, "arrived_at": NOW + 2}])
    header, row = printed().splitlines()
    assert "captured" not in header
    assert "2025-06-15T15:06:42" in row
    site.commit([{"captured_at": 60.0, "arrived_at": NOW + 2}])
    header, row, _ = printed().splitlines()
    assert header.split()[:3] == ["id", "arrived", "captured"]
    assert row.split()[1:3] == ["2025-06-15T15:06:42", "1970-01-01T00:01:00"]


def test_a_wrong_clock_is_said_on_the_wall_and_as_a_metric(site: WebSite) -> None:
    commit_a_step(site, "8 h ahead")
    site.commit([{"camera": "south", "captured_at": NOW, "arrived_at": NOW + 2}])
    north, south = api(site, "cameras")["cameras"]
    assert (north["clock"], north["clock_offset_s"]) == ("8 h ahead", 8 * 3600 - 2)
    assert (south["clock"], south["clock_offset_s"]) == (None, -2)
    families = {
        family.name: {sample.labels["camera"]: sample.value for sample in family.samples}
        for family in text_string_to_metric_families(site.client().get("/metrics").text)
        if family.name == "thermalwatch_camera_clock_offset_seconds"
    }
    assert families == {
        "thermalwatch_camera_clock_offset_seconds": {"north": 8 * 3600 - 2, "south": -2}
    }


@STEPPED
def test_a_camera_whose_clock_stepped_is_silent_no_sooner_and_no_later(
    site: WebSite, step: str
) -> None:
    def state(after_s: float) -> str:
        site.services.wall.drop()
        site.now = NOW + 192 + after_s  # since its last frame
        return str(camera(site)["own_state"])

    commit_a_step(site, step)
    assert state(10 * SILENT_INTERVALS - 1) == "ok"
    assert state(10 * SILENT_INTERVALS + 1) == "silent"


def test_a_camera_that_uploads_several_frames_at_once_is_not_silent_in_between(
    site: WebSite,
) -> None:
    uploads = [NOW - 600 * (n // 10) for n in range(50)]
    site.commit([{"arrived_at": at, "captured_at": at} for at in reversed(uploads)])
    site.now = NOW + SILENT_S + 1
    assert camera(site)["state"] == "ok"
    site.services.wall.drop()
    site.now = NOW + 600 * SILENT_INTERVALS + 1
    assert camera(site)["state"] == "silent"


def test_an_outage_does_not_make_a_fast_camera_late_to_be_silent(site: WebSite) -> None:
    arrivals = [NOW - 7200 + n for n in range(30)] + [NOW - 30 + n for n in range(30)]
    site.commit([{"arrived_at": at, "captured_at": at} for at in arrivals])
    site.now = NOW + SILENT_S + 1
    assert camera(site)["state"] == "silent"
