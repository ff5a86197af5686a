"""An RQ worker that keeps the model warm: it does not fork, and it runs one function only."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

from redis import Redis, RedisError
from redis.client import Pipeline
from rq import Queue, worker_registration
from rq.exceptions import AbandonedJobError, DeserializationError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from storage.errors import InvalidMessage
from storage.queue import JOB_FUNCTION, QUEUE_NAME, FrameBatch
from worker.progress import Progress

log = logging.getLogger(__name__)

#: Seconds between the signs of life of a running job.
HEARTBEAT_S: Final = 5
#: Seconds without a sign of life after which a job counts as abandoned.
ABANDONED_AFTER_S: Final = 20
#: Seconds between two looks for abandoned jobs.
MAINTENANCE_S: Final = 10
#: Seconds that an idle worker waits for a job before it shows that it lives, and looks again.
IDLE_TURN_S: Final = 5
#: Seconds without progress after which a job counts as stuck. Longer than the database may keep a
#: worker waiting (30 s), short enough that another worker has the job back within a minute.
STUCK_AFTER_S: Final = 35
#: Exit status of a process that could not get out of a job in another way.
EXIT_STUCK: Final = 70

BatchHandler = Callable[[FrameBatch], None]


class FrameJob(Job):
    """A job that can call nothing but the handler of its worker."""

    handler: BatchHandler | None = None

    @property
    def func(self) -> Callable[..., None]:
        """The handler, whatever else the job may name."""
        if self.func_name != JOB_FUNCTION or self.instance is not None or self.handler is None:
            raise InvalidMessage(f"a job asks for {self.func_name!r}, which no worker runs")
        handler = self.handler

        def score_frames(message: object) -> None:
            handler(FrameBatch.decode(message))

        return score_frames

    def batch(self) -> FrameBatch | None:
        """The job's message; None if it is none of ours."""
        try:
            return FrameBatch.decode(self.args[0])
        except (InvalidMessage, DeserializationError, IndexError, TypeError):
            return None

    # RQ imports whatever these name, and calls it; a job of ours names nothing
    success_callback = None
    failure_callback = None
    stopped_callback = None

    def send_webhooks(self, status: str | JobStatus, *, exc_string: str | None = None) -> None:
        """Send nothing: where to is in the job, so whoever wrote it would choose the address."""


class WarmWorker(SimpleWorker):
    """Runs batches in this process, with a heartbeat beside them.

    RQ's own `SimpleWorker` shows no life while it works, so a dead one would go unnoticed for as
    long as a job may take. Here a thread renews the job every `HEARTBEAT_S`; when it stops, the
    job returns to the queue within `ABANDONED_AFTER_S + MAINTENANCE_S`. The same thread ends the
    process when the job makes no progress any more: in a call into a driver or a dead file system
    no alarm interrupts it.

    `abandoned` is told of batches whose worker, this one or another, did not come to an end; it
    may raise `redis.RedisError`.
    """

    job_class = FrameJob
    log_result_lifespan = False
    # RQ doubles its wait while Redis is away; half a minute more would break our promise
    max_connection_wait_time = 5.0

    def __init__(
        self,
        redis: Redis,
        handler: BatchHandler,
        *,
        name: str,
        abandoned: BatchHandler,
        progress: Progress,
    ):
        super().__init__(
            [Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer, job_class=FrameJob)],
            name=name,
            connection=redis,
            job_class=FrameJob,
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_S,
            worker_ttl=IDLE_TURN_S + 15,
            log_job_description=False,
            exception_handlers=[self._handle_abandoned],
        )
        self._handler = handler
        self._abandoned = abandoned
        self._progress = progress

    @property
    def must_end(self) -> bool:
        """Whether a signal, or `end_after_this_job`, asked this worker to stop."""
        return self._stop_requested or self._shutdown_requested_date is not None

    def end_after_this_job(self) -> None:
        """Take no other job."""
        self._stop_requested = True

    def subscribe(self) -> None:
        """Take no commands over Redis: whoever reaches it could end this worker."""

    def unsubscribe(self) -> None:
        """There is nothing to end; RQ's listening thread would outlive its worker's Redis."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Show that this worker lives, also to a Redis that has forgotten it."""
        super().heartbeat(timeout, pipeline)
        if pipeline is None and not self.connection.sismember(self.redis_workers_keys, self.key):
            with self.connection.pipeline() as again:
                again.hset(self.key, mapping=self.serialize())
                self.set_state(self.get_state(), again)
                worker_registration.register(self, again)
                again.execute()

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds for which a running job counts as alive after a sign of life."""
        return ABANDONED_AFTER_S

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job under its heartbeat."""
        cast(FrameJob, job).handler = self._handler
        ended = threading.Event()
        beat = threading.Thread(
            target=self._beat, args=(job, queue, execution, ended), name="heartbeat", daemon=True
        )
        beat.start()
        try:
            return bool(super().perform_job(job, queue, execution))
        finally:
            ended.set()
            beat.join()

    def _beat(
        self, job: FrameJob, queue: Queue, execution: Execution, ended: threading.Event
    ) -> None:
        # Beats are counted, not seconds: a process that was stopped for a while is not stuck.
        steps, beats_since_step = self._progress.steps, 0
        while not ended.wait(HEARTBEAT_S):
            beats_since_step += 1
            if self._progress.steps != steps:
                steps, beats_since_step = self._progress.steps, 0
            try:
                if beats_since_step * HEARTBEAT_S >= STUCK_AFTER_S:
                    self._leave_to_others(job, queue, execution)
                else:
                    self.maintain_heartbeats(job, execution)
            except RedisError as error:
                log.warning("no heartbeat for job %s: %s", job.id, error)

    def _leave_to_others(self, job: FrameJob, queue: Queue, execution: Execution) -> NoReturn:
        """Put a stuck job back on the queue and end the process; not before Redis takes it."""
        if not self._progress.is_waiting and (batch := job.batch()):
            self._abandoned(batch)
        self.handle_job_failure(job, queue, exc_string="stuck", execution=execution)
        log.critical(
            "job %s made no progress for %d s: left to others, this process ends",
            job.id,
            STUCK_AFTER_S,
        )
        os._exit(EXIT_STUCK)

    def _handle_abandoned(self, job: FrameJob, error: type[Exception], *_: object) -> None:
        # called by RQ's maintenance, once for every job that lost its worker
        if error is AbandonedJobError and (batch := job.batch()):
            log.warning("job %s lost its worker", job.id)
            self._abandoned(batch)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log a failed job in one line; RQ keeps its traceback."""
        log.error("job %s failed: %s: %s", job.id, exc_info[0].__name__, exc_info[1])
