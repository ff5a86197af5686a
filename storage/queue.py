"""The queue's contract: its name, its message, its retry policy. The ledger is the truth.

A job carries only frame ids. Workers look up paths in the ledger, so a forged message can at most
request work that is due anyway. Messages are JSON, and a worker runs one function whatever the
message says, so nothing in Redis can run code.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis
from redis.sentinel import SentinelConnectionPool
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from storage.errors import InvalidMessage
from storage.redis_values import text_of

#: Name of the RQ queue of frames that have just arrived.
QUEUE_NAME = "thermalwatch"
#: Name of the RQ queue of all other frames; a worker takes from it while the first one is empty.
BACKLOG_NAME = "thermalwatch-backlog"
#: The one function name that a worker accepts in a job.
JOB_FUNCTION = "thermalwatch.score_frames"
#: Version of the message format.
MESSAGE_VERSION = 1
#: Most frames that a message may carry.
MAX_FRAMES = 1024
#: Time limit of a job in seconds: a fixed part, plus a part per frame.
JOB_TIMEOUT_S = 60
FRAME_TIMEOUT_S = 1
#: Retries of a failed job, without delay: a worker that lost a service waits for it before it takes
#: another job, and frames of a job that failed for good come back from the ledger.
RETRIES = 3
#: Seconds for which Redis keeps a failed job; its frames stay in the ledger.
FAILURE_TTL_S = 3600

#: Most bytes that a job's data may decompress to: twice a full message.
MAX_DATA_BYTES = 80 * MAX_FRAMES

_JOB_KEY = Job.redis_job_namespace_prefix.encode()
_FRAME_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class FrameBatch:
    """The message of one job: ids of the frames to score, oldest first."""

    frame_ids: tuple[str, ...]

    def encode(self) -> dict[str, object]:
        """The message as plain JSON values."""
        return {"v": MESSAGE_VERSION, "frames": list(self.frame_ids)}

    @classmethod
    def decode(cls, message: object) -> FrameBatch:
        """Read an untrusted message.

        Raises:
            InvalidMessage: it is not a valid message of this version.
        """
        if not isinstance(message, Mapping) or set(message) != {"v", "frames"}:
            raise InvalidMessage("a job's message must have the keys 'v' and 'frames'")
        if message["v"] != MESSAGE_VERSION or isinstance(message["v"], bool):
            raise InvalidMessage(
                f"message version {message['v']!r} is not {MESSAGE_VERSION}: "
                "producer and workers must run the same release"
            )
        frames = message["frames"]
        if not isinstance(frames, list) or not 1 <= len(frames) <= MAX_FRAMES:
            raise InvalidMessage(f"a message must carry 1 to {MAX_FRAMES} frames")
        if not all(isinstance(frame, str) and _FRAME_ID.fullmatch(frame) for frame in frames):
            raise InvalidMessage("a frame id must be 32 hexadecimal digits")
        return cls(tuple(frames))


class FrameQueue:
    """The queues of jobs, for those who fill and watch them."""

    def __init__(self, redis: Redis):
        self.redis = redis
        self.rq = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
        self.backlog = Queue(BACKLOG_NAME, connection=redis, serializer=JSONSerializer)

    def enqueue(self, frame_ids: Sequence[str], *, backlog: bool = False) -> str:
        """Put one job for these frames on the queue, or on that of the backlog; return its id.

        Raises:
            redis.RedisError: Redis cannot be reached; the frames stay pending in the ledger.
        """
        queue = self.backlog if backlog else self.rq
        job = queue.enqueue_call(
            JOB_FUNCTION,
            args=(FrameBatch(tuple(frame_ids)).encode(),),
            timeout=JOB_TIMEOUT_S + FRAME_TIMEOUT_S * len(frame_ids),
            result_ttl=0,
            failure_ttl=FAILURE_TTL_S,
            retry=Retry(max=RETRIES),
            description=f"{len(frame_ids)} frames from {frame_ids[0]}",
        )
        return str(job.id)

    def has_job(self, job_id: str) -> bool:
        """Whether a job is waiting, running or has failed; jobs that were done are deleted."""
        return bool(self.redis.exists(_JOB_KEY + job_id.encode()))

    def withdraw(self, job_id: str) -> None:
        """Delete a job."""
        self.rq.remove(job_id)
        self.redis.delete(_JOB_KEY + job_id.encode())

    def check_writes(self) -> None:
        """Write a key that expires at once: a Redis that answers may still be full or read-only.

        Raises:
            redis.RedisError: Redis does not accept writes.
        """
        self.redis.set("thermalwatch:probe", b"", px=1)

    def depth(self) -> int:
        """Number of waiting jobs on both queues."""
        return self.live_depth() + int(self.backlog.count)

    def live_depth(self) -> int:
        """Number of waiting jobs of frames that have just arrived."""
        return int(self.rq.count)

    def workers(self) -> int:
        """Number of registered workers; a dead one counts until its registration expires."""
        return len(self.worker_keys())

    def worker_keys(self) -> list[str]:
        """The keys of the registered workers, without members of the registry that are no text."""
        members = cast("set[bytes]", self.redis.smembers(WORKERS_BY_QUEUE_KEY % QUEUE_NAME))
        return [key for member in members if (key := text_of(member)) is not None]

    def in_flight(self, *, now: float) -> set[str]:
        """Ids of the frames in waiting jobs, and in running jobs whose worker is alive.

        `now` is in Unix s. Reads every job, so it suits a bounded queue.
        """
        # waiting jobs first: a job may start between the two reads
        jobs: list[bytes] = []
        for queue in (self.rq, self.backlog):
            jobs += cast("list[bytes]", self.redis.lrange(queue.key, 0, -1))
        for queue in (self.rq, self.backlog):
            started = self.redis.zrangebyscore(queue.started_job_registry.key, now, "+inf")
            jobs += [entry.partition(b":")[0] for entry in cast("list[bytes]", started)]
        with self.redis.pipeline(transaction=False) as pipeline:
            for job_id in jobs:
                pipeline.hstrlen(_JOB_KEY + job_id, "data")
            sizes = pipeline.execute(raise_on_error=False)
            for job_id, size in zip(jobs, sizes, strict=True):
                if isinstance(size, int) and size <= MAX_DATA_BYTES:
                    pipeline.hget(_JOB_KEY + job_id, "data")
            found = pipeline.execute(raise_on_error=False)
        return {frame for data in found for frame in _frames_of(data)}


def address(redis: Redis) -> str:
    """The address that a client connects to, for messages; never with a password."""
    kwargs = redis.get_connection_kwargs()
    if isinstance(redis.connection_pool, SentinelConnectionPool):
        return f"the master of {redis.connection_pool.service_name}"
    return str(kwargs["path"]) if "path" in kwargs else f"{kwargs['host']}:{kwargs['port']}"


def _frames_of(data: object) -> tuple[str, ...]:
    """The frames of a job; RQ stores function and arguments as compressed JSON."""
    try:
        text = zlib.decompressobj().decompress(cast("bytes", data), MAX_DATA_BYTES)
        _function, _instance, args, _named = json.loads(text)
        return FrameBatch.decode(args[0]).frame_ids
    except (InvalidMessage, zlib.error, ValueError, LookupError, TypeError, RecursionError):
        return ()  # not our job; a worker refuses it and logs the reason
