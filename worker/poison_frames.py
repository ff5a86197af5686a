"""Poison frames: frames that may make workers fail, noted in Redis for all workers.

A note means that a frame must be scored alone, and counts how often that has failed. Notes lost
with Redis are made again when the frame fails again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from redis import Redis

#: A hash: frame id → number of times that scoring the frame alone has failed. The key keeps its
#: original name, so that workers of different releases share their notes.
KEY: Final = "thermalwatch:suspects"
#: Seconds for which notes are kept after the latest one.
KEPT_S: Final = 24 * 3600


class PoisonFrames:
    """The notes in Redis. All methods raise `redis.RedisError` if it cannot be reached."""

    def __init__(self, redis: Redis):
        self._redis = redis

    def failures(self, frame_ids: Sequence[str]) -> dict[str, int]:
        """Frames that have a note, each with its number of failures alone."""
        found = cast("list[bytes | None]", self._redis.hmget(KEY, list(frame_ids)))
        return {
            frame_id: int(count)
            for frame_id, count in zip(frame_ids, found, strict=True)
            if count is not None
        }

    def note_batch(self, frame_ids: Sequence[str]) -> None:
        """Note that any of these frames may have made the batch fail."""
        with self._redis.pipeline() as pipeline:
            for frame_id in frame_ids:
                pipeline.hsetnx(KEY, frame_id, 0)
            pipeline.expire(KEY, KEPT_S)
            pipeline.execute()

    def note_alone(self, frame_id: str) -> int:
        """Note that scoring this frame alone failed; return how often it has failed."""
        with self._redis.pipeline() as pipeline:
            pipeline.hincrby(KEY, frame_id, 1)
            pipeline.expire(KEY, KEPT_S)
            return int(pipeline.execute()[0])

    def forget(self, frame_id: str) -> None:
        """Delete the note of a frame that has an outcome, so that a requeue starts at zero."""
        self._redis.hdel(KEY, frame_id)
