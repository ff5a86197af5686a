"""The worker process: scores batches from the queue until it is told to stop."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import cv2
import torch
from redis import Redis, RedisError
from rq.exceptions import StopRequested
from sqlalchemy import Engine

from storage.db.probes import check_writes
from storage.errors import DatabaseUnavailable, StorageError
from storage.files.artifacts import ArtifactStore
from storage.queue import FrameBatch, address
from storage.queue_keys import mend_queues
from storage.stages import add_durations
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows
from thermal.memory import keep_freed_memory
from worker.batch import BatchScorer
from worker.config import WorkerConfig
from worker.isolation import Isolation
from worker.models import DeviceFailed, ModelSource
from worker.progress import Progress
from worker.rq_worker import WarmWorker

log = logging.getLogger(__name__)

#: Shortest and longest wait between two attempts to reach a lost service, in seconds.
FIRST_PAUSE_S: Final = 0.5
MAX_WAIT_S: Final = 5.0


@dataclass
class Totals:
    """What a worker has done since it started."""

    batches: int = 0
    scored: int = 0
    anomalies: int = 0
    quarantined: int = 0


class Worker:
    """One worker: connects a `BatchScorer` to RQ and survives outages of the services it needs."""

    def __init__(
        self,
        config: WorkerConfig,
        engine: Engine,
        redis: Redis,
        store: ArtifactStore,
        clock: Callable[[], float] = time.time,
    ):
        self.config = config
        self.engine = engine
        self.redis = redis
        self.totals = Totals()
        streams = Streams(engine, RollingWindows(redis, config.window), clock)
        models = ModelSource(engine, config.device, clock)
        self._models = models
        self._progress = Progress()
        self._score = BatchScorer(config, engine, streams, models, store, clock, self._progress)
        self._isolation = Isolation(self._score, engine, redis, clock, self._progress)
        self._rq: WarmWorker | None = None
        self._device_failure: DeviceFailed | None = None
        self._pause_s = FIRST_PAUSE_S

    def run(self, *, burst: bool = False) -> Totals:
        """Work until SIGTERM or SIGINT; with `burst`, until the queue is empty.

        Must run in the main thread, where signals arrive.

        Raises:
            ModelNotFound, BundleError: no usable model at the start.
            DeviceFailed: the device failed; restart the process to try it again.
        """
        _one_core_a_thread()
        keep_freed_memory()
        self._models.current()
        wait_s = 0.1
        try:
            while not self._work(burst=burst):
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, MAX_WAIT_S)
        except StopRequested:
            pass  # the signal came while no RQ worker was running
        finally:
            self._score.close()
        if self._device_failure is not None:
            raise self._device_failure
        return self.totals

    def _work(self, *, burst: bool) -> bool:
        """Run an RQ worker until it stops (True) or Redis fails (False: run it again).

        RQ's worker gives up on some Redis errors, so each run is a new worker. It gets a new name,
        because the old one may still be registered.
        """
        name = f"{self.config.name}.{uuid.uuid4().hex[:8]}"
        self._rq = None
        try:
            mend_queues(self.redis)
            self._rq = WarmWorker(
                self.redis,
                self._handle,
                name=name,
                abandoned=self._isolation.abandoned,
                progress=self._progress,
            )
            self._rq.work(burst=burst, logging_level="WARNING")
        except RedisError as error:
            log.warning("Redis at %s failed (%s), reconnecting", address(self.redis), error)
            return self._must_end()
        return burst or self._must_end()

    def _must_end(self) -> bool:
        return self._rq is not None and self._rq.must_end

    def _handle(self, batch: FrameBatch) -> None:
        try:
            report = self._isolation(batch)
        except (StorageError, OSError):
            self._wait_for_services()
            raise
        except DeviceFailed as error:
            self._device_failure = error
            if self._rq is not None:
                self._rq.end_after_this_job()
            raise
        self._pause_s = FIRST_PAUSE_S
        self.totals.batches += 1
        self.totals.scored += report.scored
        self.totals.anomalies += report.anomalies
        self.totals.quarantined += report.quarantined
        with suppress(RedisError):  # only a metric is lost
            add_durations(self.redis, self._score.stages.take())
        log.info(
            "batch of %d: %d scored, %d anomalies, %d quarantined, %d superseded, %d repeated, "
            "%d postponed",
            len(batch.frame_ids),
            report.scored,
            report.anomalies,
            report.quarantined,
            report.superseded,
            report.repeated,
            report.postponed,
            extra={"frame_ids": list(batch.frame_ids)},
        )

    def _wait_for_services(self) -> None:
        # A worker that took the next job at once would fail every queued job within a second.
        # Only the next batch shows whether a full disk has room again: the pause grows per job.
        since = None
        while not self._must_end():
            time.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, MAX_WAIT_S)
            self._progress.step()
            try:
                check_writes(self.engine)
            except DatabaseUnavailable as error:
                if since is None:  # said once; an outage may last for days
                    since = time.monotonic()
                    log.warning("%s; trying again until it works", error)
                continue
            if since is not None:
                log.warning("the database works again after %.0f s", time.monotonic() - since)
            return


def _one_core_a_thread() -> None:
    """Limit torch and OpenCV to one thread: the frames of a batch keep all cores busy."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
