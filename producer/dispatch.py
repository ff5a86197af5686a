"""Moves frames from the ledger to the queue; nothing else enqueues.

A frame is enqueued when it is registered, if the queue has room. The dispatcher enqueues all other
frames that are pending and not leased: those that found no room, those of jobs that Redis lost,
those whose worker died. The queue's depth is bounded; further frames wait in the ledger.
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

#: Seconds between checks of a full queue.
FULL_PAUSE_S = 0.05
#: Most frames claimed at a time, which bounds how long the lock is held.
MAX_CLAIM = 1024
#: Frames that arrive together are split into this many jobs of at least `SMALL_JOB` frames: a job
#: costs a worker some ten round trips, however many frames it has.
SHARES = 4
SMALL_JOB = 64


class Dispatcher:
    """Registers frames and fills the queue. Thread-safe."""

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
        # Held from registering or claiming frames until they are enqueued, so that they are
        # enqueued in order of arrival and the queue never exceeds its depth.
        self._lock = threading.Lock()

    def submit(self, frames: Sequence[NewFrame]) -> None:
        """Register frames; enqueue new frames up to the queue's capacity.

        Without Redis the frames are only registered; `run` enqueues them when it is back.

        Raises:
            DatabaseUnavailable: nothing was registered, or frames that found no room wait until
                their lease expires; calling again is right in both cases.
        """
        with self._lock:
            room, now = self._room_now(), self._clock()
            until = now + self._config.lease_s if room else 0.0
            pending = register(self._engine, frames, now=now, lease_until=until)
            if room and (left := self._queue_at_once(pending, room)):
                lease(self._engine, left, until=0.0)

    def workers_have_jobs(self) -> bool:
        """Whether at least one job per worker is queued, so that one more would have to wait."""
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
        """Enqueue as many as there is room for; return the rest."""
        left = list(ids)
        try:
            for job in self._jobs(ids)[:room]:
                self._queue.enqueue(job)
                del left[: len(job)]
        except RedisError as error:
            self._redis.failed(error)
        return left

    def run(self, stop: threading.Event) -> None:
        """Keep the queue full until `stop` is set."""
        while not stop.is_set():
            stop.wait(self._round())

    def _round(self) -> float:
        """Top up once, noting outages; return the seconds to wait before the next round."""
        try:
            pause = self.top_up()
            self._database.answered()
        except RedisError as error:
            return self._redis.failed(error)
        except DatabaseUnavailable as error:
            return self._database.failed(error)
        return pause

    def top_up(self) -> float:
        """Fill the queue with the oldest due frames; return the seconds to wait.

        Returns 0 while there may be more frames to claim.

        Raises:
            DatabaseUnavailable: nothing was claimed.
            redis.RedisError: frames claimed but not enqueued are due again when their lease
                expires.
        """
        room = self._room()  # outside the lock: registration must not wait for a dead Redis
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
                # frames still in the queue were claimed too, which only renewed their lease
                waiting = self._queue.in_flight(now=now)
                for job in self._jobs([f.id for f in claimed if f.id not in waiting]):
                    self._queue.enqueue(job)
        return 0.0 if len(claimed) == limit else self._config.dispatch_interval_s

    def _room(self) -> int:
        return max(0, self._config.max_depth - self._queue.depth())

    def _jobs(self, ids: list[str]) -> list[list[str]]:
        # Large jobs cost less per frame; several jobs let the workers share the load.
        size = min(self._config.max_batch, max(SMALL_JOB, -(-len(ids) // SHARES)))
        return [ids[start : start + size] for start in range(0, len(ids), size)]
