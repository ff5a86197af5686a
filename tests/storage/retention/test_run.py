"""Retention deletes old results; the ledger counts balance and the rest of every stream replays."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine, insert, update
from sqlalchemy import text as sql

from storage.db.database import writing
from storage.db.schema import frames, results, streams
from storage.files.artifacts import ArtifactStore
from storage.frames.audit import audit
from storage.retention.policy import RetentionPolicy
from storage.retention.run import Retention, RetentionReport
from storage.stream.window import StreamKey
from tests.storage.examples import (
    finished_frame,
    open_streams,
    recorded_statements,
    stored_row,
)
from tests.storage.retention.site import ANOMALIES, FRAMES, POLICY, Site
from thermal.threshold import HOLD_FRAMES


def test_old_results_are_deleted_anomalies_later_and_the_rest_replays(year: Site) -> None:
    # to see it fail: leave `complete_from` out of storage.stream.replay
    report = year.retain(POLICY)
    assert report.normal > 700
    assert 0 < report.anomalies < ANOMALIES
    assert year.number_of_results(anomaly=False) == FRAMES - ANOMALIES - report.normal
    assert year.number_of_results(anomaly=True) == ANOMALIES - report.anomalies
    replayed = year.check()
    assert replayed.decisions > 50  # those after the first full window
    assert audit(year.engine).expired == report.normal + report.anomalies
    again = year.retain(POLICY)
    assert (again.normal, again.anomalies, again.frames) == (0, 0, 0)


def test_a_window_can_be_rebuilt_after_retention(year: Site) -> None:
    # to see it fail: delete by age without keeping the window's decisions
    before = window(year)
    report = year.retain(RetentionPolicy(normal_days=1e-6, anomaly_days=1e-6))
    assert report.held >= HOLD_FRAMES
    year.redis.flushall()
    year.score([FRAMES])  # an anomaly, which does not enter the window
    assert window(year) == before
    assert len(before) == 50
    year.score(range(FRAMES + 1, FRAMES + 200))
    assert year.check().decisions >= 150


def window(site: Site) -> list[float]:
    """The scores in the window, in order."""
    key = StreamKey("east", site.bundle.model_id).redis_keys()[2]
    members = cast("list[tuple[bytes, float]]", site.redis.zrange(key, 0, -1, withscores=True))
    return [score for _, score in members]


def test_decisions_replay_after_deleting_rows_around_an_accepted_baseline(
    site: Site,
) -> None:
    site.score(range(100))
    site.streams.accept(StreamKey("east", site.bundle.model_id), site.bundle)
    for start in range(100, FRAMES, 100):
        site.score(range(start, start + 100))
    assert site.check().decisions == FRAMES
    site.retain(POLICY)
    assert site.check().decisions > 50


def test_decisions_replay_after_deleting_rows_around_a_change_of_settings(site: Site) -> None:
    # to see it fail: restore a replayed window from rows on both sides of a gap
    site.score(range(100))
    site.window_size = 60
    for start in range(100, FRAMES, 100):
        site.score(range(start, start + 100))
    site.retain(POLICY)
    assert site.check().decisions > 50


def test_a_dry_run_counts_and_deletes_nothing(year: Site) -> None:
    counted = year.retain(POLICY, dry_run=True)
    assert year.number_of_results(anomaly=False) == FRAMES - ANOMALIES
    done = year.retain(POLICY)
    assert (counted.normal, counted.anomalies, counted.held) == (
        done.normal,
        done.anomalies,
        done.held,
    )


@pytest.mark.parametrize(
    "ages",
    [
        {"normal_days": 0.0},
        {"quarantine_days": -1.0},
        {"normal_days": 5.0, "anomaly_days": 4.0},
        {"anomaly_days": 4.0},
        {"picture_days": 5.0, "anomaly_picture_days": 4.0},
    ],
)
def test_implausible_ages_are_rejected(ages: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="days"):
        RetentionPolicy(**ages)


def test_the_default_policy_deletes_nothing(year: Site) -> None:
    assert not RetentionPolicy().deletes
    assert year.retain(RetentionPolicy()) == RetentionReport()


def test_retention_scans_no_table(engine: Engine, tmp_path: Path) -> None:
    open_streams(engine, *(f"camera-{number}" for number in range(5)))
    with writing(engine) as connection:
        ids = [f"{number:032x}" for number in range(20_000)]
        connection.execute(insert(frames), [finished_frame(frame_id) for frame_id in ids])
        connection.execute(
            insert(results),
            [
                stored_row(
                    frame_id,
                    number // 5 + 1,
                    camera=f"camera-{number % 5}",
                    anomaly=number % 200 == 0,
                    scored_at=number * 60.0,
                    original_picture="a.png" if number % 200 == 0 else None,
                )
                for number, frame_id in enumerate(ids)
            ],
        )
        connection.execute(update(streams).values(config="[200]"))
        if engine.dialect.name == "postgresql":
            connection.execute(sql("ANALYZE"))
    policy = RetentionPolicy(normal_days=13.5, picture_days=13, quarantine_days=1)
    run = Retention(
        engine, ArtifactStore(tmp_path), policy, now=20_000 * 60.0, pause=lambda _seconds: None
    )
    with recorded_statements(engine) as statements:
        report = run.run()
    assert (report.normal > 500, report.held) == (True, 0)
    plans = statements.plans(engine)
    for table in ("frames", "results"):
        assert f"SCAN {table}" not in plans.splitlines()
        assert f"Seq Scan on {table}" not in plans
    assert "results_pictured" in plans
