"""An RQ worker that keeps the model in memory: it does not fork, and runs only one function."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, cast

from redis import Redis, RedisError
from redis.client import Pipeline
from redis.exceptions import ResponseError
from rq import Queue, worker_registration
from rq.exceptions import AbandonedJobError, DeserializationError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from storage.errors import InvalidMessage
from storage.job_bounds import check_job, read_job
from storage.queue import BACKLOG_NAME, JOB_FUNCTION, QUEUE_NAME, FrameBatch
from storage.queue_keys import mend_queues
from storage.redis_values import discard, is_malformed
from worker.progress import Progress

log = logging.getLogger(__name__)

#: Seconds between two heartbeats of a running job.
HEARTBEAT_S: Final = 5
#: Seconds without a heartbeat after which a job counts as abandoned.
ABANDONED_AFTER_S: Final = 20
#: Seconds between two checks for abandoned jobs.
MAINTENANCE_S: Final = 10
#: Seconds that an idle worker waits for a job before it sends a heartbeat and waits again.
IDLE_TURN_S: Final = 5
#: Seconds without progress after which a job counts as stuck: longer than a database call may take
#: (30 s), short enough for another worker to have the job within a minute.
STUCK_AFTER_S: Final = 35
#: Exit status of a process that ended itself because its job was stuck.
EXIT_STUCK: Final = 70

BatchHandler = Callable[[FrameBatch], None]


class FrameJob(Job):
    """A job that can only call its worker's handler, and is checked before RQ unpacks it."""

    handler: BatchHandler | None = None

    def refresh(self) -> None:
        """Read the job from Redis; delete it if it is not a job of ours.

        Raises:
            NoSuchJobError: there is none, or it was deleted.
        """
        try:
            if found := read_job(self.connection, self.key):
                check_job(found)
                self.restore(found)
                return
        except ResponseError as error:
            if not is_malformed(error):
                raise
            self._refuse(error)
        except (InvalidMessage, ValueError, TypeError, LookupError, RecursionError) as error:
            self._refuse(error)
        raise NoSuchJobError(f"no such job: {self.id}")

    def _refuse(self, why: Exception) -> None:
        discard(self.connection, "job", f"job {self.id}", why, key=self.key)

    @property
    def func(self) -> Callable[..., None]:
        """The handler, whatever function the job names."""
        if self.func_name != JOB_FUNCTION or self.instance is not None or self.handler is None:
            raise InvalidMessage(f"a job asks for {self.func_name!r}, which workers do not run")
        handler = self.handler

        def score_frames(message: object) -> None:
            handler(FrameBatch.decode(message))

        return score_frames

    def batch(self) -> FrameBatch | None:
        """The job's message; None if it is not ours."""
        try:
            return FrameBatch.decode(self.args[0])
        except (InvalidMessage, DeserializationError, IndexError, TypeError):
            return None

    # disabled: RQ would import and call whatever function the job payload names
    success_callback = None
    failure_callback = None
    stopped_callback = None

    def send_webhooks(self, status: str | JobStatus, *, exc_string: str | None = None) -> None:
        """Disabled: the URL comes from the job payload (SSRF)."""


class WarmWorker(SimpleWorker):
    """Runs batches in this process while a thread sends heartbeats.

    RQ's own `SimpleWorker` sends none while it works, so a dead worker would go unnoticed until
    its job times out. Here a thread renews the job every `HEARTBEAT_S`; when that stops, the job
    returns to the queue within `ABANDONED_AFTER_S + MAINTENANCE_S`. The same thread ends the
    process when the job no longer makes progress, because no alarm interrupts a call that hangs in
    a driver or a dead file system.

    `abandoned` is called with every batch that its worker, this one or another, did not finish; it
    may raise `redis.RedisError`.
    """

    job_class = FrameJob
    log_result_lifespan = False
    # RQ doubles its wait while Redis is down, up to a minute; reconnect sooner
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
            [
                Queue(name, connection=redis, serializer=JSONSerializer, job_class=FrameJob)
                for name in (QUEUE_NAME, BACKLOG_NAME)  # the second while the first is empty
            ],
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
        """Whether a signal or `end_after_this_job` asked this worker to stop."""
        return self._stop_requested or self._shutdown_requested_date is not None

    def end_after_this_job(self) -> None:
        """Stop once the current job is done."""
        self._stop_requested = True

    def subscribe(self) -> None:
        """Disabled: anyone with access to Redis could stop this worker by a command."""

    def unsubscribe(self) -> None:
        """Nothing to do: `subscribe` starts no thread."""

    def check_for_suspension(self, burst: bool) -> None:
        """Disabled: anyone with access to Redis could suspend all workers."""

    def clean_group_registries(self) -> None:
        """Nothing to do: our jobs have no groups."""

    def run_maintenance_tasks(self) -> None:
        """Look for abandoned jobs."""
        with self._mending():
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wait for a job, whatever else lies on the queues."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            except UnicodeDecodeError as error:  # RQ has taken it from the queue
                log.warning("skipped what is no job's id: %s", error)
            except ResponseError as error:
                if not is_malformed(error):
                    raise
                if not mend_queues(self.connection):
                    return None  # it is a key of this worker: the next one has another name

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job; if its notes in Redis are destroyed meanwhile, the ledger knows its frames."""
        try:
            super().execute_job(job, queue)
        except (ResponseError, UnicodeDecodeError) as error:
            if isinstance(error, ResponseError) and not is_malformed(error):
                raise
            mend_queues(self.connection)
            # else its frames would wait until it counts as abandoned
            discard(self.connection, "job", f"job {job.id}", error, key=job.key)

    @contextmanager
    def _mending(self) -> Iterator[None]:
        """Mend keys of RQ that hold something else instead of ending the worker."""
        try:
            yield
        except (ResponseError, UnicodeDecodeError) as error:
            if isinstance(error, ResponseError) and not is_malformed(error):
                raise
            mend_queues(self.connection)

    def register_death(self) -> None:
        """Leave the registry of workers."""
        with self._mending():
            super().register_death()  # type: ignore[no-untyped-call]

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Send a heartbeat; register again if Redis has lost this worker."""
        with self._mending():
            super().heartbeat(timeout, pipeline)
            if pipeline is None and not self.connection.sismember(
                self.redis_workers_keys, self.key
            ):
                with self.connection.pipeline() as again:
                    again.hset(self.key, mapping=self.serialize())
                    self.set_state(self.get_state(), again)
                    worker_registration.register(self, again)
                    again.execute()

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds for which a running job counts as alive after a heartbeat."""
        return ABANDONED_AFTER_S

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job while a thread sends its heartbeats."""
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
        # Count heartbeats, not seconds: a process that was suspended for a while is not stuck.
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
        """Put a stuck job back on the queue, then end the process."""
        if not self._progress.is_waiting and (batch := job.batch()):
            self._abandoned(batch)
        self.handle_job_failure(job, queue, exc_string="stuck", execution=execution)
        log.critical(
            "job %s made no progress for %d s: back on the queue, this process ends",
            job.id,
            STUCK_AFTER_S,
        )
        os._exit(EXIT_STUCK)

    def _handle_abandoned(self, job: FrameJob, error: type[Exception], *_: object) -> None:
        # called by RQ's maintenance once for each job whose worker died
        if error is AbandonedJobError and (batch := job.batch()):
            log.warning("job %s lost its worker", job.id)
            self._abandoned(batch)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log a failed job in one line; RQ stores the traceback."""
        log.error("job %s failed: %s: %s", job.id, exc_info[0].__name__, exc_info[1])
