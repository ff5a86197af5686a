"""The frame ledger: every frame gets exactly one outcome."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select
from sqlalchemy import text as sql

from storage.db.database import reading, writing
from storage.db.schema import frames
from storage.errors import AmbiguousFrame
from storage.frames.audit import audit, find_frame, list_quarantined
from storage.frames.counts import Camera, LedgerCounts, ledger_counts, list_cameras
from storage.frames.identity import NewFrame
from storage.frames.ledger import LedgerFrame, claim_pending, lease, load_pending, postpone, requeue
from storage.frames.outcomes import Quarantined, Superseded, finish
from storage.frames.registration import known, register
from storage.frames.repeats import ReadFrame, find_originals, find_successors
from tests.storage.examples import finished_frame, new_frame, recorded_statements

MANY = 1000


def ids_of(claimed: list[LedgerFrame]) -> list[str]:
    return [frame.id for frame in claimed]


def claim(engine: Engine, *, now: float = 10.0, limit: int = MANY) -> list[str]:
    return ids_of(claim_pending(engine, now=now, lease_s=5.0, limit=limit))


def quarantine(engine: Engine, frame_id: str, reason: str = "corrupt", detail: str = "") -> None:
    assert finish(engine, [Quarantined(frame_id, reason, detail)], now=2.0)


def test_the_id_that_the_first_release_gave_can_be_computed() -> None:
    frame = NewFrame("north", "/srv/in", "north/a.png", 1_750_000_000_123_456_789, 4096)
    assert frame.first_release_id == "44e55df304294c9cf10464b2fc1d9f22"


@given(st.data())
def test_files_that_differ_in_camera_path_mtime_size_or_ctime_have_different_hints(
    data: st.DataObject,
) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
    number = st.integers(0, 20)
    frame = st.builds(NewFrame, text, st.just("/"), text, number, number, number)
    one, other = data.draw(frame), data.draw(frame)
    assert (one == other) == (one.hint == other.hint)


def test_a_frame_is_registered_only_once_whatever_its_outcome(engine: Engine) -> None:
    a, b, c = (new_frame(number) for number in range(3))
    assert register(engine, [a, b, a], now=1.0) == [a.frame_id, b.frame_id]
    finish(engine, [Superseded(a.frame_id, None)], now=2.0)
    quarantine(engine, b.frame_id)
    assert register(engine, [c, b, a], now=3.0) == [c.frame_id]
    assert register(engine, [], now=3.0) == []
    assert ledger_counts(engine) == LedgerCounts(
        seen=3, scored=0, quarantined=1, superseded=1, duplicate=0, pending=1
    )


def test_a_registered_frame_is_loaded_unchanged(engine: Engine) -> None:
    odd = NewFrame("çäm 🌡", "/srv/ïn", 'a\\xff"\n🌡.png', 2**63 - 1, 2**40)
    register(engine, [odd], now=1.25)
    loaded = LedgerFrame(
        odd.frame_id, odd.camera, odd.root, odd.path, odd.mtime_ns, odd.size, 0, 1.25, 0, 0
    )
    assert load_pending(engine, [odd.frame_id]) == [loaded]
    assert claim_pending(engine, now=9.0, lease_s=1.0, limit=1) == [loaded]


def test_a_frame_quarantined_as_missing_becomes_pending_when_its_file_reappears(
    engine: Engine,
) -> None:
    frame = new_frame(1)
    register(engine, [frame], now=1.0)
    quarantine(engine, frame.frame_id, "missing", "it was gone")
    assert known(engine, [frame], now=2.0).settled == set()
    moved = replace(frame, root="/srv/other")
    assert register(engine, [moved], now=3.0) == [frame.frame_id]
    assert register(engine, [moved], now=4.0) == []
    assert load_pending(engine, [frame.frame_id]) == [
        LedgerFrame(
            frame.frame_id,
            "north",
            "/srv/other",
            frame.path,
            frame.mtime_ns,
            frame.size,
            0,
            3.0,
            0,
            0,
        )
    ]
    assert ledger_counts(engine).balanced


def test_frames_of_any_outcome_are_known(engine: Engine) -> None:
    a, b, c, d = (new_frame(number) for number in range(4))
    register(engine, [a, b, c], now=1.0)
    quarantine(engine, b.frame_id, "corrupt")
    finish(engine, [Superseded(c.frame_id, None)], now=2.0)
    found = known(engine, [a, b, c, d], now=2.0)
    assert found.settled == {a.hint, b.hint, c.hint}
    assert known(engine, [], now=2.0).settled == set()


def test_the_oldest_frames_are_claimed_first_and_only_once(engine: Engine) -> None:
    first = [new_frame(number) for number in (5, 3, 9)]
    second = [new_frame(number) for number in (1, 7)]
    order = [frame.frame_id for frame in first + second]
    register(engine, first, now=1.0)
    register(engine, second, now=0.5)
    assert claim(engine, limit=2) == order[:2]
    assert claim(engine) == order[2:]
    assert claim(engine, now=14.9) == []
    assert claim(engine, now=15.0) == order  # the leases of five seconds have expired


def test_a_leased_frame_is_not_claimed_before_the_lease_ends(engine: Engine) -> None:
    a, b = new_frame(1), new_frame(2)
    register(engine, [a, b], now=1.0)
    lease(engine, [a.frame_id], until=20.0)
    assert claim(engine, now=10.0) == [b.frame_id]
    assert claim(engine, now=20.0) == [a.frame_id, b.frame_id]


def test_a_frame_can_be_registered_with_a_lease(engine: Engine) -> None:
    a, b = new_frame(1), new_frame(2)
    register(engine, [a], now=1.0, lease_until=20.0)
    register(engine, [a, b], now=1.0)
    assert claim(engine, now=10.0) == [b.frame_id]
    assert claim(engine, now=20.0) == [a.frame_id, b.frame_id]


def test_a_clock_set_back_does_not_block_frames(engine: Engine) -> None:
    # to see it fail: check only `lease_until <= now` in claim_pending
    frame = new_frame(1)
    register(engine, [frame], now=10_000.0)
    postpone(engine, [frame.frame_id], until=10_005.0)
    assert claim(engine, now=10_000.0) == []
    assert claim(engine, now=6_000.0) == [frame.frame_id]
    assert claim(engine, now=6_001.0) == []  # leased again


def test_a_postponed_frame_is_claimed_later_and_its_attempts_are_counted(engine: Engine) -> None:
    a, b = new_frame(1), new_frame(2)
    register(engine, [a, b], now=1.0)
    postpone(engine, [a.frame_id], until=11.0)
    assert claim(engine, now=10.0) == [b.frame_id]
    postpone(engine, [a.frame_id], until=12.0)
    assert [frame.attempts for frame in load_pending(engine, [b.frame_id, a.frame_id])] == [0, 2]


def test_pending_frames_are_loaded_in_the_requested_order_without_duplicates(
    engine: Engine,
) -> None:
    a, b, c = (new_frame(number) for number in range(3))
    register(engine, [a, b, c], now=1.0)
    quarantine(engine, c.frame_id)
    asked = [b.frame_id, "f" * 32, a.frame_id, c.frame_id, b.frame_id]
    assert ids_of(load_pending(engine, asked)) == [b.frame_id, a.frame_id]


def test_a_frame_gets_one_outcome_and_keeps_it(engine: Engine) -> None:
    frame = new_frame(1)
    register(engine, [frame], now=1.0)
    assert finish(engine, [Superseded(frame.frame_id, None)], now=2.0) == {frame.frame_id}
    again = [Quarantined(frame.frame_id, "corrupt", "")]
    assert finish(engine, again, now=3.0) == set()
    postpone(engine, [frame.frame_id], until=0.0)
    lease(engine, [frame.frame_id], until=0.0)
    assert claim(engine) == []
    assert ledger_counts(engine) == LedgerCounts(
        seen=1, scored=0, quarantined=0, superseded=1, duplicate=0, pending=0
    )


def test_two_outcomes_for_one_frame_are_rejected(engine: Engine) -> None:
    frame = new_frame(1)
    register(engine, [frame], now=1.0)
    with pytest.raises(ValueError, match="given twice"):
        finish(
            engine,
            [Quarantined(frame.frame_id, "corrupt", ""), Superseded(frame.frame_id, None)],
            now=2.0,
        )
    assert ledger_counts(engine).pending == 1


@pytest.mark.parametrize("detail", ["a\0b", "\udc80", "x" * 10_000, "größer 🌡"])
def test_a_frame_can_be_quarantined_with_any_explanation(engine: Engine, detail: str) -> None:
    frame = new_frame(1)
    register(engine, [frame], now=1.0)
    quarantine(engine, frame.frame_id, detail=detail)
    record = find_frame(engine, frame.frame_id)
    assert record is not None
    assert record.detail is not None
    assert record.detail[0] in (detail[0], "\\")


def test_requeued_frames_are_pending_again(engine: Engine) -> None:
    a, b, c = (new_frame(number) for number in range(3))
    register(engine, [a, b, c], now=1.0)
    postpone(engine, [b.frame_id], until=99.0)
    quarantine(engine, b.frame_id)
    finish(engine, [Superseded(c.frame_id, None)], now=2.0)
    asked = [c.frame_id, b.frame_id, a.frame_id]
    assert requeue(engine, asked, now=3.0) == [b.frame_id]
    assert requeue(engine, asked, now=3.0) == []
    assert claim(engine) == [a.frame_id, b.frame_id]
    assert load_pending(engine, [b.frame_id])[0].attempts == 0
    assert ledger_counts(engine) == LedgerCounts(
        seen=3, scored=0, quarantined=0, superseded=1, duplicate=0, pending=2
    )


def test_ledger_counts_can_be_limited_to_one_camera(engine: Engine) -> None:
    register(engine, [new_frame(1, "north"), new_frame(2, "north"), new_frame(3, "south")], now=1.0)
    assert ledger_counts(engine, "north").seen == 2
    assert ledger_counts(engine, "south").pending == 1
    assert ledger_counts(engine, "west") == LedgerCounts(0, 0, 0, 0, 0, 0)


def test_cameras_are_listed_with_their_first_and_latest_registration(engine: Engine) -> None:
    register(engine, [new_frame(1, "south"), new_frame(2, "north")], now=1.0)
    register(engine, [new_frame(2, "north")], now=2.0)
    register(engine, [new_frame(3, "north")], now=3.0)
    assert list_cameras(engine) == [Camera("north", 1.0, 3.0), Camera("south", 1.0, 1.0)]


def test_quarantined_frames_are_listed_in_pages_latest_first(engine: Engine) -> None:
    all_frames = [new_frame(number, "north" if number % 2 else "south") for number in range(6)]
    register(engine, all_frames, now=1.0)
    for frame in all_frames[:5]:
        quarantine(engine, frame.frame_id, "corrupt", f"about {frame.path}")
    latest = [frame.frame_id for frame in all_frames[4::-1]]
    page = list_quarantined(engine, limit=3)
    assert [record.id for record in page] == latest[:3]
    assert page[0].detail == f"about {all_frames[4].path}"
    rest = list_quarantined(engine, before=page[-1].arrival)
    assert [record.id for record in rest] == latest[3:]
    of_camera = list_quarantined(engine, camera="north")
    assert [record.id for record in of_camera] == [latest[1], latest[3]]


def test_a_frame_is_found_by_a_prefix_of_its_id(engine: Engine) -> None:
    some = [new_frame(number) for number in range(40)]
    register(engine, some, now=1.0)
    found = find_frame(engine, some[7].frame_id[:20])
    assert found is not None
    assert (found.id, found.state) == (some[7].frame_id, "pending")
    assert find_frame(engine, "0" * 32) is None
    with pytest.raises(AmbiguousFrame):
        find_frame(engine, "")


def test_batches_may_be_larger_than_the_limit_of_sql_parameters(engine: Engine) -> None:
    many = [new_frame(number) for number in range(12_000)]
    ids = register(engine, many, now=1.0)
    assert ids == [frame.frame_id for frame in many]
    assert known(engine, many, now=1.0).settled == {frame.hint for frame in many}
    assert len(load_pending(engine, ids)) == len(ids)
    lease(engine, ids, until=100.0)
    assert finish(engine, [Superseded(i, None) for i in ids], now=2.0) == set(ids)
    assert ledger_counts(engine).balanced


def test_concurrent_dispatchers_never_claim_the_same_frame(engine: Engine) -> None:
    register(engine, [new_frame(number) for number in range(200)], now=1.0)
    claimed: list[str] = []

    def dispatch() -> None:
        while batch := claim(engine, limit=7):
            claimed.extend(batch)

    _run_together(dispatch, dispatch, dispatch)
    assert len(claimed) == len(set(claimed)) == 200


def test_concurrent_workers_record_one_outcome_per_frame(engine: Engine) -> None:
    many = [new_frame(number) for number in range(120)]
    ids = register(engine, many, now=1.0)
    won: list[str] = []

    def supersede() -> None:
        won.extend(finish(engine, [Superseded(i, None) for i in ids], now=2.0))

    def quarantine_all() -> None:
        gone = [Quarantined(frame_id, "missing", "") for frame_id in reversed(ids)]
        won.extend(finish(engine, gone, now=2.0))

    def register_again() -> None:
        lease(engine, ids[::-1], until=5.0)
        register(engine, many[::-1], now=3.0)

    _run_together(supersede, quarantine_all, register_again, supersede)
    counts = ledger_counts(engine)
    assert counts.balanced
    assert counts.seen == 120
    assert len(set(won)) == 120


def test_concurrent_producers_register_each_file_once(engine: Engine) -> None:
    some = [new_frame(number) for number in range(100)]
    entered: list[str] = []
    _run_together(
        lambda: entered.extend(register(engine, some, now=1.0)),
        lambda: entered.extend(register(engine, some[::-1], now=1.0)),
    )
    assert sorted(entered) == sorted(frame.frame_id for frame in some)


def _run_together(*tasks: object) -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(len(tasks))

    def run(task: object) -> None:
        assert callable(task)
        barrier.wait()
        try:
            task()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_no_query_scans_the_whole_ledger(engine: Engine) -> None:
    finished = [
        finished_frame(f"{number:032x}", "superseded") | {"camera": f"camera-{number % 7}"}
        for number in range(20_000)
    ]
    with writing(engine) as connection:
        connection.execute(insert(frames), finished)
    some = [new_frame(number) for number in range(300)]
    ids = register(engine, some, now=1.0)
    for frame_id in ids[:50]:
        quarantine(engine, frame_id)
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sql("ANALYZE"))
    with recorded_statements(engine) as statements:
        claim(engine, limit=64)
        load_pending(engine, ids[50:70])
        known(engine, some[50:70], now=1.0)
        register(engine, some[60:80], now=1.0)
        find_originals(engine, [ReadFrame(i, "0" * 64) for i in ids[50:70]])
        find_successors(engine, load_pending(engine, ids[50:70]))
        lease(engine, ids[50:70], until=5.0)
        postpone(engine, ids[50:70], until=5.0)
        finish(engine, [Superseded(i, None) for i in ids[50:70]], now=3.0)
        requeue(engine, ids[:3], now=3.0)
        list_quarantined(engine, limit=10)
        find_frame(engine, ids[0][:8])
        ledger_counts(engine, "camera-3")
    plans = statements.plans(engine)
    assert "SCAN frames" not in plans.splitlines()
    assert "Seq Scan on frames" not in plans
    assert "frames_pending" in plans
    assert "frames_quarantined" in plans


def test_an_audit_passes_when_the_counts_balance(engine: Engine) -> None:
    ids = register(engine, [new_frame(1), new_frame(2)], now=1.0)
    finish(engine, [Superseded(i, None) for i in ids[:1]], now=2.0)
    assert audit(engine).passed
    with reading(engine) as connection:
        assert connection.scalar(select(frames.c.finished_at).where(frames.c.id == ids[1])) is None
