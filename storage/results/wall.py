"""Every camera at a glance: its latest results, and what waits. Index seeks per camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Engine, bindparam, func, literal_column, select

from storage.db.database import reading
from storage.db.schema import cameras, frames, is_unreviewed, results

#: What the wall needs of a result; `row_from_database` would read the hotspots' JSON as well.
_COLUMNS: Final = (
    results.c.id,
    results.c.captured_at,
    results.c.scored_at,
    results.c.score,
    results.c.threshold,
    results.c.anomaly,
    results.c.learning,
    results.c.held,
    results.c.max_temperature,
    results.c.temperature_unit,
    results.c.review,
    results.c.model_id,
    results.c.body,
)


@dataclass(frozen=True)
class Glimpse:
    """A result as the wall shows it."""

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
        """Whether it is flagged and nobody has decided about it."""
        return self.anomaly and self.review is None


@dataclass(frozen=True)
class CameraView:
    """A camera with its recent past."""

    name: str
    first_seen_at: float  #: Unix s
    last_frame_at: float  #: Unix s; when its latest frame was entered into the ledger
    recent: tuple[Glimpse, ...]  #: latest capture first
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
    # spelled out, so that the index on camera and state serves it alone
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
                    Glimpse(*cast("tuple[Any, ...]", found))
                    for found in connection.execute(latest, {"camera": row.name})
                ),
                pending=connection.scalar(waiting, {"camera": row.name}) or 0,
                unreviewed=unreviewed.get(row.name, 0),
            )
            for row in known
        ]
