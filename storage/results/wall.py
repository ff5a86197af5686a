"""All cameras with their latest results and pending frames: a few index seeks per camera."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, cast

from sqlalchemy import Engine, bindparam, func, literal_column, select

from storage.db.database import reading
from storage.db.schema import cameras, frames, is_unreviewed, results


@dataclass(frozen=True)
class RecentResult:
    """What the wall shows of a result; its hotspots, in JSON, would be slow to read."""

    id: int
    captured_at: float  #: Unix s
    scored_at: float  #: Unix s
    score: float  #: σ
    threshold: float  #: σ
    anomaly: bool
    learning: bool
    held: bool
    max_temperature: float
    temperature_unit: str
    review: str | None
    model_id: str
    body: float  #: σ, of the window that decided

    @property
    def is_open(self) -> bool:
        """Whether it is flagged and has no verdict."""
        return self.anomaly and self.review is None


_COLUMNS: Final = tuple(results.c[field.name] for field in fields(RecentResult))


@dataclass(frozen=True)
class CameraView:
    """A camera with its latest results."""

    name: str
    first_seen_at: float  #: Unix s
    last_frame_at: float  #: Unix s; when its latest frame was registered
    recent: tuple[RecentResult, ...]  #: latest capture first
    pending: int
    unreviewed: int


def view_cameras(engine: Engine, *, recent: int) -> list[CameraView]:
    """All cameras by name, each with its `recent` latest results by time of capture."""
    latest = (
        select(*_COLUMNS)
        .where(results.c.camera == bindparam("camera"))
        .order_by(results.c.captured_at.desc(), results.c.id.desc())
        .limit(recent)
    )
    # a literal, not a parameter, so that the partial index can serve it
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
