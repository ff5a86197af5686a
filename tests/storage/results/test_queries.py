"""Queries: pages, days, single frames, streams."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from sqlalchemy import text as sql

from storage.db.database import connect, reading, writing
from storage.db.result_fields import ResultRow
from storage.db.schema import frames, results
from storage.errors import AmbiguousFrame, InvalidCursor
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.results.counts import CameraCount, DayCount, count_cameras, count_days
from storage.results.queries import (
    ResultQuery,
    find_results,
    get_result,
    iterate_results,
    list_results,
)
from storage.results.stream_decisions import stream_rows
from tests.storage.examples import (
    EPOCH,
    MODEL,
    finished_frame,
    new_frame,
    open_streams,
    recorded_statements,
    result,
    stored_row,
)

DAY = 86400.0
CAMERAS = ("north", "south")


def stored(engine: Engine, changes: Sequence[dict[str, Any]]) -> list[ResultRow]:
    """Commit one result for each set of changes; return them as stored."""
    open_streams(engine, *CAMERAS)
    rows = []
    for number, change in enumerate(changes, start=1):
        frame = new_frame(number, change.get("camera", "north"))
        register(engine, [frame], now=1.0)
        rows.append(result(frame, number, **change))
    cameras = {row.camera for row in rows}
    commit_results(
        engine,
        rows,
        epochs=dict.fromkeys(cameras, EPOCH),
        open_decisions={},
        model_id=MODEL,
        now=2.0,
    )
    return [replace(row, id=number) for number, row in enumerate(rows, start=1)]


def pages(engine: Engine, query: ResultQuery, limit: int) -> list[list[int | None]]:
    found, after = [], None
    while True:
        page = list_results(engine, query, after=after, limit=limit)
        found.append([row.id for row in page.rows])
        if page.next is None:
            return found
        after = page.next


def test_results_are_listed_latest_arrival_first_in_pages(engine: Engine) -> None:
    # results of the same time are ordered by id
    arrivals = (10.0, 30.0, 20.0, 30.0, 30.0)
    stored(engine, [{"arrived_at": at, "captured_at": 50.0 - at} for at in arrivals])
    assert pages(engine, ResultQuery(), 2) == [[5, 4], [2, 3], [1]]
    assert pages(engine, ResultQuery(), 5) == [[5, 4, 2, 3, 1]]
    assert pages(engine, ResultQuery(camera="west"), 5) == [[]]
    assert pages(engine, ResultQuery(captured_until=40.0), 2) == [[3, 5], [4, 2]]


def test_results_that_arrive_between_pages_neither_repeat_nor_hide_others(engine: Engine) -> None:
    stored(engine, [{"arrived_at": at} for at in (10.0, 20.0, 30.0)])
    first = list_results(engine, ResultQuery(), limit=2)
    late = new_frame(99)
    register(engine, [late], now=1.0)
    commit_results(
        engine,
        [result(late, 99, arrived_at=40.0)],
        epochs={"north": EPOCH},
        open_decisions={},
        model_id=MODEL,
        now=2.0,
    )
    second = list_results(engine, ResultQuery(), after=first.next, limit=2)
    assert [row.arrived_at for row in first.rows + second.rows] == [30.0, 20.0, 10.0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ResultQuery(), [1, 2, 3, 4]),
        (ResultQuery(camera="south"), [2, 4]),
        (ResultQuery(since=20.0), [2, 3, 4]),  # inclusive
        (ResultQuery(until=20.0), [1]),  # exclusive
        (ResultQuery(captured_since=3.0), [2, 1]),  # in the order of capture
        (ResultQuery(captured_until=3.0, since=20.0), [4, 3]),
        (ResultQuery(prediction="Anomaly"), [2, 3]),
        (ResultQuery(prediction="Normal"), [1, 4]),
        (ResultQuery(min_score=2.5), [3, 4]),
        (ResultQuery(model_id="another"), []),
        (ResultQuery(camera="south", prediction="Anomaly", until=40.0, min_score=2.0), [2]),
    ],
)
def test_a_query_filters_the_list(engine: Engine, query: ResultQuery, expected: list[int]) -> None:
    stored(
        engine,
        [
            {
                "arrived_at": 10.0,
                "captured_at": 4.0,
                "camera": "north",
                "score": 1.0,
                "anomaly": False,
            },
            {
                "arrived_at": 20.0,
                "captured_at": 3.0,
                "camera": "south",
                "score": 2.0,
                "anomaly": True,
            },
            {
                "arrived_at": 30.0,
                "captured_at": 2.0,
                "camera": "north",
                "score": 2.5,
                "anomaly": True,
            },
            {
                "arrived_at": 40.0,
                "captured_at": 1.0,
                "camera": "south",
                "score": 3.0,
                "anomaly": False,
            },
        ],
    )
    assert pages(engine, query, 10) == [expected[::-1]]
    assert [row.id for row in iterate_results(engine, query)] == expected


def _as_cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ä",
        "bm90IGpzb24",
        _as_cursor(1),
        _as_cursor([1.0, 2]),  # of a release that listed by capture
        _as_cursor(["arrived_at", 1.0]),
        _as_cursor(["arrived_at", 1.0, 2, 3]),
        _as_cursor(["arrived_at", 1, 2]),
        _as_cursor(["arrived_at", "1.0", 2]),
        _as_cursor(["arrived_at", 1.0, True]),
        _as_cursor(["arrived_at", 1.0, -1]),
        _as_cursor(["arrived_at", 1.0, 2**63]),
        _as_cursor(["arrived_at", float("nan"), 1]),
        _as_cursor(["captured_at", 1.0, 2]),  # of a search by capture
        _as_cursor({"arrived_at": 1, "1.0": 2, "2.0": 3}),
        "W1tb" * 20_000,
    ],
)
def test_an_invalid_cursor_is_rejected(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        list_results(connect("sqlite:///unused.db"), ResultQuery(), after=cursor)


@given(st.text())
def test_arbitrary_text_raises_invalid_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        list_results(connect("sqlite:///unused.db"), ResultQuery(), after=cursor)


def test_a_result_is_found_by_its_id_its_frame_or_its_path(engine: Engine) -> None:
    first, second = stored(engine, [{"image_path": "north/a.png"}, {"image_path": "north/b.png"}])
    assert get_result(engine, 1) == first
    assert get_result(engine, 3) is None
    assert find_results(engine, second.frame_id) == [second]
    assert find_results(engine, second.frame_id[:8]) == [second]
    assert find_results(engine, "north/a.png") == [first]
    assert find_results(engine, "f" * 32) == []
    assert find_results(engine, second.frame_id[:3]) == []  # too short for a prefix


def test_a_path_that_looks_like_an_id_prefix_is_found(engine: Engine) -> None:
    (row,) = stored(engine, [{"image_path": "beef"}])
    assert find_results(engine, "beef") == [row]


def test_all_results_of_a_path_are_found_latest_first(engine: Engine) -> None:
    first, second = stored(engine, [{"image_path": "a.png"}, {"image_path": "a.png"}])
    assert find_results(engine, "a.png") == [second, first]


def test_an_id_prefix_of_two_frames_is_ambiguous(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(frames), [finished_frame("abcd" + "0" * 28), finished_frame("abcd" * 8)]
        )
        connection.execute(
            insert(results), [stored_row("abcd" + "0" * 28, 1), stored_row("abcd" * 8, 2)]
        )
    with pytest.raises(AmbiguousFrame):
        find_results(engine, "abcd")
    assert [row.seq for row in find_results(engine, "abcdab")] == [2]


def test_results_are_counted_for_each_utc_day(engine: Engine) -> None:
    stored(
        engine,
        [
            {"arrived_at": DAY - 0.001, "captured_at": 0.0, "anomaly": True},
            {"arrived_at": DAY, "captured_at": 0.0},
            {"arrived_at": 1.9 * DAY, "camera": "south", "anomaly": True},
            {"arrived_at": 20_000 * DAY + 1, "captured_at": 60.0},
        ],
    )
    assert count_days(engine) == [
        DayCount(date(1970, 1, 1), 1, 1),
        DayCount(date(1970, 1, 2), 2, 1),
        DayCount(date(2024, 10, 4), 1, 0),
    ]
    assert count_days(engine, camera="south") == [DayCount(date(1970, 1, 2), 1, 1)]
    assert count_days(engine, since=DAY, until=2 * DAY) == [DayCount(date(1970, 1, 2), 2, 1)]
    assert count_cameras(engine) == [CameraCount("north", 3, 1), CameraCount("south", 1, 1)]
    assert count_cameras(engine, camera="south", until=DAY) == []


def test_a_stream_is_read_in_order_from_any_seq(engine: Engine) -> None:
    rows = stored(engine, [{"captured_at": 100.0 - number} for number in range(6)])

    def seqs(**part: int) -> list[int]:
        return [row.decision.seq for row in stream_rows(engine, "north", MODEL, **part)]

    assert seqs() == [1, 2, 3, 4, 5, 6]
    assert seqs(after_seq=4) == [5, 6]
    assert seqs(last=2) == [5, 6]
    assert seqs(last=100) == [1, 2, 3, 4, 5, 6]
    assert seqs(last=3, after_seq=5) == [6]
    assert list(stream_rows(engine, "south", MODEL)) == []
    first = next(iter(stream_rows(engine, "north", MODEL)))
    assert (first.frame_id, first.epoch) == (rows[0].frame_id, EPOCH)
    assert first.decision == rows[0].decision


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_results_are_fetched_from_postgres_in_batches(engine: Engine) -> None:
    (row,) = stored(engine, [{}])
    rows = iterate_results(engine, ResultQuery())
    assert next(rows) == row
    with reading(engine) as connection:
        running = sql("SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'")
        assert str(connection.scalar(running)).startswith("FETCH FORWARD")
    assert list(rows) == []


def test_no_query_scans_the_results(engine: Engine) -> None:
    ids = [f"{number:08x}" + "0" * 24 for number in range(5000)]
    with writing(engine) as connection:
        connection.execute(insert(frames), [finished_frame(frame_id) for frame_id in ids])
        connection.execute(
            insert(results),
            [
                stored_row(
                    frame_id,
                    seq,
                    camera=f"camera-{seq % 5}",
                    anomaly=seq % 200 == 0,
                    captured_at=seq * 600.0,
                    image_path=f"{seq}.png",
                )
                for seq, frame_id in enumerate(ids)
            ],
        )
        if engine.dialect.name == "postgresql":
            connection.execute(sql("ANALYZE"))
    page = list_results(engine, ResultQuery(), limit=50)
    since, until = 1_000_000.0, 1_600_000.0
    week = ResultQuery(camera="camera-1", since=since, until=until)
    captured = ResultQuery(camera="camera-1", captured_since=since, captured_until=since + 100_000)
    captured_page = list_results(engine, captured, limit=5)
    with recorded_statements(engine) as statements:
        list_results(engine, ResultQuery(), limit=50)
        list_results(engine, ResultQuery(), after=page.next, limit=50)
        list_results(engine, week, after=page.next, limit=50)
        list_results(engine, ResultQuery(captured_since=since, captured_until=until), limit=50)
        list_results(engine, captured, after=captured_page.next, limit=5)
        list_results(engine, ResultQuery(prediction="Anomaly"), after=page.next, limit=5)
        list_results(engine, ResultQuery(camera="camera-1", prediction="Anomaly"), limit=5)
        list_results(engine, ResultQuery(review="unreviewed"), after=page.next, limit=5)
        count_days(engine, camera="camera-1", since=since, until=until)
        count_days(engine, since=since, until=until)
        count_cameras(engine, since=since, until=until)
        get_result(engine, 17)
        find_results(engine, ids[17])
        find_results(engine, ids[17][:8])
        find_results(engine, "17.png")
        list(stream_rows(engine, "camera-1", MODEL, last=10))
    plans = statements.plans(engine)
    assert not {"SCAN results", "SCAN open_decisions"} & set(plans.splitlines())
    assert "Seq Scan on results" not in plans
    assert "results_anomaly_arrival" in plans
    assert "results_camera_time" in plans
    assert "results_camera_anomaly_arrival" in plans


def test_a_commit_scans_no_table(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(frames), [finished_frame(f"{n:032x}") for n in range(20_000)])
        connection.execute(
            insert(results), [stored_row(f"{n:032x}", n, camera="north") for n in range(20_000)]
        )
        if engine.dialect.name == "postgresql":
            connection.execute(sql("ANALYZE"))
    with recorded_statements(engine) as statements:
        open_streams(engine, "north")
        batch = [new_frame(number) for number in range(64)]
        register(engine, batch, now=1.0)
        commit_results(
            engine,
            [result(frame, 20_000 + number) for number, frame in enumerate(batch)],
            epochs={"north": EPOCH},
            open_decisions={},
            model_id=MODEL,
            now=2.0,
        )
    plans = statements.plans(engine)
    scanned = {f"SCAN {table}" for table in ("frames", "results", "open_decisions")}
    assert not scanned & set(plans.splitlines())
    assert "Seq Scan on frames" not in plans
    assert "Seq Scan on results" not in plans
