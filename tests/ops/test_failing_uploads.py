"""What is said about cameras whose latest uploads could not be scored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from ops.failing_uploads import failing_text, failing_uploads
from ops.web.queries.wall import camera_state, own_state
from storage.frames.ledger import requeue
from storage.frames.outcomes import Quarantined, finish
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.results.wall import FAILED, view_cameras
from tests.storage.examples import EPOCH, MODEL, new_frame, open_streams, result


def fail(engine: Engine, first: int, count: int, *, reason: str = "empty") -> None:
    """Uploads that arrive one a second and are quarantined."""
    for number in range(first, first + count):
        register(engine, [new_frame(number)], now=float(number))
        frame_id = new_frame(number).frame_id
        finish(engine, [Quarantined(frame_id, reason, "why")], now=number + 0.5)


def score(engine: Engine, number: int) -> None:
    frame = new_frame(number)
    register(engine, [frame], now=float(number))
    commit_results(
        engine,
        [result(frame, number, arrived_at=float(number))],
        epochs={"north": EPOCH},
        open_decisions={},
        model_id=MODEL,
        now=number + 0.5,
    )


@pytest.fixture(autouse=True)
def _streams(engine: Engine) -> None:
    open_streams(engine, "north")


def test_a_camera_whose_latest_uploads_all_failed_says_how_many_and_why(engine: Engine) -> None:
    score(engine, 10)
    fail(engine, 11, 2)
    (view,) = view_cameras(engine, recent=5)
    assert failing_uploads(view) is None  # two may be chance
    fail(engine, 13, 1, reason="corrupt")
    (view,) = view_cameras(engine, recent=5)
    failed = failing_uploads(view)
    assert failed is not None
    assert (failed.count, failed.reason, failed.since) == (3, "corrupt", 11.0)
    assert failing_text(failed).startswith("the last 3 uploads cannot be scored (corrupt), since")
    score(engine, 14)
    (view,) = view_cameras(engine, recent=5)
    assert view.failed is None


def test_a_camera_none_of_whose_uploads_was_ever_scored_says_so_at_once(engine: Engine) -> None:
    fail(engine, 1, 1)
    (view,) = view_cameras(engine, recent=5)
    failed = failing_uploads(view)
    assert failed is not None
    assert "the last upload cannot be scored (empty)" in failing_text(failed)
    assert camera_state(view, 10_000.0) == "unreadable"  # its interval is not known yet


def test_failed_uploads_do_not_hide_an_anomaly_that_nobody_has_seen(engine: Engine) -> None:
    score(engine, 9)
    score(engine, 10)
    fail(engine, 11, 5)
    (view,) = view_cameras(engine, recent=5)
    assert camera_state(view, 20.0) == "unreadable"
    hidden = replace(view, finding=replace(view.recent[0], anomaly=True), unreviewed=1)
    assert (camera_state(hidden, 20.0), own_state(hidden, 20.0)) == ("anomaly", "unreadable")
    assert (camera_state(hidden, 1e4), own_state(hidden, 1e4)) == ("anomaly", "silent")


def test_old_frames_that_are_requeued_in_vain_are_no_failed_uploads(engine: Engine) -> None:
    # to see it fail: compare times only
    fail(engine, 1, 3)
    score(engine, 10)
    ids = [new_frame(number).frame_id for number in (1, 2, 3)]
    assert requeue(engine, ids, now=20.0) == ids
    finish(engine, [Quarantined(frame_id, "empty", "why") for frame_id in ids], now=21.0)
    (view,) = view_cameras(engine, recent=5)
    assert view.failed is None


def test_failed_uploads_are_counted_up_to_a_limit(engine: Engine) -> None:
    fail(engine, 1, FAILED + 1)
    (view,) = view_cameras(engine, recent=5)
    failed = failing_uploads(view)
    assert failed is not None
    assert f"the last {FAILED} or more uploads" in failing_text(failed)


def test_the_oldest_pending_frame_tells_how_far_a_camera_is_behind(engine: Engine) -> None:
    register(engine, [new_frame(1)], now=1.0)
    register(engine, [new_frame(2)], now=2.0)
    (view,) = view_cameras(engine, recent=5)
    assert view.oldest_pending_at == 1.0
