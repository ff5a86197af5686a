"""Counts of results by UTC day, by camera, and by ranges of their ids for frequent counting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Double, Engine, case, cast, func, literal, select

from storage.db.database import reading
from storage.db.schema import is_anomaly, is_unreviewed, results
from storage.results.queries import ResultQuery

_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class DayCount:
    """The results of the frames that arrived on one UTC day."""

    day: date
    frames: int
    anomalies: int


@dataclass(frozen=True)
class CameraCount:
    """The results of one camera."""

    name: str
    frames: int
    anomalies: int


@dataclass(frozen=True)
class CameraDay:
    """The results of one camera on one UTC day."""

    day: date
    camera: str
    frames: int
    anomalies: int
    max_score: float  #: σ
    max_temperature: float  #: in `temperature_unit`
    temperature_unit: str
    saturated_frames: int  #: number of frames with pixels over range


def count_days(
    engine: Engine,
    *,
    camera: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> list[DayCount]:
    """Count results and anomalies per UTC day, earliest first, without days that have none.

    Counts what arrived in [`since`, `until`) (Unix s), of one camera or of all.
    """
    day = _utc_day(engine)
    chosen = ResultQuery(camera=camera, since=since, until=until)
    return [
        DayCount(_date(number), found, anomalies)
        for number, found, anomalies in _count(engine, chosen, day)
    ]


def count_cameras(
    engine: Engine,
    *,
    camera: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> list[CameraCount]:
    """Count results and anomalies per camera, by name, without cameras that have none.

    Counts what arrived in [`since`, `until`) (Unix s).
    """
    chosen = ResultQuery(camera=camera, since=since, until=until)
    return [CameraCount(*counted) for counted in _count(engine, chosen, results.c.camera)]


def _count(
    engine: Engine, query: ResultQuery, group: ColumnElement[Any]
) -> list[tuple[Any, int, int]]:
    """Count results and anomalies per group, from two indexes without reading the table."""
    of_anomalies = replace(query, prediction="Anomaly")
    with reading(engine) as connection:
        counted, anomalies = (
            {
                key: number
                for key, number in connection.execute(
                    asked.restrict(select(group, func.count())).group_by(group)
                )
            }
            for asked in (query, of_anomalies)
        )
    return [(key, counted[key], anomalies.get(key, 0)) for key in sorted(counted)]


def camera_days(
    engine: Engine, *, since: float, until: float, camera: str | None = None
) -> list[CameraDay]:
    """Summarize each camera's days that have results, earliest first.

    Reads each row that arrived in [`since`, `until`) (Unix s) once.
    """
    day = _utc_day(engine)
    chosen = ResultQuery(camera=camera, since=since, until=until)
    query = chosen.restrict(
        select(
            day.label("day"),
            results.c.camera,
            func.count(),
            func.sum(case((results.c.anomaly, 1), else_=0)),
            func.max(results.c.score),
            func.max(results.c.max_temperature),
            func.max(results.c.temperature_unit),
            func.sum(case((results.c.saturated_px > 0, 1), else_=0)),
        )
    )
    query = query.group_by(day, results.c.camera).order_by(day, results.c.camera)
    with reading(engine) as connection:
        return [CameraDay(_date(number), *rest) for number, *rest in connection.execute(query)]


def _utc_day(engine: Engine) -> ColumnElement[Any]:
    """The UTC day of arrival, as the number of days since 1970."""
    days = results.c.arrived_at / literal(_DAY_S, Double)
    # SQLite may lack floor(), but its cast truncates; Postgres's cast rounds.
    return cast(days, BigInteger) if engine.dialect.name == "sqlite" else func.floor(days)


def _date(number: float) -> date:
    return datetime(1970, 1, 1, tzinfo=UTC).date() + timedelta(days=int(number))


def count_anomalies(engine: Engine, camera: str) -> int:
    """Count a camera's anomalies, from the partial index of anomalies."""
    query = select(func.count()).where(results.c.camera == camera, is_anomaly)
    with reading(engine) as connection:
        return connection.scalar(query.select_from(results)) or 0


def count_unreviewed(engine: Engine) -> int:
    """Count the anomalies without a verdict, from their partial index."""
    query = select(func.count()).where(is_unreviewed).select_from(results)
    with reading(engine) as connection:
        return connection.scalar(query) or 0


def count_results(engine: Engine, first: int, last: int) -> dict[str, int]:
    """Count the results with ids `first` to `last` (inclusive), by camera."""
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
    """The highest id of a result; 0 if there are no results."""
    with reading(engine) as connection:
        return connection.scalar(select(func.max(results.c.id))) or 0


def first_result_since(engine: Engine, at: float) -> int:
    """Find approximately the lowest id among results scored at `at` (Unix s) or later.

    Ids increase with time except where transactions overlap, so a binary search needs no index on
    the time. Returns the highest id plus one if all results are earlier.
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
