"""From the ledger to the queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq.executions import Execution
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.dispatch import FULL_PAUSE_S, Dispatcher
from producer.outage import Outage
from storage.db.database import connect, writing
from storage.errors import DatabaseUnavailable
from storage.frames.counts import ledger_counts
from storage.frames.identity import NewFrame
from storage.frames.outcomes import Superseded, finish
from storage.queue import FrameQueue
from tests.producer.conftest import queued, told
from tests.storage.examples import new_frame

CONFIG = ProducerConfig(roots=(Path("in"),), max_batch=4, max_depth=3, lease_s=30.0)
NOTHING_MORE_S = CONFIG.dispatch_interval_s


class Clock:
    """A time that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis_outage() -> Outage:
    return Outage("Redis", RedisError, on_return=lambda: None, check=lambda: None)


@pytest.fixture
def dispatcher(
    engine: Engine, queue: FrameQueue, clock: Clock, database: Outage, redis_outage: Outage
) -> Dispatcher:
    return Dispatcher(engine, queue, CONFIG, clock, database=database, redis=redis_outage)


def frames(number: int, *, start: int = 0) -> list[NewFrame]:
    return [NewFrame("cam", "/in", f"{start + i}.png", 1, 1) for i in range(number)]


def ids(*batches: list[NewFrame]) -> list[list[str]]:
    return [[frame.frame_id for frame in batch] for batch in batches]


def work_off(queue: FrameQueue, engine: Engine, jobs: int = 1) -> None:
    """Do a worker's part: take the jobs and give their frames an outcome."""
    for _ in range(jobs):
        waiting = queue.rq if queue.rq.count else queue.backlog
        taken = waiting.jobs[0]
        finish(engine, [Superseded(i, None) for i in queued(queue)[0]], now=0.0)
        waiting.remove(taken)
        taken.delete()


def together(batches: list[list[str]]) -> list[str]:
    """The frame ids of all batches, sorted."""
    return sorted(frame_id for batch in batches for frame_id in batch)


def test_new_frames_are_queued_at_once_in_jobs_of_max_batch(
    dispatcher: Dispatcher, queue: FrameQueue
) -> None:
    new = frames(6)
    dispatcher.submit(new)
    assert queued(queue) == ids(new[:4], new[4:])


def test_registered_frames_are_not_queued_again(
    dispatcher: Dispatcher, queue: FrameQueue, engine: Engine
) -> None:
    dispatcher.submit(frames(3))
    dispatcher.submit(frames(5))
    assert queued(queue) == ids(frames(3), frames(2, start=3))
    assert ledger_counts(engine).seen == 5


def test_a_queued_frame_is_not_dispatched_while_its_lease_lasts(
    dispatcher: Dispatcher, queue: FrameQueue, clock: Clock
) -> None:
    dispatcher.submit(frames(2))
    clock.now += CONFIG.lease_s - 1
    queue.redis.flushall()
    assert dispatcher.top_up() == NOTHING_MORE_S
    assert queued(queue) == []


def test_jobs_lost_in_a_flush_are_queued_again_when_their_lease_expires(
    dispatcher: Dispatcher, queue: FrameQueue, clock: Clock
) -> None:
    dispatcher.submit(frames(6))
    queue.redis.flushall()
    clock.now += CONFIG.lease_s
    dispatcher.top_up()
    assert together(queued(queue)) == together(ids(frames(6)))


def test_a_queued_frame_gets_a_new_lease_and_no_second_job(
    dispatcher: Dispatcher, queue: FrameQueue, clock: Clock
) -> None:
    dispatcher.submit(frames(6))
    for _ in range(3):
        clock.now += CONFIG.lease_s
        while dispatcher.top_up() == 0.0:
            pass
    assert queued(queue) == ids(frames(4), frames(2, start=4))
    queue.redis.flushall()
    clock.now += CONFIG.lease_s - 1
    dispatcher.top_up()
    assert queued(queue) == []  # the last round renewed the lease


def test_a_full_queue_does_not_grow_and_the_rest_waits_in_the_ledger(
    dispatcher: Dispatcher, queue: FrameQueue, engine: Engine
) -> None:
    dispatcher.submit(frames(100))
    assert queued(queue) == ids(frames(4), frames(4, start=4), frames(4, start=8))
    assert ledger_counts(engine).pending == 100
    assert dispatcher.top_up() == FULL_PAUSE_S
    assert queue.depth() == CONFIG.max_depth


def test_room_is_filled_with_the_newest_and_the_oldest_frames(
    dispatcher: Dispatcher, queue: FrameQueue, engine: Engine
) -> None:
    dispatcher.submit(frames(100))
    work_off(queue, engine, jobs=2)
    assert dispatcher.top_up() == 0.0  # there may be more
    last, newest, oldest = queued(queue)
    assert [last] == ids(frames(4, start=8))
    assert [newest, oldest] == ids(frames(4, start=96), frames(4, start=12))


def test_room_is_shared_by_all_cameras_in_turn(
    dispatcher: Dispatcher, queue: FrameQueue, engine: Engine
) -> None:
    # to see it fail: claim with `claim_pending`
    dispatcher.submit(frames(100))
    late = [new_frame(1000 + number, "late") for number in range(30)]
    dispatcher.submit(late)
    assert queue.depth() == CONFIG.max_depth
    while not set(together(queued(queue))) & {frame.frame_id for frame in late}:
        work_off(queue, engine)
        dispatcher.top_up()
    assert ledger_counts(engine, "late").pending == 30
    assert ledger_counts(engine).superseded <= 16


def test_what_other_cameras_see_now_is_queued_before_the_backlog_of_one(
    engine: Engine, queue: FrameQueue, clock: Clock, database: Outage, redis_outage: Outage
) -> None:
    # to see it fail: queue everything as just arrived
    config = replace(CONFIG, max_depth=32, max_batch=256)
    dispatcher = Dispatcher(engine, queue, config, clock, database=database, redis=redis_outage)
    dispatcher.submit(frames(1000))
    live = new_frame(2000, "live")
    dispatcher.submit([live])
    assert [len(job) for job in queued(queue)[:2]] == [16, 1]
    assert queued(queue)[1] == [live.frame_id]


def test_a_backlog_is_worked_off_completely(
    dispatcher: Dispatcher, queue: FrameQueue, engine: Engine
) -> None:
    dispatcher.submit(frames(50))
    while queue.depth():
        work_off(queue, engine, jobs=queue.depth())
        while dispatcher.top_up() == 0.0:
            pass
    assert ledger_counts(engine).superseded == 50


def test_dispatchers_of_two_producers_share_a_backlog(
    dispatcher: Dispatcher,
    queue: FrameQueue,
    engine: Engine,
    clock: Clock,
    database: Outage,
    redis_outage: Outage,
) -> None:
    other = Dispatcher(engine, queue, CONFIG, clock, database=database, redis=redis_outage)
    dispatcher.submit(frames(40))
    done: list[str] = []
    while queue.depth():
        done += queued(queue)[0]
        work_off(queue, engine)
        dispatcher.top_up()
        other.top_up()
    assert sorted(done) == sorted(ids(frames(40))[0])


@pytest.fixture
def no_redis(tmp_path: Path) -> Iterator[FrameQueue]:
    """A queue on a Redis that does not run."""
    at_once = Retry(NoBackoff(), 0)
    with Redis(unix_socket_path=str(tmp_path / "no.sock"), retry=at_once) as redis:
        yield FrameQueue(redis)


def test_frames_are_registered_during_a_redis_outage_and_queued_after_it(
    engine: Engine,
    queue: FrameQueue,
    no_redis: FrameQueue,
    clock: Clock,
    database: Outage,
    redis_outage: Outage,
) -> None:
    cut_off = Dispatcher(engine, no_redis, CONFIG, clock, database=database, redis=redis_outage)
    cut_off.submit(frames(3))
    cut_off.submit(frames(3, start=3))
    assert redis_outage.down
    assert ledger_counts(engine).pending == 6
    with pytest.raises(RedisError):
        cut_off.top_up()

    back = Dispatcher(engine, queue, CONFIG, clock, database=database, redis=redis_outage)
    back.top_up()
    assert not redis_outage.down
    # without waiting for a lease to expire
    assert together(queued(queue)) == together(ids(frames(6)))


def test_frames_that_could_not_be_registered_are_not_queued(
    tmp_path: Path, queue: FrameQueue, clock: Clock, database: Outage, redis_outage: Outage
) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'no' / 'such' / 'directory.db'}")
    dispatcher = Dispatcher(engine, queue, CONFIG, clock, database=database, redis=redis_outage)
    with pytest.raises(DatabaseUnavailable):
        dispatcher.submit(frames(1))
    assert queued(queue) == []


def test_a_frame_in_a_running_job_gets_no_second_one(
    dispatcher: Dispatcher, queue: FrameQueue, clock: Clock
) -> None:
    clock.now = time.time()
    dispatcher.submit(frames(2))
    with queue.redis.pipeline() as pipeline:
        Execution.create(queue.rq.jobs[0], ttl=120, pipeline=pipeline)
        pipeline.execute()
    queue.redis.delete(queue.rq.key)  # a worker has taken the job
    clock.now += CONFIG.lease_s
    dispatcher.top_up()
    assert queue.depth() == 0


def test_frames_that_arrive_together_are_split_among_workers(
    engine: Engine, queue: FrameQueue, clock: Clock, database: Outage, redis_outage: Outage
) -> None:
    config = replace(CONFIG, max_batch=256, max_depth=32)
    dispatcher = Dispatcher(engine, queue, config, clock, database=database, redis=redis_outage)
    dispatcher.submit(frames(100))
    dispatcher.submit(frames(600, start=100))
    assert [len(job) for job in queued(queue)] == [16, 16, 64, 20, 64]


def test_a_file_that_the_database_refuses_holds_up_no_other(
    dispatcher: Dispatcher, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    # to see it fail: let RefusedByDatabase through
    with writing(engine) as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse BEFORE INSERT ON frames WHEN NEW.path = '{new_frame(5).path}' "
            "BEGIN SELECT RAISE(ABORT, 'this path'); END"
        )
    dispatcher.submit([*frames(5), new_frame(5), *frames(5, start=6)])
    assert ledger_counts(engine).pending == 10
    assert told(caplog, "cannot be registered and is set aside") == 1
