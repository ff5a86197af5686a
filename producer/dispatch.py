"""Moves frames from the ledger to the queues; nothing else enqueues.

A frame is enqueued when it is registered, if there is room. Of many frames that a camera sends at
once, the first few count as just arrived; the others join the backlog, so that an archive moved
in does not hold up what other cameras see now. The dispatcher enqueues all other frames that are
pending and not leased: those that found no room, those of jobs that Redis lost, those whose worker
died. It takes them from all cameras in turn, half of them the newest ones. The depth of the queues
is bounded; further frames wait in the ledger.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import RedisError
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.outage import Outage
from storage.errors import DatabaseUnavailable, RefusedByDatabase
from storage.frames.identity import NewFrame
from storage.frames.ledger import claim_in_turn, lease
from storage.frames.registration import register
from storage.queue import FrameQueue
from storage.queue_keys import mend_queues
from storage.redis_values import is_malformed

logger = logging.getLogger(__name__)

#: Seconds between checks of a full queue.
FULL_PAUSE_S = 0.05
#: Most frames claimed at a time, which bounds how long the lock is held.
MAX_CLAIM = 1024
#: Frames of a camera that count as just arrived if they are registered together.
LIVE_A_CAMERA = 16
#: Most frames in a job of the backlog: a frame that has just arrived waits for the end of one, but
#: a job costs a worker some ten round trips, however many frames it has.
BACKLOG_JOB = 64
#: Jobs of the backlog that wait for each worker, and beside them.
BACKLOG_A_WORKER, BACKLOG_SPARE = 4, 4


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

        A frame that the database refuses is set aside with a message; every scan tries it again.
        Without Redis the frames are only registered; `run` enqueues them when it is back.

        Raises:
            DatabaseUnavailable: nothing was registered, or frames that found no room wait until
                their lease expires; calling again is right in both cases.
        """
        try:
            self._submit(frames)
        except RefusedByDatabase as error:
            if len(frames) == 1:
                path = f"{frames[0].root}/{frames[0].path}"
                logger.error("%s cannot be registered and is set aside: %s", path, error)
                return
            half = len(frames) // 2
            self.submit(frames[:half])
            self.submit(frames[half:])

    def _submit(self, frames: Sequence[NewFrame]) -> None:
        with self._lock:
            room, now = self._rooms_now(), self._clock()
            until = now + self._config.lease_s if room.live else 0.0
            pending = register(self._engine, frames, now=now, lease_until=until)
            if room.live and (left := self._queue_at_once(self._parted(pending, frames), room)):
                lease(self._engine, left, until=0.0)

    def _parted(self, pending: list[str], frames: Sequence[NewFrame]) -> _Parted:
        """Part frames into those that have just arrived and those of the backlog."""
        cameras = {frame.frame_id: frame.camera for frame in frames}
        seen = Counter[str]()
        parted = _Parted([], [])
        for frame_id in pending:
            # a frame that is pending again has the id of its first registration
            camera = cameras.get(frame_id, "")
            seen[camera] += 1
            (parted.live if seen[camera] <= LIVE_A_CAMERA else parted.backlog).append(frame_id)
        return parted

    def workers_have_jobs(self) -> bool:
        """Whether at least one job per worker is queued, so that one more would have to wait."""
        if self._redis.down:
            return False
        try:
            return self._queue.live_depth() >= max(1, self._queue.workers())
        except RedisError as error:
            self._redis.failed(error)
            return False

    def _rooms_now(self) -> _Room:
        try:
            return _Room(0, 0) if self._redis.down else self._rooms()
        except RedisError as error:
            self._redis.failed(error)
            return _Room(0, 0)

    def _queue_at_once(self, parted: _Parted, room: _Room) -> list[str]:
        """Enqueue as many as there is room for; return the rest."""
        queued: set[str] = set()
        try:
            live = self._jobs(parted.live, self._config.max_batch)[: room.live]
            for job in live:
                self._queue.enqueue(job)
                queued.update(job)
            left = max(0, room.backlog - len(live))
            for job in self._jobs(parted.backlog, self._job_frames)[:left]:
                self._queue.enqueue(job, backlog=True)
                queued.update(job)
        except RedisError as error:
            self._redis.failed(error)
        return [frame_id for frame_id in parted.live + parted.backlog if frame_id not in queued]

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
            if is_malformed(error):
                with suppress(RedisError):  # the next round notices an outage
                    mend_queues(self._queue.redis)
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
        room = (
            self._rooms().backlog
        )  # outside the lock: registration must not wait for a dead Redis
        self._redis.answered()
        if room == 0:
            return FULL_PAUSE_S
        with self._lock:
            limit = min(self._rooms().backlog * self._job_frames, MAX_CLAIM)
            now = self._clock()
            claimed = claim_in_turn(
                self._engine, now=now, lease_s=self._config.lease_s, limit=limit
            )
            if claimed:
                # frames still in the queue were claimed too, which only renewed their lease
                waiting = self._queue.in_flight(now=now)
                ids = [frame.id for frame in claimed if frame.id not in waiting]
                for job in self._jobs(ids, self._job_frames):
                    self._queue.enqueue(job, backlog=True)
        return 0.0 if len(claimed) == limit else self._config.dispatch_interval_s

    @property
    def _job_frames(self) -> int:
        return min(self._config.max_batch, BACKLOG_JOB)

    def _rooms(self) -> _Room:
        depth, most = self._queue.depth(), self._config.max_depth
        for_workers = BACKLOG_A_WORKER * self._queue.workers() + BACKLOG_SPARE
        live = self._queue.live_depth()
        backlog = min(for_workers - (depth - live), most - depth)
        return _Room(max(0, most - live), max(0, backlog))

    def _jobs(self, ids: Sequence[str], size: int) -> list[Sequence[str]]:
        return [ids[start : start + size] for start in range(0, len(ids), size)]


@dataclass(frozen=True)
class _Room:
    """Jobs that the queues may take."""

    live: int
    backlog: int


@dataclass(frozen=True)
class _Parted:
    """Ids of frames by the queue that they belong on."""

    live: list[str]
    backlog: list[str]
