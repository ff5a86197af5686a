"""Workers that die, hang, run out of memory, lose their device, or fail on a frame."""

from __future__ import annotations

import signal
import time
from typing import cast

import pytest
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import frames
from storage.queue import FrameQueue
from tests.faults.conftest import MakeSite
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.scene import picture
from tests.waiting import wait_until
from worker.batch import PART_FRAMES
from worker.poison_frames import MAX_FAILURES
from worker.rq_worker import EXIT_STUCK

#: The steps of a batch in order; a worker is killed after each.
STEPS = (
    "after worker.batch.load_pending 1",
    "after worker.inspection.read_frame 3",
    "after thermal.detection.detector.Detector.score 1",
    "after storage.stream.streams.Streams.decide_all 1",
    "after worker.batch.store_pictures 1",
    "before worker.batch.commit_results 1",
    "before storage.results.commit._record 1",  # frames are scored, rows do not exist yet
    "after worker.batch.commit_results 1",
    "after storage.stream.window.RollingWindows.confirm_all 1",
)

KILLED_BY_POISON = "before worker.inspection.read_frame with:poison kill"


def test_a_worker_killed_after_any_step_loses_nothing_and_doubles_nothing(site: Site) -> None:
    # to see it fail: forget a frame's decision in window.lua, or give `finish_within` its own
    # transaction in commit_results
    site.start_producer()
    for number, step in enumerate(STEPS):
        site.upload(20)
        site.start_worker(f"worker-{number}", fault=f"{step} kill")
        assert site.wait_for_death(f"worker-{number}") == -signal.SIGKILL
    site.upload(20)
    scored = site.scored()
    site.start_worker("survivor")
    wait_until(lambda: site.scored() > scored, START_S, "the first row of the survivor")
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 20 * (len(STEPS) + 1)


def test_what_a_dead_worker_had_decided_outlives_redis(make_site: MakeSite) -> None:
    # to see it fail: record no open decisions with the rows; later frames were then decided
    # against a window that cannot be rebuilt
    site = make_site()
    site.start_producer()
    site.upload(20)
    site.start_worker("dead", fault="after storage.stream.streams.Streams.decide_all 1 kill")
    assert site.wait_for_death("dead") == -signal.SIGKILL
    site.upload(20)
    site.start_worker("survivor")
    wait_until(lambda: site.scored() >= 20, START_S, "rows of later frames")
    with site.redis.client() as redis:
        redis.flushall()
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 40


def test_a_worker_killed_between_the_parts_of_a_batch_loses_nothing(make_site: MakeSite) -> None:
    # to see it fail: make `load_pending` return scored frames, or forget a frame's decision in
    # window.lua
    site = make_site()
    for number in range(10):  # a first job of 16 frames of each camera, in three parts
        site.upload(40, camera=f"cam-{number}")
    site.start_worker(fault="before worker.batch.commit_results 2 kill")
    site.start_producer()
    assert site.wait_for_death("worker-1") == -signal.SIGKILL
    assert site.scored() == PART_FRAMES
    site.start_worker("survivor")
    wait_until(lambda: site.scored() > PART_FRAMES, START_S, "the first row of the survivor")
    site.wait_until_settled()
    wait_until(lambda: "survivor" not in site.busy_workers(), RECOVERY_S, "the end of its batch")
    site.check_ledger()
    assert site.scored() == 400
    assert site.said_to_be("scored", "survivor") == 400 - PART_FRAMES, "work is done twice"


def test_a_worker_that_is_told_to_stop_under_load_finishes_its_batch(make_site: MakeSite) -> None:
    # to see it fail: give SIGTERM its default action while WarmWorker works
    site = make_site()
    site.start_producer()
    site.upload(600)
    wait_until(lambda: site.seen() == 600, START_S, "the registration of all files")
    site.start_worker()
    wait_until(lambda: site.scored() > 0, START_S, "the first row")
    process = site.processes.pop("worker-1")
    process.terminate()
    assert process.wait(RECOVERY_S) == 0
    with site.redis.client() as redis:
        queue = FrameQueue(redis)
        for each in (queue.rq, queue.backlog):
            assert each.started_job_registry.get_job_ids(cleanup=False) == []
    left = pending(site)
    assert 0 < len(left) < 600
    assert site.said_to_be("scored", "worker-1") == 600 - len(left), "a batch was left half done"
    site.start_worker("worker-2")
    wait_until(lambda: len(pending(site)) < len(left), START_S, "the first row of the next worker")
    site.wait_until_settled()
    site.check_ledger()


def test_a_stuck_batch_is_taken_over_by_another_worker(make_site: MakeSite) -> None:
    # to see it fail: make WarmWorker._beat continue regardless of beats without progress
    site = make_site()
    site.start_producer()
    site.start_worker("stuck", fault="before thermal.detection.detector.Detector.score 1+ hang")
    site.upload(5)
    wait_until(lambda: "stuck" in site.busy_workers(), START_S, "the stuck worker's batch")
    site.start_worker("healthy")
    site.wait_until_settled()
    assert site.wait_for_death("stuck") == EXIT_STUCK
    assert site.scored() == 5
    site.check_ledger()


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("out_of_memory", "trying its halves"),
        ("device_error", "reloading the model"),
        ("bug", "trying its halves"),
    ],
)
def test_a_batch_that_fails_once_is_done_after_all(
    make_site: MakeSite, fault: str, answer: str
) -> None:
    # to see it fail: make Isolation._in_parts re-raise the batch's error, or BatchScorer._inspected
    # the device's
    site = make_site()
    site.upload(100)
    site.start_worker(fault=f"before thermal.detection.detector.Detector.score 1 {fault}")
    site.start_producer()
    wait_until(lambda: site.scored() > 0, START_S, "the first row")
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 100
    assert answer in site.log("worker-1")
    assert "job" not in site.log("worker-1"), "the batch failed"


def test_a_worker_whose_device_is_lost_ends_and_the_next_one_goes_on(make_site: MakeSite) -> None:
    # to see it fail: remove DeviceFailed from INFRASTRUCTURE (the frames are blamed), or
    # end_after_this_job from Worker._handle
    site = make_site()
    site.start_producer()
    site.upload(100)
    site.start_worker(
        "lost", fault="before thermal.detection.detector.Detector.score 1+ device_error"
    )
    assert site.wait_for_death("lost") == 1
    assert site.log("lost").splitlines()[-1].startswith("Error: the device 'cpu' still fails")
    site.start_worker("next")
    wait_until(lambda: site.scored() > 0, START_S, "the first row")
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 100


@pytest.mark.parametrize(("fault", "reason"), [("out_of_memory", "too_large"), ("bug", "failed")])
def test_a_frame_that_fails_alone_is_quarantined_and_holds_up_no_other(
    make_site: MakeSite, fault: str, reason: str
) -> None:
    # to see it fail: make Isolation._in_parts re-raise the batch error (other frames are held up),
    # or make _failed_alone postpone the frame forever or drop the error (it is quarantined
    # without its reason)
    site = make_site()
    site.upload(20)
    poison(site)
    site.upload(20)
    site.start_worker(fault=f"before worker.inspection.read_frame with:poison {fault}")
    site.start_producer()
    wait_until(lambda: site.scored() == 40, START_S, "the rows of the others")
    wait_until(lambda: quarantined_while_work_goes_on(site), RECOVERY_S, "the quarantine")
    [(path, why, detail)] = quarantines(site)
    assert (path, why) == ("cam-a/poison.png", reason)
    assert "planted" in detail
    site.wait_until_settled()
    site.check_ledger()


def test_a_frame_that_kills_its_workers_is_quarantined_and_holds_up_no_other(
    make_site: MakeSite,
) -> None:
    # to see it fail: remove _handle_abandoned from WarmWorker, or keep poison frames in their batch
    # in Isolation.__call__
    site = make_site()
    site.upload(10)
    poison(site)
    site.upload(10)
    site.start_producer()
    for _ in range(1 + MAX_FAILURES):  # once with others, then alone
        site.start_worker(fault=KILLED_BY_POISON)
        assert site.wait_for_death("worker-1") == -signal.SIGKILL
        let_jobs_count_as_abandoned(site)
    site.start_worker(fault=KILLED_BY_POISON)
    wait_until(lambda: bool(quarantines(site)), START_S, "the quarantine")
    [(path, reason, _)] = quarantines(site)
    assert (path, reason) == ("cam-a/poison.png", "failed")
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 20


def poison(site: Site) -> None:
    """Upload a frame that triggers the injected fault."""
    (site.watch / "cam-a/poison.png").write_bytes(picture(1))
    site.uploaded.append("cam-a/poison.png")


def pending(site: Site) -> set[str]:
    """Ids of the frames without an outcome."""
    with reading(site.engine) as connection:
        query = select(frames.c.id).where(frames.c.state == "pending")
        return set(connection.scalars(query))


def quarantines(site: Site) -> list[tuple[str, str, str]]:
    """Path, reason and detail of all quarantined frames; none before the tables exist."""
    if site.scored() == 0:
        return []
    with reading(site.engine) as connection:
        query = select(frames.c.path, frames.c.reason, frames.c.detail)
        found = connection.execute(query.where(frames.c.state == "quarantined"))
        return [(row.path, row.reason, row.detail) for row in found]


def quarantined_while_work_goes_on(site: Site) -> bool:
    """Whether a frame is quarantined; uploads another frame whenever the last has an outcome."""
    if len(pending(site)) <= 1:
        site.upload(1)
    return bool(quarantines(site))


def let_jobs_count_as_abandoned(site: Site) -> None:
    """Expire the entries of running jobs, as if their worker had stopped reporting."""
    with site.redis.client() as redis:
        registry = FrameQueue(redis).rq.started_job_registry.key
        for entry in cast("list[bytes]", redis.zrange(registry, 0, -1)):
            redis.zadd(registry, {entry: time.time() - 1}, xx=True)
