"""The RQ worker runs one function and no code from Redis; a dead worker's job comes back."""

import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from storage.queue import QUEUE_NAME, FrameBatch, FrameQueue
from storage.queue_keys import mend_queues, queue_keys
from storage.redis_values import refusals
from tests.waiting import wait_until
from worker.progress import Progress
from worker.rq_worker import ABANDONED_AFTER_S, MAINTENANCE_S, WarmWorker


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    client.close()


def frame_id(number: int) -> str:
    return f"{number:032x}"


def work(
    redis: Redis,
    handler: Callable[[FrameBatch], None],
    abandoned: Callable[[FrameBatch], None] = lambda _batch: None,
) -> None:
    worker = WarmWorker(redis, handler, name="test", abandoned=abandoned, progress=Progress())
    worker.work(burst=True, logging_level="CRITICAL")


def test_batches_arrive_in_order_and_leave_nothing_behind(redis: Redis) -> None:
    queue = FrameQueue(redis)
    for number in range(3):
        queue.enqueue([frame_id(number), frame_id(number + 100)])
    seen: list[FrameBatch] = []
    work(redis, seen.append)
    assert [batch.frame_ids[0] for batch in seen] == [frame_id(n) for n in range(3)]
    assert redis.keys("rq:job:*") == []


def test_a_batch_that_fails_is_tried_again(redis: Redis) -> None:
    FrameQueue(redis).enqueue([frame_id(1)])
    seen: list[FrameBatch] = []

    def fail_once(batch: FrameBatch) -> None:
        seen.append(batch)
        if len(seen) == 1:
            raise OSError("the disk was unreachable")

    work(redis, fail_once)
    assert len(seen) == 2


@pytest.mark.parametrize("function", ["os.mkdir", "subprocess.call", "thermalwatch.other"])
def test_a_job_with_another_function_is_refused(
    redis: Redis, tmp_path: Path, function: str
) -> None:
    # to see it fail: remove the check of `func_name` from FrameJob.func
    target = tmp_path / "made-by-a-job"
    Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer).enqueue(function, str(target))
    seen: list[FrameBatch] = []
    work(redis, seen.append)
    assert seen == []
    assert not target.exists()


def test_callbacks_that_a_job_names_are_never_called(redis: Redis, tmp_path: Path) -> None:
    # to see it fail: remove the callbacks from FrameJob; then RQ imports and calls them
    module = tmp_path / "planted_module.py"
    module.write_text(f"open({str(tmp_path / 'called')!r}, 'w').close()\ndef call(*a): pass\n")
    sys.path.insert(0, str(tmp_path))
    try:
        for number in (1, 2):
            Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer).enqueue(
                "thermalwatch.score_frames",
                FrameBatch((frame_id(number),)).encode(),
                on_success=Callback("planted_module.call"),
                on_failure=Callback("planted_module.call"),
            )
        seen: list[FrameBatch] = []

        def fail_on_second(batch: FrameBatch) -> None:
            seen.append(batch)
            if len(seen) == 2:
                raise ValueError("to trigger the failure callback")

        work(redis, fail_on_second)
    finally:
        sys.path.remove(str(tmp_path))
    assert len(seen) == 2
    assert not (tmp_path / "called").exists()


def test_a_pickled_job_is_refused_without_unpickling(redis: Redis, tmp_path: Path) -> None:
    target = tmp_path / "made-by-a-pickle"
    Queue(QUEUE_NAME, connection=redis).enqueue("os.mkdir", str(target))
    FrameQueue(redis).enqueue([frame_id(1)])
    seen: list[FrameBatch] = []
    work(redis, seen.append)
    assert len(seen) == 1  # the next job was not blocked
    assert not target.exists()


def plant(redis: Redis, **fields: bytes | str | int) -> str:
    """A job of ours with other fields; returns its key."""
    job = FrameQueue(redis).enqueue([frame_id(7)])
    for name, value in fields.items():
        redis.hset(f"rq:job:{job}", name, value)
    return f"rq:job:{job}"


BROKEN: dict[str, dict[str, bytes | str | int]] = {
    "too-large": {"data": b"x" * 10_000_000},
    "bomb": {"data": zlib.compress(b" " * 100_000_000)},
    "bomb-in-the-error": {"exc_info": zlib.compress(b" " * 100_000_000)},
    "retries": {"retries_left": 10**9, "number_of_retries": 10**9},
    "repeats": {"repeats_left": 10**9},
    "pauses": {"retry_intervals": "[86400]"},
    "timeout": {"timeout": 10**9},
    "unknown": {"x": "y"},
    "webhooks": {"webhooks": '[{"url": "http://127.0.0.1"}]'},
    "dependencies": {"dependency_ids": "[" * 100_000},
    "meta": {"meta": "[" * 100_000},
    "status": {"status": "dancing"},
    "date": {"created_at": "yesterday"},
    "no-number": {"result_ttl": "soon"},
    "no-text": {"origin": b"\xff\xfe"},
}


@pytest.mark.parametrize("fields", BROKEN.values(), ids=BROKEN)
def test_a_job_out_of_bounds_is_removed_with_one_warning(
    redis: Redis, fields: dict[str, bytes | str | int], caplog: pytest.LogCaptureFixture
) -> None:
    # to see it fail: leave check_job out of FrameJob.refresh
    key = plant(redis, **fields)
    FrameQueue(redis).enqueue([frame_id(1)])
    seen: list[FrameBatch] = []
    work(redis, seen.append)
    assert seen == [FrameBatch((frame_id(1),))]
    assert not redis.exists(key)
    [record] = caplog.records
    assert record.getMessage().startswith(f"discarded job {key.removeprefix('rq:job:')}")
    assert refusals(redis)["job"] == 1


def test_a_job_with_a_million_fields_is_removed_unread(redis: Redis) -> None:
    key = plant(redis)
    with redis.pipeline() as pipeline:
        for start in range(0, 1_000_000, 10_000):
            pipeline.hset(key, mapping={str(n): n for n in range(start, start + 10_000)})
        pipeline.execute()
    work(redis, lambda _batch: pytest.fail("was run"))
    assert not redis.exists(key)


def test_a_job_that_is_no_hash_is_removed(redis: Redis) -> None:
    key = plant(redis)
    redis.delete(key)
    redis.set(key, "x")
    work(redis, lambda _batch: pytest.fail("was run"))
    assert not redis.exists(key)


@pytest.mark.parametrize("key", [*queue_keys(Redis())])
def test_a_key_of_rq_that_holds_something_else_does_not_end_a_worker(
    redis: Redis, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    # to see it fail: leave mend_queues out of WarmWorker._mending
    FrameQueue(redis).enqueue([frame_id(1)])
    work(redis, lambda _batch: cast(None, redis.set(key, "x")))
    assert "Traceback" not in caplog.text
    mend_queues(redis)
    assert redis.type(key) != b"string"


@pytest.mark.parametrize(
    ("key", "is_set"),
    [(key, kind == "set") for key, kind in queue_keys(Redis()).items() if kind != "list"],
)
def test_foreign_members_of_a_registry_end_no_worker_and_do_not_stay(
    redis: Redis, key: str, is_set: bool
) -> None:
    # to see it fail: leave UnicodeDecodeError to RQ in WarmWorker._mending, or the members out of
    # mend_queues
    foreign = [b"\xcf\xff", b"x:y"]
    if is_set:
        redis.sadd(key, *foreign)
    else:
        redis.zadd(key, dict.fromkeys(foreign, 0.0))
    worker = WarmWorker(redis, print, name="test", abandoned=print, progress=Progress())
    worker.run_maintenance_tasks()
    mend_queues(redis)  # as at the next start of a worker
    assert foreign[0] not in (redis.smembers(key) if is_set else redis.zrange(key, 0, -1))
    FrameQueue(redis).enqueue([frame_id(1)])
    seen: list[FrameBatch] = []
    work(redis, seen.append)
    assert len(seen) == 1


def test_nobody_can_suspend_the_workers(redis: Redis) -> None:
    # to see it fail: leave check_for_suspension to RQ
    redis.set("rq:suspended", 1)
    FrameQueue(redis).enqueue([frame_id(1)])
    seen: list[FrameBatch] = []
    work(redis, seen.append)
    assert len(seen) == 1


HANGING_WORKER = """
    import sys, time
    from redis import Redis
    from worker.progress import Progress
    from worker.rq_worker import WarmWorker

    def hang(batch):
        print("working", flush=True)
        time.sleep(600)

    redis = Redis.from_url(sys.argv[1])
    worker = WarmWorker(redis, hang, name=sys.argv[2], abandoned=print, progress=Progress())
    worker.work(logging_level="CRITICAL")
"""


def running_jobs(redis: Redis) -> list[tuple[bytes, float]]:
    key = FrameQueue(redis).rq.started_job_registry.key
    return cast("list[tuple[bytes, float]]", redis.zrange(key, 0, -1, withscores=True))


@contextmanager
def worker_process(redis_url: str, name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(HANGING_WORKER), redis_url, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_its_job(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"


def test_the_job_of_a_killed_worker_counts_as_abandoned_in_time(
    redis: Redis, redis_url: str
) -> None:
    # to see it fail: remove get_heartbeat_ttl; then the job counts as alive for two minutes
    queue = FrameQueue(redis)
    queue.enqueue([frame_id(1)])
    with worker_process(redis_url, "doomed") as process:
        wait_for_its_job(process)
    [(entry, expires)] = running_jobs(redis)
    assert time.time() < expires <= time.time() + ABANDONED_AFTER_S + 1
    assert ABANDONED_AFTER_S + MAINTENANCE_S < 60
    # pretend that the time has passed
    redis.zadd(queue.rq.started_job_registry.key, {entry: time.time() - 1})
    seen: list[FrameBatch] = []
    told: list[FrameBatch] = []
    work(redis, seen.append, told.append)
    assert seen == [FrameBatch((frame_id(1),))]
    assert told == seen


def test_a_running_job_sends_heartbeats(redis: Redis, redis_url: str) -> None:
    FrameQueue(redis).enqueue([frame_id(1)])
    with worker_process(redis_url, "busy") as process:
        wait_for_its_job(process)
        [(_, first)] = running_jobs(redis)
        wait_until(lambda: running_jobs(redis)[0][1] > first)


def test_an_idle_worker_stops_at_once_when_told_to(redis: Redis, redis_url: str) -> None:
    with worker_process(redis_url, "idle") as process:
        wait_until(lambda: redis.hget("rq:worker:idle", "state") == b"idle")
        process.terminate()
        assert process.wait(10) == 0
