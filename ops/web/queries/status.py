"""The state of the system as the API shows it, from the database, Redis and the disk."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from typing import TYPE_CHECKING

from redis import RedisError

from ops.status import QueueState, read_queue
from ops.web.schemas.system import (
    Counts,
    Disk,
    Drift,
    ModelInfo,
    ProducerInfo,
    ProducerRoot,
    Status,
    WorkerInfo,
)
from producer.ignored import ignored_text
from storage.stream.window import StreamKey, WindowView, look_at_window

if TYPE_CHECKING:
    from ops.web.queries.active_model import ModelFacts
    from ops.web.services import Services


def read_status(services: Services) -> Status:
    """The state of the system.

    Raises:
        StorageError: the database cannot be read.
    """
    now = services.clock()
    queue, queue_error = _queue(services)
    counts = services.ledger_counts.get()
    model = services.model.get()
    oldest = counts.oldest_pending_at
    return Status(
        now=now,
        version=version("thermalwatch"),
        counts=Counts.of(counts.overall()),
        queue_jobs=queue.waiting_jobs if queue else None,
        queue_error=queue_error,
        oldest_pending_s=None if oldest is None else max(0.0, now - oldest),
        frames_last_minute=counts.last_minute,
        frames_last_hour=counts.last_hour,
        workers=[WorkerInfo(**vars(worker)) for worker in queue.workers] if queue else [],
        producers=_producers(queue),
        model=_model(model),
        disk=disk_usage(services),
        drift=camera_drift(services),
    )


def read_window(services: Services, camera: str, model_id: str) -> WindowView:
    """A camera's rolling window.

    Raises:
        redis.RedisError: Redis is unreachable.
    """
    return look_at_window(services.redis, StreamKey(camera, model_id))


def _queue(services: Services) -> tuple[QueueState | None, str | None]:
    try:
        return read_queue(services.redis), None
    except RedisError as error:
        return None, str(error)


def _producers(queue: QueueState | None) -> list[ProducerInfo]:
    return [
        ProducerInfo(
            name=producer.name,
            at=producer.at,
            roots=[
                ProducerRoot(
                    root=root.root,
                    mode=root.mode,
                    scanned_at=root.scanned_at,
                    frames=root.frames,
                    settling=root.settling,
                    refused=root.refused,
                    ignored=ignored_text(root.ignored),
                )
                for root in producer.roots
            ],
        )
        for producer in (queue.producers if queue else ())
    ]


def _model(model: ModelFacts | None) -> ModelInfo | None:
    if model is None:
        return None
    return ModelInfo(
        model_id=model.model_id,
        unit=model.normalization.unit,
        width=model.normalization.width,
        height=model.normalization.height,
        images=model.images,
        cameras=list(model.cameras),
    )


def disk_usage(services: Services) -> Disk | None:
    """Space on the disk of the state directory; None if no such directory exists."""
    data = services.settings.data
    if data is None or not data.exists():
        return None
    usage = shutil.disk_usage(data)
    database = data / "thermalwatch.db"
    return Disk(
        path=str(data),
        free_bytes=usage.free,
        total_bytes=usage.total,
        database_bytes=database.stat().st_size if database.exists() else None,
    )


def camera_drift(services: Services) -> list[Drift]:
    """How far each camera's scores have moved from the active model's held-out scores."""
    model = services.model.get()
    if model is None:
        return []
    latest = [(view.name, view.recent[0]) for view in services.wall.get() if view.recent]
    return [
        Drift(
            camera=name,
            body=result.body,
            baseline_body=model.body,
            drift=result.body / model.body - 1,
            threshold=result.threshold,
            learning=result.learning,
            held=result.held,
        )
        for name, result in latest
        if result.model_id == model.model_id and result.body > 0
    ]
