"""All cameras with their latest results and pending frames, in a few index seeks per camera."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, Row, Select, bindparam, func, literal_column, select

from storage.db.database import reading
from storage.db.schema import (
    cameras,
    frames,
    is_pending,
    is_quarantined,
    is_standing,
    is_unreviewed,
    results,
)

#: Latest results per camera that the wall shows, and by which its clock is judged.
RECENT: Final = 60


@dataclass(frozen=True)
class RecentResult:
    """The fields of a result that the wall shows; parsing the hotspots' JSON would be slow."""

    id: int
    sha256: str  #: of the file
    captured_at: float  #: Unix s
    arrived_at: float  #: Unix s
    scored_at: float  #: Unix s
    score: float  #: σ
    threshold: float  #: σ
    anomaly: bool
    learning: bool
    held: bool
    max_temperature: float  #: in `temperature_unit`
    temperature_unit: str
    saturated_px: int | None  #: pixels over range; None for rows of releases that did not count
    review: str | None  #: current verdict
    model_id: str
    body: float  #: σ; of the window at the decision


#: Failed uploads of a camera that are counted.
FAILED: Final = 100


@dataclass(frozen=True)
class FailedUploads:
    """Frames that were quarantined since a camera's last result."""

    count: int  #: at most `FAILED`
    reason: str  #: of the latest one
    since: float  #: Unix s; when the first of them arrived

    @property
    def is_limit(self) -> bool:
        """Whether there may be more."""
        return self.count == FAILED


_COLUMNS: Final = tuple(results.c[field.name] for field in fields(RecentResult))


@dataclass(frozen=True)
class CameraView:
    """A camera with its latest results."""

    name: str
    first_seen_at: float  #: Unix s
    last_frame_at: float  #: Unix s; when its latest frame was registered
    recent: tuple[RecentResult, ...]  #: latest arrival first
    pending: int  #: number of pending frames
    unreviewed: int  #: number of anomalies without a verdict
    confirmed: int  #: number of confirmed anomalies that nobody has called resolved
    #: the latest anomaly without a verdict, else the latest confirmed one that stands
    finding: RecentResult | None
    failed: FailedUploads | None  #: None: the latest frame with an outcome was scored
    oldest_pending_at: float | None  #: Unix s; when its oldest pending frame arrived


def view_cameras(engine: Engine, *, recent: int) -> list[CameraView]:
    """Read all cameras by name, each with its latest `recent` results by arrival."""
    latest = (
        select(*_COLUMNS)
        .where(results.c.camera == bindparam("camera"))
        .order_by(results.c.arrived_at.desc(), results.c.id.desc())
        .limit(recent)
    )
    # a literal, because planners may not use a partial index for a parameter
    waiting = select(func.count()).where(
        frames.c.camera == bindparam("camera"), frames.c.state == literal_column("'pending'")
    )
    of_camera = frames.c.camera == bindparam("camera")
    oldest = (
        select(frames.c.seen_at).where(of_camera, is_pending).order_by(frames.c.arrival).limit(1)
    )
    quarantined = (
        select(frames.c.seen_at, frames.c.reason, frames.c.arrival)
        .where(of_camera, is_quarantined)
        .order_by(frames.c.arrival.desc())
        .limit(FAILED)
    )
    newest = (
        select(func.max(frames.c.arrival))
        .join(results, results.c.frame_id == frames.c.id)
        .where(results.c.id.in_(bindparam("results", expanding=True)))
    )
    open_ = select(results.c.camera, func.count()).where(is_unreviewed).group_by(results.c.camera)
    standing = select(results.c.camera, func.count()).where(is_standing).group_by(results.c.camera)
    with reading(engine) as connection:
        known = connection.execute(select(cameras).order_by(cameras.c.name)).all()
        unreviewed = {row[0]: row[1] for row in connection.execute(open_)}
        confirmed = {row[0]: row[1] for row in connection.execute(standing)}
        views = []
        for row in known:
            camera = {"camera": row.name}
            found = _results(connection, latest, camera)
            finding: tuple[RecentResult, ...] = ()
            if row.name in unreviewed or row.name in confirmed:
                wanted = is_unreviewed if row.name in unreviewed else is_standing
                finding = _results(connection, latest.where(wanted).limit(1), camera)
            last = found[0].arrived_at if found else -math.inf
            failed = [f for f in connection.execute(quarantined, camera) if f.seen_at > last]
            if failed and found:
                # one that was requeued in vain is seen now, but keeps its arrival number
                ids = {"results": [result.id for result in found]}
                scored = connection.scalar(newest, ids) or 0
                failed = [f for f in failed if f.arrival > scored]
            views.append(
                CameraView(
                    name=row.name,
                    first_seen_at=row.first_seen_at,
                    last_frame_at=row.last_frame_at,
                    recent=found,
                    pending=connection.scalar(waiting, camera) or 0,
                    unreviewed=unreviewed.get(row.name, 0),
                    confirmed=confirmed.get(row.name, 0),
                    finding=finding[0] if finding else None,
                    failed=_failed_uploads(failed),
                    oldest_pending_at=connection.scalar(oldest, camera),
                )
            )
        return views


def _results(
    connection: Connection, query: Select[Any], camera: Mapping[str, str]
) -> tuple[RecentResult, ...]:
    rows = connection.execute(query, camera)
    return tuple(RecentResult(*cast("tuple[Any, ...]", row)) for row in rows)


def _failed_uploads(failed: Sequence[Row[*tuple[Any, ...]]]) -> FailedUploads | None:
    """Describe quarantined frames, latest first."""
    if not failed:
        return None
    return FailedUploads(len(failed), failed[0].reason, failed[-1].seen_at)
