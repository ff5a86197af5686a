"""A camera's results over time, for charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Connection,
    Engine,
    Select,
    func,
    select,
)

from storage.db.database import reading
from storage.db.schema import is_anomaly, results

#: Maximum number of anomalies listed in a series; the latest ones.
MOST_ANOMALIES: Final = 500
_DAY_S: Final = 86_400.0
_BATCH: Final = 20_000  # rows converted to an array at a time


@dataclass(frozen=True)
class SeriesPoint:
    """Consecutive frames, reduced to their extremes."""

    at: float  #: Unix s; arrival of the frame with the highest score
    id: int  #: of that frame's result
    frames: int  #: number of frames
    score: float  #: σ, highest
    min_score: float  #: σ
    threshold: float  #: σ, of the frame with the highest score
    max_temperature: float  #: in the series' `temperature_unit`
    saturated_px: int  #: most pixels over range in a frame
    anomalies: int  #: number of anomalies


@dataclass(frozen=True)
class AnomalyPoint:
    """An anomaly of a series."""

    id: int  #: of the result
    at: float  #: Unix s; arrival
    score: float  #: σ
    threshold: float  #: σ
    max_temperature: float  #: in the series' `temperature_unit`
    saturated_px: int | None  #: pixels over range; None if they were not counted
    review: str | None  #: current verdict


@dataclass(frozen=True)
class Series:
    """A camera's results over time."""

    since: float  #: Unix s, inclusive
    until: float  #: Unix s, exclusive
    frames: int  #: number of frames
    temperature_unit: str | None  #: of the latest frame
    points: tuple[SeriesPoint, ...]
    anomalies: tuple[AnomalyPoint, ...]


def read_series(
    engine: Engine,
    camera: str,
    *,
    since: float | None,
    until: float | None,
    points: int,
) -> Series:
    """Read the results that arrived in [since, until) (Unix s), reduced to at most `points` points.

    The default is the range from the earliest frame to the latest. Points cover equal intervals,
    so that gaps stay visible, and contain the extremes of their interval, so that no peak is lost.
    """
    frames = select(results.c.arrived_at, results.c.temperature_unit).where(
        results.c.camera == camera
    )
    at, number = results.c.arrived_at, results.c.id
    with reading(engine) as connection:
        latest = connection.execute(frames.order_by(at.desc(), number.desc()).limit(1)).first()
        earliest = connection.execute(frames.order_by(at, number).limit(1)).first()
        begin = since if since is not None else earliest.arrived_at if earliest else 0.0
        end = until if until is not None else latest.arrived_at + 1e-6 if latest else begin
        table = _read(connection, camera, begin, end)
        flagged = _anomalies(connection, camera, begin, end)
    return Series(
        since=begin,
        until=end,
        frames=len(table),
        temperature_unit=latest.temperature_unit if latest else None,
        points=tuple(_parts(table, begin, end, points)),
        anomalies=flagged,
    )


_TABLE: Final = np.dtype(
    [
        ("at", "f8"),
        ("id", "i8"),
        ("score", "f8"),
        ("threshold", "f8"),
        ("max_temperature", "f8"),
        ("saturated_px", "i8"),
        ("anomaly", "?"),
    ]
)


def _read(connection: Connection, camera: str, begin: float, end: float) -> NDArray[Any]:
    query = _between(
        select(
            results.c.arrived_at,
            results.c.id,
            results.c.score,
            results.c.threshold,
            results.c.max_temperature,
            func.coalesce(results.c.saturated_px, 0),
            results.c.anomaly,
        ),
        begin,
        end,
    ).where(results.c.camera == camera)
    query = query.order_by(results.c.arrived_at, results.c.id)
    with connection.execute(query.execution_options(yield_per=_BATCH)) as found:
        parts = [
            np.array([tuple(row) for row in part], dtype=_TABLE) for part in found.partitions()
        ]
    return np.concatenate(parts) if parts else np.empty(0, _TABLE)


def _parts(table: NDArray[Any], begin: float, end: float, most: int) -> Iterator[SeriesPoint]:
    if len(table) <= most:
        starts = np.arange(len(table))
    else:
        part = np.minimum((table["at"] - begin) * (most / (end - begin)), most - 1).astype(int)
        starts = np.flatnonzero(np.r_[True, part[1:] != part[:-1]])
    for start, stop in zip(starts, [*starts[1:], len(table)], strict=False):
        frames = table[start:stop]
        top = frames[int(frames["score"].argmax())]
        yield SeriesPoint(
            at=float(top["at"]),
            id=int(top["id"]),
            frames=len(frames),
            score=float(top["score"]),
            min_score=float(frames["score"].min()),
            threshold=float(top["threshold"]),
            max_temperature=float(frames["max_temperature"].max()),
            saturated_px=int(frames["saturated_px"].max()),
            anomalies=int(frames["anomaly"].sum()),
        )


def _anomalies(
    connection: Connection, camera: str, begin: float, end: float
) -> tuple[AnomalyPoint, ...]:
    query = _between(
        select(
            results.c.id,
            results.c.arrived_at,
            results.c.score,
            results.c.threshold,
            results.c.max_temperature,
            results.c.saturated_px,
            results.c.review,
        ),
        begin,
        end,
    ).where(results.c.camera == camera, is_anomaly)
    query = query.order_by(results.c.arrived_at.desc(), results.c.id.desc())
    rows = connection.execute(query.limit(MOST_ANOMALIES)).all()
    return tuple(AnomalyPoint(*row) for row in reversed(rows))


def _between(query: Select[Any], begin: float, end: float) -> Select[Any]:
    return query.where(results.c.arrived_at >= begin, results.c.arrived_at < end)
