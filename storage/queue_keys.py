"""The keys of the queues and of RQ's registries: deleted if they hold something else.

RQ ends a worker when a key has another type. Everything in these keys comes back by itself: frames
from the ledger, registrations with the next heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, cast

from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from storage.queue import BACKLOG_NAME, QUEUE_NAME
from storage.redis_values import count_refusal, discard, text_of

_Read = Callable[[Redis, str], Collection[bytes]]
_Remove = Callable[[Redis, str, Collection[bytes]], object]


#: How the members of a key are read and removed, by its type.
_MEMBERS: Final[dict[str, tuple[_Read, _Remove]]] = {
    "set": (
        lambda redis, key: cast("set[bytes]", redis.smembers(key)),
        lambda redis, key, members: redis.srem(key, *members),
    ),
    "zset": (
        lambda redis, key: cast("list[bytes]", redis.zrange(key, 0, -1)),
        lambda redis, key, members: redis.zrem(key, *members),
    ),
}


def mend_queues(redis: Redis) -> bool:
    """Delete keys that are not of the type that RQ gives them, and members that are no text.

    Returns whether there were any.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    expected = queue_keys(redis)
    with redis.pipeline(transaction=False) as pipeline:
        for key in expected:
            pipeline.type(key)
        found = [kind.decode() for kind in cast("list[bytes]", pipeline.execute())]
    mended = False
    for (key, wanted), kind in zip(expected.items(), found, strict=True):
        if kind not in (wanted, "none"):
            discard(redis, "queue", key, f"was a {kind} and not a {wanted}")
            mended = True
        elif kind in _MEMBERS:
            mended |= _remove_what_is_no_text(redis, key, kind)
    return mended


def _remove_what_is_no_text(redis: Redis, key: str, kind: str) -> bool:
    """RQ decodes every member, and ends if one cannot be."""
    read, remove = _MEMBERS[kind]
    foreign = [member for member in read(redis, key) if text_of(member) is None]
    if foreign:
        remove(redis, key, foreign)
        count_refusal(redis, "queue", f"{len(foreign)} members of {key}", "were no text")
    return bool(foreign)


def queue_keys(redis: Redis) -> dict[str, str]:
    """The type of each key."""
    return dict(_keys(redis))


def _keys(redis: Redis) -> Iterator[tuple[str, str]]:
    yield Queue.redis_queues_keys, "set"
    yield Worker.redis_workers_keys, "set"
    for name in (QUEUE_NAME, BACKLOG_NAME):
        queue = Queue(name, connection=redis, serializer=JSONSerializer)
        yield queue.key, "list"
        yield queue.intermediate_queue_key, "list"
        yield WORKERS_BY_QUEUE_KEY % name, "set"
        for registry in (
            queue.started_job_registry,
            queue.finished_job_registry,
            queue.failed_job_registry,
            queue.deferred_job_registry,
            queue.scheduled_job_registry,
            queue.canceled_job_registry,
            queue.ready_job_registry,
        ):
            yield registry.key, "zset"
