"""All cameras with their latest results and pending frames, in a few index seeks per camera."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, cast

from sqlalchemy import Engine, bindparam, func, literal_column, select

from storage.db.database import reading
from storage.db.schema import cameras, frames, is_unreviewed, results


@dataclass(frozen=True)
class RecentResult:
    """The fields of a result that the wall shows; parsing the hotspots' JSON would be slow."""

    id: int
    captured_at: float  #: Unix s
    scored_at: float  #: Unix s
    score: float  #: σ
    threshold: float  #: σ
    anomaly: bool
    learning: bool
    held: bool
    max_temperature: float  #: in `temperature_unit`
    temperature_unit: str
    review: str | None  #: current verdict
    model_id: str
    body: float  #: σ; of the window at the decision

    @property
    def is_open(self) -> bool:
        """Whether it is an anomaly without a verdict."""
        return self.anomaly and self.review is None


_COLUMNS: Final = tuple(results.c[field.name] for field in fields(RecentResult))


@dataclass(frozen=True)
class CameraView:
    """A camera with its latest results."""

    name: str
    first_seen_at: float  #: Unix s
    last_frame_at: float  #: Unix s; when its latest frame was registered
    recent: tuple[RecentResult, ...]  #: latest capture first
    pending: int  #: number of pending frames
    unreviewed: int  #: number of anomalies without a verdict


def view_cameras(engine: Engine, *, recent: int) -> list[CameraView]:
    """Read all cameras by name, each with its latest `recent` results by time of capture."""
    latest = (
        select(*_COLUMNS)
        .where(results.c.camera == bindparam("camera"))
        .order_by(results.c.captured_at.desc(), results.c.id.desc())
        .limit(recent)
    )
    # a literal, because planners may not use a partial index for a parameter
    waiting = select(func.count()).where(
        frames.c.camera == bindparam("camera"), frames.c.state == literal_column("'pending'")
    )
    open_ = select(results.c.camera, func.count()).where(is_unreviewed).group_by(results.c.camera)
    with reading(engine) as connection:
        known = connection.execute(select(cameras).order_by(cameras.c.name)).all()
        unreviewed = {row[0]: row[1] for row in connection.execute(open_)}
        return [
            CameraView(
                name=row.name,
                first_seen_at=row.first_seen_at,
                last_frame_at=row.last_frame_at,
                recent=tuple(
                    RecentResult(*cast("tuple[Any, ...]", found))
                    for found in connection.execute(latest, {"camera": row.name})
                ),
                pending=connection.scalar(waiting, {"camera": row.name}) or 0,
                unreviewed=unreviewed.get(row.name, 0),
            )
            for row in known
        ]
