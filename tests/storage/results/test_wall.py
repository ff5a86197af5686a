"""The server's queries use indexes, whatever the number of rows."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy import text as sql

from storage.db.database import writing
from storage.db.schema import cameras, frames, results
from storage.frames.counts import count_frames, oldest_pending
from storage.results.counts import (
    camera_days,
    count_anomalies,
    count_results,
    first_result_since,
    last_result_id,
)
from storage.results.history import read_series
from storage.results.queries import ResultQuery, list_results
from storage.results.reviews import add_reviews
from storage.results.wall import view_cameras
from tests.storage.examples import finished_frame, recorded_statements, stored_row


@pytest.fixture
def year(engine: Engine) -> Engine:
    """Five cameras with a thousand results each, one in 200 an anomaly."""
    ids = [f"{number:08x}" + "0" * 24 for number in range(5000)]
    with writing(engine) as connection:
        connection.execute(
            insert(cameras),
            [{"name": f"camera-{n}", "first_seen_at": 1.0, "last_frame_at": 2.0} for n in range(5)],
        )
        connection.execute(
            insert(frames),
            [
                finished_frame(frame_id) | {"camera": f"camera-{seq % 5}"}
                for seq, frame_id in enumerate(ids)
            ],
        )
        connection.execute(
            insert(results),
            [
                stored_row(
                    frame_id,
                    seq,
                    camera=f"camera-{seq % 5}",
                    anomaly=seq % 200 == 0,
                    captured_at=seq * 600.0,
                    scored_at=seq * 600.0 + 5,
                )
                for seq, frame_id in enumerate(ids)
            ],
        )
        if engine.dialect.name == "postgresql":
            connection.execute(sql("ANALYZE"))
    return engine


def test_no_query_of_the_server_scans_a_table(year: Engine) -> None:
    with recorded_statements(year) as statements:
        view_cameras(year, recent=60)
        list_results(year, ResultQuery(review="unreviewed"), limit=5)
        list_results(year, ResultQuery(review="unreviewed", camera="camera-0"), limit=5)
        list_results(year, ResultQuery(review="confirmed"), limit=5)
        list_results(year, ResultQuery(review="confirmed", prediction="Anomaly"), limit=5)
        read_series(year, "camera-1", since=1_000_000.0, until=1_200_000.0, points=50)
        camera_days(year, since=1_000_000.0, until=1_200_000.0)
        count_frames(year, "camera-1", "quarantined")
        count_anomalies(year, "camera-1")
        first = first_result_since(year, 2_400_000.0)
        count_results(year, first, last_result_id(year))
        oldest_pending(year)
        add_reviews(year, [1, 201], "confirmed", note="", reviewer="a", now=1.0)
    plans = statements.plans(year)
    scans = {line for line in plans.splitlines() if line.startswith("SCAN ")}
    assert {scan for scan in scans if "USING" not in scan} <= {"SCAN cameras"}
    assert "Seq Scan on results" not in plans
    assert "Seq Scan on frames" not in plans
    for index in ("results_camera_unreviewed_arrival", "results_review_arrival"):
        assert index in plans


def test_the_first_result_since_a_time_is_found_by_binary_search(year: Engine) -> None:
    assert first_result_since(year, 0.0) == 1
    assert first_result_since(year, 600.0 * 100 + 5) == 101
    assert first_result_since(year, 600.0 * 100 + 6) == 102
    assert first_result_since(year, 1e12) == 5001
    with writing(year) as connection:
        connection.execute(sql("DELETE FROM results WHERE id BETWEEN 50 AND 4000"))
    first = first_result_since(year, 600.0 * 100)
    assert sum(count_results(year, first, 5000).values()) == 1000


def test_an_empty_table_has_no_counts(engine: Engine) -> None:
    assert first_result_since(engine, 5.0) == 1
    assert last_result_id(engine) == 0
    assert oldest_pending(engine) is None
    assert view_cameras(engine, recent=5) == []
    assert read_series(engine, "none", since=None, until=None, points=5).points == ()
