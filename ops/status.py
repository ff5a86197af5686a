"""The state of a running system, read from the database and Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.config import wiring

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from producer.heartbeat import Heartbeat
    from storage.frames.counts import LedgerCounts
    from storage.results.wall import CameraView

#: Seconds after which a Redis command fails.
ANSWER_S = 3.0

_DAY_S = 86_400.0


@dataclass(frozen=True)
class CameraStatus:
    """A camera's ledger counts and recent activity."""

    name: str
    counts: LedgerCounts
    last_frame_at: float  #: Unix s
    anomalies_24h: int  #: that arrived in the last 24 h
    clock_offset_s: float | None  #: its clock minus arrival; None if unknown
    failing: str | None  #: which latest uploads could not be scored, and why
    frozen: str | None  #: how many of its latest images are the same


@dataclass(frozen=True)
class WorkerState:
    """A worker that is registered in Redis."""

    name: str
    state: str
    last_sign_at: float | None  #: Unix s


@dataclass(frozen=True)
class QueueState:
    """Queue, workers and producers, as seen in Redis."""

    waiting_jobs: int
    workers: tuple[WorkerState, ...]
    producers: tuple[Heartbeat, ...]


@dataclass(frozen=True)
class Status:
    """State of the system. If Redis is unreachable, `queue` is None and `queue_error` says why."""

    model_id: str | None
    counts: LedgerCounts
    cameras: tuple[CameraStatus, ...]
    queue: QueueState | None
    queue_error: str | None


def read_status(settings: Settings, *, now: float) -> Status:
    """Read the state of the system at `now` (Unix s).

    Raises:
        StorageError: the database cannot be read.
    """
    from redis import RedisError

    from storage.frames.counts import ledger_counts
    from storage.models import active_model_id

    queue, queue_error = None, None
    try:
        with wiring.open_redis(settings, answer_s=ANSWER_S) as redis:
            queue = read_queue(redis)
    except RedisError as error:
        queue_error = str(error)
    with wiring.open_existing_database(settings) as engine:
        return Status(
            model_id=active_model_id(engine),
            counts=ledger_counts(engine),
            cameras=_read_cameras(engine, now),
            queue=queue,
            queue_error=queue_error,
        )


def _read_cameras(engine: Engine, now: float) -> tuple[CameraStatus, ...]:
    from ops.camera_clock import clock_offset_s
    from ops.failing_uploads import failing_text, failing_uploads
    from ops.frozen_images import frozen_images, frozen_text
    from storage.frames.counts import ledger_counts
    from storage.results.counts import count_days
    from storage.results.wall import RECENT, view_cameras

    def failing(view: CameraView) -> str | None:
        failed = failing_uploads(view)
        return None if failed is None else failing_text(failed)

    def frozen(view: CameraView) -> str | None:
        images = frozen_images(view)
        return None if images is None else frozen_text(images)

    return tuple(
        CameraStatus(
            name=view.name,
            counts=ledger_counts(engine, view.name),
            last_frame_at=view.last_frame_at,
            anomalies_24h=sum(
                day.anomalies for day in count_days(engine, camera=view.name, since=now - _DAY_S)
            ),
            clock_offset_s=clock_offset_s(view.recent),
            failing=failing(view),
            frozen=frozen(view),
        )
        for view in view_cameras(engine, recent=RECENT)
    )


def _worker_state(redis: Redis, key: str) -> WorkerState | None:
    """None if the worker is gone, or if its key does not hold what RQ writes."""
    from redis.exceptions import ResponseError
    from rq.worker import Worker

    try:
        worker = Worker.find_by_key(key, connection=redis)
    except (ValueError, ResponseError):
        return None
    if worker is None:
        return None
    return WorkerState(
        name=worker.name,
        state=str(worker.get_state()),
        last_sign_at=worker.last_heartbeat.timestamp() if worker.last_heartbeat else None,
    )


def read_queue(redis: Redis) -> QueueState:
    """Queue, workers and producers.

    Raises:
        redis.RedisError: Redis is unreachable.
    """
    from producer.heartbeat import living_producers
    from storage.queue import FrameQueue

    queue = FrameQueue(redis)
    workers = [
        state for key in queue.worker_keys() if (state := _worker_state(redis, key)) is not None
    ]
    return QueueState(
        waiting_jobs=queue.depth(),
        workers=tuple(sorted(workers, key=lambda worker: worker.name)),
        producers=tuple(living_producers(redis)),
    )
