"""Poison frames: frames that were in work when a batch failed, noted in Redis for all workers.

A note says that a frame must be worked on alone, and how often that has failed already. Notes that
are lost with Redis are made again: what fails, fails again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from redis import Redis

#: A hash: frame id → number of times that working on the frame alone has failed. The key keeps its
#: first name, so that workers of different releases share their notes.
KEY: Final = "thermalwatch:suspects"
#: Seconds for which notes are kept after the last one was made.
KEPT_S: Final = 24 * 3600


class PoisonFrames:
    """The notes. All methods raise `redis.RedisError` when Redis cannot be reached."""

    def __init__(self, redis: Redis):
        self._redis = redis

    def failures(self, frame_ids: Sequence[str]) -> dict[str, int]:
        """Those of the frames that have a note, each with its failures alone."""
        found = cast("list[bytes | None]", self._redis.hmget(KEY, list(frame_ids)))
        return {
            frame_id: int(count)
            for frame_id, count in zip(frame_ids, found, strict=True)
            if count is not None
        }

    def note_batch(self, frame_ids: Sequence[str]) -> None:
        """Note that any of these frames may have made their batch fail."""
        with self._redis.pipeline() as pipeline:
            for frame_id in frame_ids:
                pipeline.hsetnx(KEY, frame_id, 0)
            pipeline.expire(KEY, KEPT_S)
            pipeline.execute()

    def note_alone(self, frame_id: str) -> int:
        """Note that working on this frame alone failed; return how often it has by now."""
        with self._redis.pipeline() as pipeline:
            pipeline.hincrby(KEY, frame_id, 1)
            pipeline.expire(KEY, KEPT_S)
            return int(pipeline.execute()[0])

    def forget(self, frame_id: str) -> None:
        """Drop the note of a frame that has its outcome: if it is requeued, it starts anew."""
        self._redis.hdel(KEY, frame_id)
