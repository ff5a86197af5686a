"""Metrics are valid for Prometheus, documented and correct."""

from __future__ import annotations

import re
import time
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, update

from ops.web.app import create_app
from producer.heartbeat import Heartbeat, beat
from producer.observe import RootStatus
from storage.db.database import writing
from storage.db.schema import results
from storage.frames.identity import NewFrame
from storage.frames.ledger import requeue
from storage.frames.outcomes import Quarantined, finish
from storage.frames.registration import register
from storage.models import save_model
from storage.stages import BUCKETS_S, add_durations, read_durations
from tests.ops.web.site import BOTH, WebSite
from thermal.detection.bundle import Bundle

DOCS = Path(__file__).parents[3] / "docs" / "web.md"


def scrape(site: WebSite) -> dict[str, Metric]:
    answer = site.client().get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def values(site: WebSite, name: str) -> dict[tuple[str, ...], float]:
    """Samples of a metric by label values."""
    families = scrape(site)
    samples = [s for family in families.values() for s in family.samples if s.name == name]
    return {tuple(sample.labels.values()): sample.value for sample in samples}


def documented() -> dict[str, tuple[set[str], str]]:
    """Name → labels and type, from the table in the documentation."""
    rows = re.findall(
        r"^\| `(thermalwatch_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|", DOCS.read_text(), re.M
    )
    return {name: (set(labels.split(",")) - {""}, kind) for name, labels, kind in rows}


def fill(site: WebSite, bundle: Bundle) -> None:
    """Give every metric a sample."""
    save_model(site.engine, bundle, now=1.0, activate=True)
    rows = site.commit([{"anomaly": True}, {}])
    with writing(site.engine) as connection:
        connection.execute(update(results).values(model_id=bundle.model_id))
    assert rows
    bad, waiting = (NewFrame("north", "/srv", f"{n}.png", n, n) for n in (1, 2))
    register(site.engine, [bad, waiting], now=time.time())
    finish(site.engine, [Quarantined(bad.frame_id, "corrupt", "")], now=2.0)
    add_durations(site.redis, {"read": [0.004, 30.0], "commit": [0.2]})
    root = RootStatus(
        root="/srv", mode="inotify", frames=3, refused=0, settling=2, scanned_at=5.0, scan_s=0.1
    )
    beat(site.redis, Heartbeat("producer-1", 1.0, 1.0, (root,)))


def test_every_documented_metric_exists_and_every_metric_is_documented(
    site: WebSite, bundle: Bundle
) -> None:
    fill(site, bundle)
    site.client().get("/api/v1/cameras")
    found: dict[str, tuple[set[str], str]] = {}
    for family in scrape(site).values():
        # the parser removes `_total` from counters and treats `_info` as a gauge
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {key for sample in family.samples for key in sample.labels} - {"le"}
        found[name] = (labels, family.type)
    assert found == documented()


@BOTH
def test_frames_are_counted_by_camera_and_outcome(site: WebSite, bundle: Bundle) -> None:
    fill(site, bundle)
    frames = values(site, "thermalwatch_frames_total")
    assert frames == {("north", "scored"): 2, ("north", "quarantined"): 1}
    assert values(site, "thermalwatch_anomalies_total") == {("north",): 1}
    assert values(site, "thermalwatch_queue_frames") == {(): 1}
    assert 0 <= values(site, "thermalwatch_oldest_pending_seconds")[()] < 600


@BOTH
def test_counters_never_decrease_and_include_late_commits(site: WebSite) -> None:
    site.now = 1_000_000.0

    def scored() -> dict[tuple[str, ...], float]:
        assert site.now is not None
        site.now += 100.0
        return values(site, "thermalwatch_frames_total")

    site.commit([{"scored_at": site.now}] * 3)
    assert scored() == {("north", "scored"): 3}
    site.commit([{"scored_at": site.now}, {"scored_at": site.now, "camera": "south"}])
    expected = {("north", "scored"): 4, ("south", "scored"): 1}
    for _ in range(4):  # beyond the time for which late commits are expected
        assert scored() == expected
    (late,) = site.commit([{"scored_at": site.now}])
    assert scored() == expected | {("north", "scored"): 5}
    bad = NewFrame("north", "/srv", "bad.png", 1, 1)
    register(site.engine, [bad], now=1.0)
    finish(site.engine, [Quarantined(bad.frame_id, "corrupt", "")], now=2.0)
    assert scored()["north", "quarantined"] == 1
    requeue(site.engine, [bad.frame_id], now=3.0)
    with writing(site.engine) as connection:
        connection.execute(delete(results).where(results.c.id < late.id))
    assert scored() == expected | {("north", "scored"): 5, ("north", "quarantined"): 1}


def test_a_restarted_server_has_the_same_counts(site: WebSite) -> None:
    now = time.time()
    site.commit([{"scored_at": now - age} for age in (5000, 500, 50, 5)])
    for _ in range(2):
        site.app = create_app(site.new_services())
        assert values(site, "thermalwatch_frames_total") == {("north", "scored"): 4}
        status = site.client().get("/api/v1/status").json()
        assert (status["frames_last_minute"], status["frames_last_hour"]) == (2, 3)


def test_stage_durations_are_exported_as_a_histogram(site: WebSite, bundle: Bundle) -> None:
    fill(site, bundle)
    add_durations(site.redis, {"read": [BUCKETS_S[0]]})
    read = read_durations(site.redis)["read"]
    assert read.buckets[0] == 1  # bounds are inclusive
    assert (read.buckets[-2], read.buckets[-1]) == (2, 3)
    counts = values(site, "thermalwatch_stage_duration_seconds_count")
    assert counts == {("read",): 3, ("commit",): 1}
    sums = values(site, "thermalwatch_stage_duration_seconds_sum")
    assert abs(sums["read",] - 30.005) < 1e-9


def test_odd_camera_names_are_escaped(site: WebSite) -> None:
    odd = 'a"b\\c\nd'
    site.commit([{"camera": odd}])
    assert (odd, "scored") in values(site, "thermalwatch_frames_total")
