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

#: Seconds after which a Redis command fails.
ANSWER_S = 3.0

_DAY_S = 86_400.0


@dataclass(frozen=True)
class CameraStatus:
    """A camera's ledger counts and recent activity."""

    name: str
    counts: LedgerCounts
    last_frame_at: float  #: Unix s
    anomalies_24h: int  #: captured in the last 24 h


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
    from storage.frames.counts import ledger_counts, list_cameras
    from storage.results.counts import count_days

    return tuple(
        CameraStatus(
            name=camera.name,
            counts=ledger_counts(engine, camera.name),
            last_frame_at=camera.last_frame_at,
            anomalies_24h=sum(
                day.anomalies
                for day in count_days(engine, camera=camera.name, since=now - _DAY_S, until=now)
            ),
        )
        for camera in list_cameras(engine)
    )


def read_queue(redis: Redis) -> QueueState:
    """Queue, workers and producers.

    Raises:
        redis.RedisError: Redis is unreachable.
    """
    from rq.worker import Worker

    from producer.heartbeat import living_producers
    from storage.queue import FrameQueue

    queue = FrameQueue(redis)
    workers = [
        WorkerState(
            name=worker.name,
            state=str(worker.get_state()),
            last_sign_at=worker.last_heartbeat.timestamp() if worker.last_heartbeat else None,
        )
        for worker in Worker.all(queue=queue.rq)
    ]
    return QueueState(
        waiting_jobs=queue.depth(),
        workers=tuple(sorted(workers, key=lambda worker: worker.name)),
        producers=tuple(living_producers(redis)),
    )
