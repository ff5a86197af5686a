"""Results are committed with their frames in one transaction, if their epoch is current."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, event, select
from sqlalchemy import text as sql

from storage.db.database import reading, writing
from storage.db.result_fields import ResultRow
from storage.db.schema import frames, open_decisions, results
from storage.errors import StaleEpoch
from storage.frames.audit import audit
from storage.frames.counts import ledger_counts
from storage.frames.identity import NewFrame
from storage.frames.outcomes import Quarantined, Superseded, finish
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.results.epochs import StreamEpoch, current_epoch, open_epoch
from storage.results.queries import (
    ResultQuery,
    iterate_results,
)
from storage.results.stream_decisions import stream_rows
from tests.storage.examples import (
    EPOCH,
    MODEL,
    new_frame,
    open_streams,
    result,
)
from thermal.threshold import Decision


def commit(engine: Engine, rows: Sequence[ResultRow], **changes: Any) -> frozenset[str]:
    arguments: dict[str, Any] = {
        "epochs": {row.camera: EPOCH for row in rows},
        "open_decisions": {},
        "model_id": MODEL,
        "now": 5.0,
    }
    return commit_results(engine, rows, **(arguments | changes))


def registered(engine: Engine, *numbers: int, camera: str = "north") -> list[NewFrame]:
    batch = [new_frame(number, camera) for number in numbers]
    register(engine, batch, now=1.0)
    return batch


def everything(engine: Engine) -> list[ResultRow]:
    return [replace(row, id=None) for row in iterate_results(engine, ResultQuery())]


def decisions(engine: Engine, camera: str = "north") -> list[tuple[int, str, bool]]:
    """(seq, frame id, whether there is a result) of a stream."""
    rows = stream_rows(engine, camera, MODEL)
    return [(row.decision.seq, row.frame_id, row.epoch is not None) for row in rows]


def test_a_batch_commits_all_its_outcomes(engine: Engine) -> None:
    a, b, c, d = registered(engine, 1, 2, 3, 4)
    open_streams(engine, "north")
    committed = commit(
        engine,
        [result(a, 1)],
        others=[Quarantined(b.frame_id, "corrupt", "cut off"), Superseded(c.frame_id, None)],
    )
    assert committed == {a.frame_id, b.frame_id, c.frame_id}
    counts = ledger_counts(engine)
    assert (counts.scored, counts.quarantined, counts.superseded, counts.pending) == (1, 1, 1, 1)
    assert everything(engine) == [result(a, 1)]
    assert audit(engine).passed
    with reading(engine) as connection:
        finished = select(frames.c.finished_at).where(frames.c.id == a.frame_id)
        assert connection.scalar(finished) == 5.0
        assert connection.scalar(finished.where(frames.c.id == d.frame_id)) is None


def test_a_batch_without_results_needs_no_epoch(engine: Engine) -> None:
    (a,) = registered(engine, 1)
    assert commit(engine, [], others=[Superseded(a.frame_id, None)]) == {a.frame_id}


def test_committing_a_batch_again_changes_nothing(engine: Engine) -> None:
    batch = registered(engine, 1, 2)
    open_streams(engine, "north")
    rows = [result(frame, seq) for seq, frame in enumerate(batch, start=1)]
    commit(engine, rows)
    before = list(iterate_results(engine, ResultQuery()))
    assert commit(engine, [replace(row, worker="worker-2") for row in rows]) == set()
    assert list(iterate_results(engine, ResultQuery())) == before
    assert decisions(engine) == [(1, rows[0].frame_id, True), (2, rows[1].frame_id, True)]


def test_every_number_is_read_back_exactly(engine: Engine) -> None:
    (a,) = registered(engine, 1)
    open_streams(engine, "north")
    row = result(
        a,
        2**40,
        captured_at=1_750_000_000.123456789,
        score=5e-324,
        threshold=1.7976931348623157e308,
        previous_threshold=0.1,
        body=2.0 / 3.0,
        mse=float("inf"),
        window_n=2000,
        exceeding=3,
        learning=True,
        reasons=("score", "residual"),
        image_path='a\\xff"\n🌡.png',
        original_picture="2026/07/01/a.png",
        latency_s=0.25,
    )
    commit(engine, [row])
    assert everything(engine) == [row]
    with reading(engine) as connection:
        assert connection.scalar(select(results.c.p_value)) == row.p_value == 4 / 2001


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(numbers=st.lists(st.floats(allow_nan=False), min_size=4, max_size=4))
def test_any_double_is_read_back_exactly(engine: Engine, numbers: list[float]) -> None:
    with writing(engine) as connection:
        connection.execute(delete(results))
        connection.execute(delete(frames))
    (a,) = registered(engine, 1)
    open_streams(engine, "north")
    names = ("score", "previous_threshold", "threshold", "body")
    row = result(a, 1, **dict(zip(names, numbers, strict=True)))
    commit(engine, [row])
    assert everything(engine) == [row]


def test_nan_is_rejected_before_it_is_stored() -> None:
    with pytest.raises(ValueError, match=r"mean_temperature .* not a number"):
        result(new_frame(1), 1, mean_temperature=float("nan"))


def test_a_decision_of_a_replaced_epoch_is_rejected(engine: Engine) -> None:
    a, b = registered(engine, 1, 2), registered(engine, 1, camera="south")
    open_streams(engine, "north", "south")
    open_epoch(engine, "south", MODEL, "epoch-2", config="[]", now=2.0)
    with pytest.raises(StaleEpoch) as caught:
        commit(engine, [result(a[0], 1), result(b[0], 1)], others=[Superseded(a[1].frame_id, None)])
    assert caught.value.streams == ("south",)
    assert ledger_counts(engine).pending == 3
    assert everything(engine) == []


def test_a_stream_whose_epoch_was_never_opened_is_stale(engine: Engine) -> None:
    (a,) = registered(engine, 1)
    open_streams(engine, "north", model_id="another model")
    with pytest.raises(StaleEpoch):
        commit(engine, [result(a, 1)])


def test_rows_of_another_model_or_epoch_than_stated_are_rejected(engine: Engine) -> None:
    (a,) = registered(engine, 1)
    with pytest.raises(ValueError, match="not decided under"):
        commit(engine, [result(a, 1, model_id="another model")])
    with pytest.raises(ValueError, match="not decided under"):
        commit(engine, [result(a, 1, epoch="another epoch")])


def test_the_current_epoch_is_the_one_opened_last(engine: Engine) -> None:
    assert current_epoch(engine, "north", MODEL) is None
    open_epoch(engine, "north", MODEL, "one", config="[1]", now=1.0)
    open_epoch(engine, "north", MODEL, "two", config="[2]", now=2.0)
    assert current_epoch(engine, "north", MODEL) == StreamEpoch("two", "[2]", 2.0)


def test_a_new_epoch_waits_for_commits_of_the_old_one(engine: Engine) -> None:
    (a,) = registered(engine, 1)
    open_streams(engine, "north")
    row = result(a, 1)
    inserting, go_on = threading.Event(), threading.Event()
    seen: list[ResultRow] = []

    def pause(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO results"):
            inserting.set()
            go_on.wait(30)

    def open_next() -> None:
        open_epoch(engine, "north", MODEL, "epoch-2", config="[]", now=2.0)
        seen.extend(everything(engine))

    event.listen(engine, "before_cursor_execute", pause)
    committing = threading.Thread(target=commit, args=(engine, [row]))
    committing.start()
    assert inserting.wait(30)
    opening = threading.Thread(target=open_next)
    opening.start()
    opening.join(0.2)
    assert opening.is_alive()
    go_on.set()
    committing.join()
    opening.join()
    event.remove(engine, "before_cursor_execute", pause)
    assert seen == [row]


def test_open_decisions_of_other_batches_are_recorded_with_the_first_later_row(
    engine: Engine,
) -> None:
    a, b, c = registered(engine, 1, 2, 3)
    open_streams(engine, "north")
    row_a, row_b, row_c = (result(frame, seq) for seq, frame in enumerate((a, b, c), start=1))
    others = {"north": {a.frame_id: row_a.decision, b.frame_id: row_b.decision}}
    commit(engine, [row_c], open_decisions=others)
    assert decisions(engine) == [
        (1, a.frame_id, False),
        (2, b.frame_id, False),
        (3, c.frame_id, True),
    ]
    commit(engine, [row_b], open_decisions={"north": {a.frame_id: row_a.decision}})
    commit(engine, [row_a], open_decisions=others)
    assert decisions(engine) == [
        (1, a.frame_id, True),
        (2, b.frame_id, True),
        (3, c.frame_id, True),
    ]
    recorded = [row.decision for row in stream_rows(engine, "north", MODEL)]
    assert recorded == [row_a.decision, row_b.decision, row_c.decision]
    with reading(engine) as connection:
        assert connection.execute(select(open_decisions)).all() == []


def test_the_decision_about_a_frame_with_another_outcome_is_recorded(
    engine: Engine,
) -> None:
    a, b = registered(engine, 1, 2)
    open_streams(engine, "north")
    finish(engine, [Superseded(a.frame_id, None)], now=2.0)
    assert commit(engine, [result(a, 1), result(b, 2)]) == {b.frame_id}
    assert decisions(engine) == [(1, a.frame_id, False), (2, b.frame_id, True)]
    assert audit(engine).passed


@pytest.mark.parametrize("recorded_as", ["result", "open decision"])
def test_a_window_that_assigns_a_seq_to_a_second_frame_is_stale(
    engine: Engine, recorded_as: str
) -> None:
    a, b, c = registered(engine, 1, 2, 3)
    open_streams(engine, "north")
    if recorded_as == "result":
        commit(engine, [result(a, 1)])
    else:
        commit(engine, [result(b, 2)], open_decisions={"north": {a.frame_id: _decision(1)}})
    with pytest.raises(StaleEpoch):
        commit(engine, [result(c, 1)])
    with pytest.raises(StaleEpoch):
        commit(engine, [result(c, 3)], open_decisions={"north": {"f" * 32: _decision(1)}})
    assert ledger_counts(engine).pending == 2


def test_a_window_that_assigns_a_frame_a_second_seq_is_stale(engine: Engine) -> None:
    a, b = registered(engine, 1, 2)
    open_streams(engine, "north")
    commit(engine, [result(b, 2)], open_decisions={"north": {a.frame_id: _decision(1)}})
    with pytest.raises(StaleEpoch):
        commit(engine, [result(a, 3)])


def test_each_camera_and_model_has_its_own_seq(engine: Engine) -> None:
    a, b = registered(engine, 1, 2)
    (c,) = registered(engine, 1, camera="south")
    open_streams(engine, "north", "south")
    open_streams(engine, "north", model_id="n" * 64)
    commit(engine, [result(a, 1), result(c, 1)])
    commit(engine, [result(b, 1, model_id="n" * 64)], model_id="n" * 64)
    assert len(everything(engine)) == 3


def test_workers_that_commit_the_same_batch_concurrently_store_each_result_once(
    engine: Engine,
) -> None:
    batch = registered(engine, *range(40))
    open_streams(engine, "north")
    rows = [result(frame, seq) for seq, frame in enumerate(batch, start=1)]
    committed: list[str] = []
    barrier = threading.Barrier(3)

    def work(part: slice) -> None:
        others = {row.frame_id: row.decision for row in rows if row not in rows[part]}
        barrier.wait()
        committed.extend(commit(engine, rows[part], open_decisions={"north": others}))

    parts = (slice(0, 30), slice(39, 10, -1), slice(None, None, 2))
    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(committed) == sorted(frame.frame_id for frame in batch)
    assert decisions(engine) == [(row.seq, row.frame_id, True) for row in rows]
    assert audit(engine).passed


def test_an_audit_reports_scored_frames_without_results_and_the_reverse(engine: Engine) -> None:
    batch = registered(engine, 1, 2)
    open_streams(engine, "north")
    commit(engine, [result(frame, seq) for seq, frame in enumerate(batch, start=1)])
    with writing(engine) as connection:
        connection.execute(delete(results).where(results.c.seq == 1))
    found = audit(engine)
    assert not found.passed
    assert found.scored_without_result == 1
    with writing(engine) as connection:
        connection.execute(sql("UPDATE frames SET state = 'pending', finished_at = NULL"))
    assert audit(engine).results_of_unscored == 1


def _decision(seq: int) -> Decision:
    return result(new_frame(0), seq).decision
