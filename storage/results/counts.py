"""Counting results: by UTC day, by camera, and by ranges of their ids for those who count often."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Double, Engine, case, cast, func, literal, select

from storage.db.database import reading
from storage.db.schema import is_anomaly, results
from storage.results.queries import ResultQuery

_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class DayCount:
    """The results of one UTC day."""

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
    max_score: float
    max_temperature: float
    temperature_unit: str


def count_days(
    engine: Engine,
    *,
    camera: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> list[DayCount]:
    """Results and anomalies of each UTC day that has any, earliest first."""
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
    """Results and anomalies of each camera that has any, by name."""
    chosen = ResultQuery(camera=camera, since=since, until=until)
    return [CameraCount(*counted) for counted in _count(engine, chosen, results.c.camera)]


def _count(
    engine: Engine, query: ResultQuery, group: ColumnElement[Any]
) -> list[tuple[Any, int, int]]:
    """Results and anomalies of each group: of two indexes, without a look at the table."""
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
    """Each camera's days that have results, earliest first; reads the rows of that time once."""
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
        )
    )
    query = query.group_by(day, results.c.camera).order_by(day, results.c.camera)
    with reading(engine) as connection:
        return [CameraDay(_date(number), *rest) for number, *rest in connection.execute(query)]


def _utc_day(engine: Engine) -> ColumnElement[Any]:
    """The UTC day of capture, as the number of days since 1970."""
    days = results.c.captured_at / literal(_DAY_S, Double)
    # A cast truncates in SQLite, which may lack floor(); in Postgres it would round.
    return cast(days, BigInteger) if engine.dialect.name == "sqlite" else func.floor(days)


def _date(number: float) -> date:
    return datetime(1970, 1, 1, tzinfo=UTC).date() + timedelta(days=int(number))


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
