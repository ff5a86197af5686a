"""The queue contract: its message, and the state that producers read."""

import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from storage.errors import InvalidMessage
from storage.queue import JOB_FUNCTION, QUEUE_NAME, FrameBatch, FrameQueue

IDS = st.lists(st.from_regex(r"[0-9a-f]{32}", fullmatch=True), min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["v", "frames", "x"]), inner),
    max_leaves=8,
)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    client.close()


def frame_id(number: int) -> str:
    return f"{number:032x}"


@given(IDS)
def test_a_message_survives_the_conversion_to_json(ids: list[str]) -> None:
    batch = FrameBatch(tuple(ids))
    assert FrameBatch.decode(json.loads(json.dumps(batch.encode()))) == batch


@given(JSON)
def test_a_foreign_message_only_raises_invalid_message(message: Any) -> None:
    try:
        batch = FrameBatch.decode(message)
    except InvalidMessage:
        return
    assert batch.encode() == message


@pytest.mark.parametrize(
    "message",
    [
        {"v": 2, "frames": [frame_id(1)]},
        {"v": True, "frames": [frame_id(1)]},
        {"v": 1, "frames": []},
        {"v": 1, "frames": ["../../etc/passwd"]},
        {"v": 1, "frames": [frame_id(1)], "path": "/etc/passwd"},
        {"v": 1, "frames": [frame_id(1)] * 1025},
        [1, [frame_id(1)]],
    ],
)
def test_nearly_valid_messages_are_rejected(message: Any) -> None:
    with pytest.raises(InvalidMessage):
        FrameBatch.decode(message)


def test_queued_frames_are_in_flight(redis: Redis) -> None:
    queue = FrameQueue(redis)
    queue.enqueue([frame_id(1), frame_id(2)])
    queue.enqueue([frame_id(3)])
    assert queue.depth() == 2
    assert queue.in_flight(now=time.time()) == {frame_id(1), frame_id(2), frame_id(3)}


def test_running_frames_are_in_flight_only_while_their_worker_is_alive(redis: Redis) -> None:
    queue = FrameQueue(redis)
    queue.enqueue([frame_id(1)])
    [job_id] = queue.rq.get_job_ids()
    redis.delete(queue.rq.key)
    redis.zadd(queue.rq.started_job_registry.key, {f"{job_id}:execution": 1000.0})
    assert queue.in_flight(now=999.0) == {frame_id(1)}
    assert queue.in_flight(now=1001.0) == set()


def test_foreign_jobs_on_the_queue_are_skipped(redis: Redis) -> None:
    Queue(QUEUE_NAME, connection=redis).enqueue("os.getcwd")  # pickled, RQ's default
    Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer).enqueue(JOB_FUNCTION)
    queue = FrameQueue(redis)
    queue.enqueue([frame_id(1)])
    assert queue.in_flight(now=time.time()) == {frame_id(1)}


def test_entries_that_are_not_jobs_are_skipped(redis: Redis) -> None:
    deep = b"[" * 30_000  # deeper than the JSON decoder recurses
    bomb = zlib.compress(json.dumps([JOB_FUNCTION, None, ["0" * 10_000_000], {}]).encode())
    for number, data in enumerate([b"\xff\xfe", b"", b"{}", deep, zlib.compress(deep), bomb]):
        redis.hset(f"rq:job:{number}", "data", data)
        redis.lpush(f"rq:queue:{QUEUE_NAME}", number)
    redis.set("rq:job:text", "no hash")
    redis.hset("rq:job:empty", "x", "y")
    for entry in ("text", "empty", "unknown", "", b"\xff\xfe\0"):
        redis.lpush(f"rq:queue:{QUEUE_NAME}", entry)
    queue = FrameQueue(redis)
    queue.enqueue([frame_id(1)])
    assert queue.in_flight(now=time.time()) == {frame_id(1)}


def test_nothing_on_redis_is_pickled(redis: Redis) -> None:
    FrameQueue(redis).enqueue([frame_id(1)])
    [key] = redis.keys("rq:job:*")
    data = redis.hget(key, "data")
    assert isinstance(data, bytes)
    assert JSON_CALL.format(frame_id(1)) in _inflated(data)


JSON_CALL = '["thermalwatch.score_frames", null, [{{"v": 1, "frames": ["{}"]}}], {{}}]'


def _inflated(data: bytes) -> str:
    return zlib.decompress(data).decode()
