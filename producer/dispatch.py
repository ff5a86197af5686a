"""From the ledger to the queue: the only place that enqueues.

A frame is queued at once when it is registered, if there is room. The dispatcher queues whatever
else is pending and unleased: frames that found no room, frames of jobs that Redis lost, frames
whose worker died. The queue's depth is bounded; what is beyond waits in the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.outage import Outage
from storage.errors import DatabaseUnavailable
from storage.frames.ledger import NewFrame, claim_pending, lease, register
from storage.queue import FrameQueue

#: Seconds between two looks at a queue that is full.
FULL_PAUSE_S = 0.05
#: Most frames claimed at a time: the lock is not held for longer than it takes to queue these.
MAX_CLAIM = 1024
#: Frames that come together are shared out to this many jobs, as far as these get `SMALL_JOB`
#: frames or more: a job costs a worker some ten round trips, whatever it carries.
SHARES = 4
SMALL_JOB = 64


class Dispatcher:
    """Registers frames and feeds the queue. Threads share it."""

    def __init__(
        self,
        engine: Engine,
        queue: FrameQueue,
        config: ProducerConfig,
        clock: Callable[[], float],
        *,
        database: Outage,
        redis: Outage,
    ):
        self._engine = engine
        self._queue = queue
        self._config = config
        self._clock = clock  # Unix s
        self._database = database
        self._redis = redis
        # Held from registration, or from claiming, until the frames are queued: so they are queued
        # in the order of their arrival, and the queue does not outgrow its room.
        self._lock = threading.Lock()

    def submit(self, frames: Sequence[NewFrame]) -> None:
        """Register frames; queue those that are news, as far as there is room.

        Redis being away does not matter here: `run` queues them when it is back.

        Raises:
            DatabaseUnavailable: nothing was registered, or what found no room waits until its
                lease runs out; doing it again is right in both cases.
        """
        with self._lock:
            room, now = self._room_now(), self._clock()
            until = now + self._config.lease_s if room else 0.0
            pending = register(self._engine, frames, now=now, lease_until=until)
            if room and (left := self._queue_at_once(pending, room)):
                lease(self._engine, left, until=0.0)

    def workers_have_jobs(self) -> bool:
        """Whether a job waits for every worker: one more would not be taken up yet."""
        if self._redis.down:
            return False
        try:
            return self._queue.depth() >= max(1, self._queue.workers())
        except RedisError as error:
            self._redis.failed(error)
            return False

    def _room_now(self) -> int:
        try:
            return 0 if self._redis.down else self._room()
        except RedisError as error:
            self._redis.failed(error)
            return 0

    def _queue_at_once(self, ids: list[str], room: int) -> list[str]:
        """Queue as many as there is room for; return those that were not queued."""
        left = list(ids)
        try:
            for job in self._jobs(ids)[:room]:
                self._queue.enqueue(job)
                del left[: len(job)]
        except RedisError as error:
            self._redis.failed(error)
        return left

    def run(self, stop: threading.Event) -> None:
        """Keep the queue filled until `stop` is set."""
        while not stop.is_set():
            stop.wait(self._round())

    def _round(self) -> float:
        """One round, outages included; return the seconds to wait before the next."""
        try:
            pause = self.top_up()
            self._database.answered()
        except RedisError as error:
            return self._redis.failed(error)
        except DatabaseUnavailable as error:
            return self._database.failed(error)
        return pause

    def top_up(self) -> float:
        """Fill the queue's room with the oldest due frames; return the seconds to wait.

        That is nothing while there may be more to do at once.

        Raises:
            DatabaseUnavailable: nothing was claimed.
            redis.RedisError: frames claimed but not queued come back when their lease runs out.
        """
        room = self._room()  # without the lock: registration does not wait for a dead Redis
        self._redis.answered()
        if room == 0:
            return FULL_PAUSE_S
        with self._lock:
            limit = min(self._room() * self._config.max_batch, MAX_CLAIM)
            now = self._clock()
            claimed = claim_pending(
                self._engine, now=now, lease_s=self._config.lease_s, limit=limit
            )
            if claimed:
                # To be claimed renewed the lease of those that still wait their turn.
                waiting = self._queue.in_flight(now=now)
                for job in self._jobs([f.id for f in claimed if f.id not in waiting]):
                    self._queue.enqueue(job)
        return 0.0 if len(claimed) == limit else self._config.dispatch_interval_s

    def _room(self) -> int:
        return max(0, self._config.max_depth - self._queue.depth())

    def _jobs(self, ids: list[str]) -> list[list[str]]:
        # Large jobs cost less than many small ones, but several workers share the frames.
        size = min(self._config.max_batch, max(SMALL_JOB, -(-len(ids) // SHARES)))
        return [ids[start : start + size] for start in range(0, len(ids), size)]
