"""Frames that make batches fail are isolated, then quarantined."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import cast

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from rq.timeouts import JobTimeoutException
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import frames
from storage.errors import DatabaseUnavailable
from storage.queue import FrameBatch, FrameQueue
from storage.redis_values import refusals
from tests.scene import picture
from tests.worker.conftest import Deployment, batch_of
from worker.batch import BatchReport, BatchScorer
from worker.isolation import Isolation
from worker.poison_frames import KEY, MAX_FAILURES, PoisonFrames
from worker.progress import Progress


class Killed(BaseException):
    """Ends a worker as SIGKILL does: nobody catches it."""


class Failing:
    """A batch function that fails for every batch with a poison frame in it."""

    def __init__(self, score: BatchScorer, error: BaseException, poison: Collection[str]):
        self.score, self.error, self.poison = score, error, poison
        self.sizes: list[int] = []

    def __call__(self, batch: FrameBatch) -> BatchReport:
        self.sizes.append(len(batch.frame_ids))
        if set(batch.frame_ids) & set(self.poison):
            raise self.error
        return self.score(batch)


def upload(deployment: Deployment, count: int, *, camera: str = "cam-a") -> list[str]:
    return [deployment.upload(f"{camera}/{n}.png", picture(n)) for n in range(count)]


def isolation(deployment: Deployment, score: Callable[[FrameBatch], BatchReport]) -> Isolation:
    return Isolation(score, deployment.engine, deployment.redis, time.time, Progress())


def outcomes(deployment: Deployment) -> dict[str, tuple[str, str | None, str | None]]:
    with reading(deployment.engine) as connection:
        query = select(frames.c.id, frames.c.state, frames.c.reason, frames.c.detail)
        return {row.id: (row.state, row.reason, row.detail) for row in connection.execute(query)}


def die(isolated: Isolation, ids: list[str]) -> None:
    """Let a worker die of a batch, and another one notice."""
    with pytest.raises(Killed):
        isolated(batch_of(ids))
    isolated.abandoned(batch_of(ids))


def queued(redis: Redis) -> list[tuple[str, ...]]:
    return [FrameBatch.decode(job.args[0]).frame_ids for job in FrameQueue(redis).rq.jobs]


def test_the_frame_that_makes_a_batch_fail_is_found_by_halving(deployment: Deployment) -> None:
    # to see it fail: give up the whole batch, or raise, in Isolation._in_parts
    ids = upload(deployment, 8)
    failing = Failing(deployment.scorer(), ValueError("a bug"), [ids[5]])
    report = isolation(deployment, failing)(batch_of(ids))
    assert (report.scored, report.postponed) == (7, 1)
    assert failing.sizes == [8, 4, 4, 2, 1, 1, 2]
    found = outcomes(deployment)
    assert {frame for frame, (state, *_) in found.items() if state == "pending"} == {ids[5]}


def test_a_frame_that_keeps_failing_is_quarantined_with_the_error(deployment: Deployment) -> None:
    # to see it fail: postpone for ever in Isolation._failed_alone
    ids, others = upload(deployment, 1), upload(deployment, MAX_FAILURES, camera="cam-b")
    isolated = isolation(deployment, Failing(deployment.scorer(), ValueError("a bug"), ids))
    for other in others[1:]:
        assert isolated(batch_of([other])).scored == 1
        assert isolated(batch_of(ids)).postponed == 1
    assert isolated(batch_of(others[:1])).scored == 1
    assert isolated(batch_of(ids)).quarantined == 1
    assert outcomes(deployment)[ids[0]] == ("quarantined", "failed", "ValueError: a bug")


def test_a_failure_of_every_frame_is_blamed_on_none(deployment: Deployment) -> None:
    # to see it fail: treat `works` as true in Isolation._failed_alone
    ids = upload(deployment, 4)
    failing = Failing(deployment.scorer(), ValueError("a bug"), ids)
    isolated = isolation(deployment, failing)
    for frame in ids * (MAX_FAILURES + 1):
        assert isolated(batch_of([frame])).postponed == 1
    failing.poison = []
    assert sum(isolated(batch_of([frame])).scored for frame in ids) == 4


@pytest.mark.parametrize(
    "error",
    [MemoryError("Unable to allocate"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_a_frame_that_always_exhausts_memory_is_too_large(
    deployment: Deployment, error: Exception
) -> None:
    [large, *others] = upload(deployment, MAX_FAILURES + 1)
    isolated = isolation(deployment, Failing(deployment.scorer(), error, [large]))
    for other in others:
        assert isolated(batch_of([other])).scored == 1
        isolated(batch_of([large]))
    state, reason, detail = outcomes(deployment)[large]
    assert (state, reason) == ("quarantined", "too_large")
    assert str(error) in (detail or "")


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable("down"), RedisAway("down"), OSError(28, "no space left")]
)
def test_a_failing_service_is_never_blamed_on_a_frame(
    deployment: Deployment, error: Exception
) -> None:
    # to see it fail: remove the error's class from INFRASTRUCTURE
    ids = upload(deployment, 2)
    failing = Failing(deployment.scorer(), error, ids)
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(type(error)):
            isolation(deployment, failing)(batch_of(ids))
    assert failing.sizes == [2] * (MAX_FAILURES + 1)
    assert {state for state, *_ in outcomes(deployment).values()} == {"pending"}


def test_frames_of_a_batch_that_killed_its_worker_get_jobs_of_their_own(
    deployment: Deployment,
) -> None:
    # to see it fail: leave poison frames in their batch in Isolation.__call__
    ids = upload(deployment, 4)
    isolated = isolation(deployment, deployment.scorer())
    isolated.abandoned(batch_of(ids[:3]))
    assert isolated(batch_of(ids)).scored == 1
    assert queued(deployment.redis) == [(frame,) for frame in ids[:3]]
    for job in queued(deployment.redis):
        assert isolated(batch_of(job)).scored == 1


def test_a_frame_that_keeps_killing_workers_is_quarantined_untried(
    deployment: Deployment,
) -> None:
    # to see it fail: never give up in Isolation.__call__
    ids = upload(deployment, 2)
    failing = Failing(deployment.scorer(), Killed(), ids[:1])
    isolated = isolation(deployment, failing)
    for batch in (ids, *[ids[:1]] * MAX_FAILURES):
        die(isolated, batch)
    assert isolated(batch_of(ids[:1])).quarantined == 1
    assert failing.sizes == [2, 1, 1, 1]
    state, reason, detail = outcomes(deployment)[ids[0]]
    assert (state, reason) == ("quarantined", "failed")
    assert "worker died" in (detail or "")


def test_a_job_that_takes_too_long_is_split_unless_it_only_waited(deployment: Deployment) -> None:
    # to see it fail: note no job that timed out, or every one, in Isolation.__call__
    ids = upload(deployment, 2)
    progress = Progress()

    def slow(_batch: FrameBatch) -> BatchReport:
        raise JobTimeoutException

    def slow_disk(_batch: FrameBatch) -> BatchReport:
        with progress.waiting():
            raise JobTimeoutException

    for score, noted in ((slow_disk, {}), (slow, dict.fromkeys(ids, 0))):
        isolated = Isolation(score, deployment.engine, deployment.redis, time.time, progress)
        with pytest.raises(JobTimeoutException):
            isolated(batch_of(ids))
        assert PoisonFrames(deployment.redis).failures(ids) == noted
        progress.step()


def test_a_requeued_frame_starts_with_a_clean_record(deployment: Deployment) -> None:
    from storage.frames.ledger import requeue

    ids = upload(deployment, 1)
    killing = isolation(deployment, Failing(deployment.scorer(), Killed(), ids))
    for _ in range(MAX_FAILURES):
        die(killing, ids)
    isolated = isolation(deployment, deployment.scorer())
    assert isolated(batch_of(ids)).quarantined == 1
    assert requeue(deployment.engine, ids, now=time.time()) == ids
    assert isolated(batch_of(ids)).scored == 1


@pytest.mark.parametrize("count", ["3", "99", "-1", "many", "1e9", b"\xff"])
def test_a_forged_note_quarantines_no_frame(deployment: Deployment, count: str | bytes) -> None:
    # to see it fail: leave _has_failed out, or take any number in PoisonFrames.failures
    ids = upload(deployment, 1)
    deployment.redis.hset(KEY, ids[0], count)
    assert isolation(deployment, deployment.scorer())(batch_of(ids)).scored == 1
    assert refusals(deployment.redis)["note"] == 1


def test_a_forged_note_does_not_shorten_the_trials_of_a_frame(deployment: Deployment) -> None:
    ids, others = upload(deployment, 1), upload(deployment, 1, camera="cam-b")
    isolated = isolation(deployment, Failing(deployment.scorer(), ValueError("a bug"), ids))
    assert isolated(batch_of(others)).scored == 1
    deployment.redis.hset(KEY, ids[0], 2)
    assert isolated(batch_of(ids)).postponed == 1


def test_notes_of_another_type_are_replaced(deployment: Deployment) -> None:
    # to see it fail: call Redis without _mended
    ids = upload(deployment, 2)
    isolated = isolation(deployment, deployment.scorer())
    for action in (isolated.abandoned, isolated):
        deployment.redis.set(KEY, "x")
        action(batch_of(ids))
    assert refusals(deployment.redis)["note"] == 2


def test_notes_expire(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        PoisonFrames(redis).note_batch(["f" * 32])
        assert 0 < cast(int, redis.ttl(KEY)) <= 24 * 3600
