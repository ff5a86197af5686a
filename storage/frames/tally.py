"""Counting by ranges of an index, for who counts often."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from storage.db.database import reading
from storage.db.schema import cameras, frames, is_anomaly, is_pending, results


def camera_names(engine: Engine) -> list[str]:
    """Names of all cameras that have sent a frame."""
    with reading(engine) as connection:
        return list(connection.scalars(select(cameras.c.name).order_by(cameras.c.name)))


def count_frames(engine: Engine, camera: str, state: str) -> int:
    """Frames of a camera in a state; reads as many index entries as it counts."""
    query = select(func.count()).where(frames.c.camera == camera, frames.c.state == state)
    with reading(engine) as connection:
        return connection.scalar(query) or 0


def count_anomalies(engine: Engine, camera: str) -> int:
    """Flagged results of a camera, from the index that holds only those."""
    query = select(func.count()).where(results.c.camera == camera, is_anomaly)
    with reading(engine) as connection:
        return connection.scalar(query.select_from(results)) or 0


def count_results(engine: Engine, first: int, last: int) -> dict[str, int]:
    """Results with the numbers `first` to `last`, by camera."""
    if first > last:
        return {}
    query = (
        select(results.c.camera, func.count())
        .where(results.c.id >= first, results.c.id <= last)
        .group_by(results.c.camera)
    )
    with reading(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def last_result_id(engine: Engine) -> int:
    """The highest number of a result; 0 if there is none."""
    with reading(engine) as connection:
        return connection.scalar(select(func.max(results.c.id))) or 0


def first_result_since(engine: Engine, at: float) -> int:
    """About the lowest number of the results scored at `at` (Unix s) or later.

    Numbers rise with time but for transactions that overlap, so a binary search finds the place
    without an index on the time. One more than the highest number if all are earlier.
    """
    with reading(engine) as connection:
        low = connection.scalar(select(func.min(results.c.id))) or 1
        high = (connection.scalar(select(func.max(results.c.id))) or 0) + 1
        while low < high:
            middle = (low + high) // 2
            row = connection.execute(
                select(results.c.id, results.c.scored_at)
                .where(results.c.id >= middle)
                .order_by(results.c.id)
                .limit(1)
            ).one_or_none()
            if row is None or row.scored_at >= at:
                high = middle
            else:
                low = row.id + 1
    return low


def oldest_pending(engine: Engine) -> float | None:
    """When the frame that waits longest was noticed (Unix s); None if none waits."""
    query = select(frames.c.seen_at).where(is_pending).order_by(frames.c.arrival).limit(1)
    with reading(engine) as connection:
        return connection.scalar(query)


def latest_frames(engine: Engine) -> dict[str, float]:
    """When each camera's latest frame was noticed (Unix s)."""
    with reading(engine) as connection:
        rows = connection.execute(select(cameras.c.name, cameras.c.last_frame_at))
        return {row.name: row.last_frame_at for row in rows}
