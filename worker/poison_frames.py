"""Poison frames: frames that may make workers fail, noted in Redis for all workers.

A note means that a frame must be scored alone, and counts how often that has failed. Notes lost
with Redis are made again when the frame fails again. Notes that cannot be ours are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

from redis import Redis
from redis.exceptions import ResponseError

from storage.redis_values import count_refusal, discard, is_malformed

T = TypeVar("T")

#: A hash: frame id → number of times that scoring the frame alone has failed. The key keeps its
#: original name, so that workers of different releases share their notes.
KEY: Final = "thermalwatch:suspects"
#: Seconds for which notes are kept after the latest one.
KEPT_S: Final = 24 * 3600
#: Failures of a frame on its own after which it is quarantined; no note counts further.
MAX_FAILURES: Final = 3


class PoisonFrames:
    """The notes in Redis. All methods raise `redis.RedisError` if it cannot be reached."""

    def __init__(self, redis: Redis):
        self._redis = redis

    def failures(self, frame_ids: Sequence[str]) -> dict[str, int]:
        """Frames that have a note, each with its number of failures alone."""
        found = self._mended(
            lambda: cast("list[bytes | None]", self._redis.hmget(KEY, list(frame_ids)))
        )
        notes = {}
        for frame_id, count in zip(frame_ids, found, strict=True):
            if count in _COUNTS:
                notes[frame_id] = _COUNTS.index(count)
            elif count is not None:
                self.refuse(frame_id, f"counts {count[:20]!r} failures")
        return notes

    def note_batch(self, frame_ids: Sequence[str]) -> None:
        """Note that any of these frames may have made the batch fail."""

        def note() -> None:
            with self._redis.pipeline() as pipeline:
                for frame_id in frame_ids:
                    pipeline.hsetnx(KEY, frame_id, 0)
                pipeline.expire(KEY, KEPT_S)
                pipeline.execute()

        self._mended(note)

    def note_alone(self, frame_id: str) -> int:
        """Note that scoring this frame alone failed; return how often it has failed."""
        failures = min(self.failures([frame_id]).get(frame_id, 0) + 1, MAX_FAILURES)
        with self._redis.pipeline() as pipeline:
            pipeline.hset(KEY, frame_id, failures)
            pipeline.expire(KEY, KEPT_S)
            pipeline.execute()
        return failures

    def forget(self, frame_id: str) -> None:
        """Delete the note of a frame that has an outcome, so that a requeue starts at zero."""
        self._mended(lambda: self._redis.hdel(KEY, frame_id))

    def refuse(self, frame_id: str, why: str) -> None:
        """Delete a note that does not come from a worker, and report it."""
        self.forget(frame_id)
        count_refusal(self._redis, "note", f"the note about frame {frame_id}", why)

    def _mended(self, action: Callable[[], T]) -> T:
        """The result of an action, after deleting a key that is no hash of notes."""
        try:
            return action()
        except ResponseError as error:
            if not is_malformed(error):
                raise
            discard(self._redis, "note", KEY, error)
            return action()


_COUNTS: Final = [str(count).encode() for count in range(MAX_FAILURES + 1)]
