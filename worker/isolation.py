"""Wraps the main path: isolates frames that make batches fail, then quarantines them.

A batch can fail in two ways that one of its frames may have caused:

- It raises an unexpected error, or runs out of memory. Then each half is tried as a batch of its
  own, and so on. Frames that were already decided get the same decisions.
- Its worker was killed, crashed or got stuck. Another worker notices, and each of the frames gets
  a job of its own.

A frame that fails alone is tried again later, and quarantined after `MAX_FAILURES`. Failures of the
database, Redis, a disk or the device are not blamed on a frame. Nor are failures while no other
frame can be scored: a fault that affects every frame is not one frame's fault.

Notes in Redis alone quarantine nothing: the ledger counts the attempts too, and a note that claims
more failures than there were attempts is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from redis import Redis, RedisError
from rq.timeouts import JobTimeoutException
from sqlalchemy import Engine

from storage.errors import RefusedByDatabase, StorageError
from storage.frames.ledger import load_pending, note_attempt, postpone
from storage.frames.outcomes import Quarantined, finish
from storage.queue import FrameBatch, FrameQueue
from storage.stream.window import StreamMissing
from thermal.errors import BundleError
from worker.batch import BatchReport
from worker.models import DeviceFailed, is_out_of_memory
from worker.poison_frames import MAX_FAILURES, PoisonFrames
from worker.progress import Progress
from worker.reading import RETRY_S

log = logging.getLogger(__name__)

#: Failures of something a batch depends on, rather than of a frame in it.
INFRASTRUCTURE: Final = (
    StorageError,
    RedisError,
    StreamMissing,  # Redis loses what was just written
    OSError,
    BundleError,
    DeviceFailed,
)


def _is_blameless(error: Exception) -> bool:
    """Whether the frames of a batch that failed so are not to blame."""
    if isinstance(error, RefusedByDatabase):
        return False
    return isinstance(error, (*INFRASTRUCTURE, JobTimeoutException))


@dataclass(frozen=True)
class _Failure:
    """An error without its traceback, which would keep the whole batch in memory."""

    text: str
    out_of_memory: bool


class Isolation:
    """Runs batches through `score` and isolates the frames that make them fail."""

    def __init__(
        self,
        score: Callable[[FrameBatch], BatchReport],
        engine: Engine,
        redis: Redis,
        clock: Callable[[], float],
        progress: Progress,
    ):
        self._score = score
        self._engine = engine
        self._clock = clock  # Unix s
        self._progress = progress
        self._poison = PoisonFrames(redis)
        self._queue = FrameQueue(redis)
        self._works = False  # whether a frame was scored since a frame was last blamed

    def __call__(self, batch: FrameBatch) -> BatchReport:
        """Give the batch's frames their outcome; poison frames get jobs of their own.

        Raises:
            StorageError, RedisError, OSError, BundleError, DeviceFailed: the frames are not to
                blame; nothing is lost and the batch can be run again.
        """
        failures = self._poison.failures(batch.frame_ids)
        try:
            if len(batch.frame_ids) == 1 and failures:
                [frame_id] = batch.frame_ids
                if self._has_failed(frame_id, failures[frame_id]):
                    return self._give_up(
                        frame_id,
                        "failed",
                        f"its worker died, got stuck or failed {MAX_FAILURES} times on it alone",
                    )
                note_attempt(self._engine, frame_id)
            if len(batch.frame_ids) > 1:
                for frame_id in failures:
                    self._queue.enqueue([frame_id])
                batch = FrameBatch(tuple(i for i in batch.frame_ids if i not in failures))
            return self._in_parts(batch.frame_ids)
        except JobTimeoutException:
            if not self._progress.is_waiting:
                self.abandoned(batch)
            raise

    def _has_failed(self, frame_id: str, failures: int) -> bool:
        """Whether the ledger agrees with a note that a frame has failed for the last time."""
        if failures < MAX_FAILURES:
            return False
        # the first attempt alone may have been made before there was a note
        agrees = all(
            entry.attempts >= MAX_FAILURES - 1 for entry in load_pending(self._engine, [frame_id])
        )
        if not agrees:
            self._poison.refuse(frame_id, "counts more failures than there were attempts")
        return agrees

    def abandoned(self, batch: FrameBatch) -> None:
        """Note that a worker did not finish this batch.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        if len(batch.frame_ids) == 1:
            self._poison.note_alone(batch.frame_ids[0])
        else:
            self._poison.note_batch(batch.frame_ids)

    def _in_parts(self, frame_ids: Sequence[str]) -> BatchReport:
        """Score a batch; if it fails, score its halves."""
        if not frame_ids:
            return BatchReport()
        try:
            report = self._score(FrameBatch(tuple(frame_ids)))
            self._works |= report.scored > 0
            return report
        except Exception as error:
            if _is_blameless(error):
                raise
            text = f"{type(error).__name__}: {error}"
            failure = _Failure(text, is_out_of_memory(error))
            alone = len(frame_ids) == 1
            log.warning(
                "a batch of %d failed (%s)%s",
                len(frame_ids),
                text,
                "" if alone else ", trying its halves",
                exc_info=alone and not failure.out_of_memory,
            )
        if alone:
            return self._failed_alone(frame_ids[0], failure)
        half = len(frame_ids) // 2
        return self._in_parts(frame_ids[:half]) + self._in_parts(frame_ids[half:])

    def _failed_alone(self, frame_id: str, failure: _Failure) -> BatchReport:
        works, self._works = self._works, False
        if works:
            failures = self._poison.note_alone(frame_id)
            if failures >= MAX_FAILURES and not self._has_failed(frame_id, failures):
                failures = self._poison.note_alone(frame_id)
        else:
            self._poison.note_batch([frame_id])
            failures = 0
        if failures < MAX_FAILURES:
            postpone(self._engine, [frame_id], until=self._clock() + RETRY_S)
            return BatchReport(postponed=1)
        if failure.out_of_memory:
            detail = f"not enough memory to score it ({failure.text})"
            return self._give_up(frame_id, "too_large", detail)
        return self._give_up(frame_id, "failed", failure.text)

    def _give_up(self, frame_id: str, reason: str, detail: str) -> BatchReport:
        entries = load_pending(self._engine, [frame_id])
        outcome = Quarantined(frame_id, reason, detail)
        given_up = finish(self._engine, [outcome], now=self._clock())
        self._poison.forget(frame_id)
        for entry in entries:
            log.warning("quarantined %s of camera %s: %s", entry.path, entry.camera, detail)
        return BatchReport(quarantined=len(given_up))
