"""Reading the ledger: single frames, the quarantine, and a check of the whole."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from storage.db.database import reading
from storage.db.schema import (
    SCORED,
    cameras,
    frames,
    id_begins,
    is_expired,
    is_quarantined,
    results,
)
from storage.errors import AmbiguousFrame
from storage.frames.counts import LedgerCounts, counts_query


@dataclass(frozen=True)
class FrameRecord:
    """A frame's row in the ledger."""

    arrival: int  #: position in the order of arrival
    id: str
    camera: str
    root: str
    path: str
    mtime_ns: int
    size: int  #: bytes
    state: str  #: pending, scored, quarantined, superseded or duplicate
    reason: str | None  #: code of why it is quarantined
    detail: str | None  #: the same as a sentence
    seen_at: float  #: Unix s
    attempts: int
    finished_at: float | None  #: Unix s
    expired_at: float | None  #: Unix s; when retention deleted the result
    duplicate_of: str | None  #: of a duplicate: the id of the frame that it repeats


@dataclass(frozen=True)
class Audit:
    """Whether ledger and results agree, at one point in time."""

    counts: LedgerCounts
    scored_without_result: int  #: scored frames that have no result
    results_of_unscored: int  #: results of frames that are not scored
    expired: int  #: scored frames whose results retention has deleted

    @property
    def passed(self) -> bool:
        """Whether every frame has one outcome or is pending, and results exist accordingly."""
        return (
            self.counts.balanced
            and self.scored_without_result == 0
            and self.results_of_unscored == 0
        )


_RECORD = (
    frames.c.arrival,
    frames.c.id,
    frames.c.camera,
    frames.c.root,
    frames.c.path,
    frames.c.mtime_ns,
    frames.c.size,
    frames.c.state,
    frames.c.reason,
    frames.c.detail,
    frames.c.seen_at,
    frames.c.attempts,
    frames.c.finished_at,
    frames.c.expired_at,
    frames.c.duplicate_of,
)


def audit(engine: Engine) -> Audit:
    """Compare the whole ledger with all results; reads both tables once."""
    without_result = (
        select(func.count())
        .select_from(frames)
        .where(
            frames.c.state == SCORED,
            frames.c.expired_at.is_(None),
            ~select(results).where(results.c.frame_id == frames.c.id).exists(),
        )
    )
    of_unscored = (
        select(func.count()).select_from(results.join(frames)).where(frames.c.state != SCORED)
    )
    # In one statement, so that concurrent commits do not appear as differences.
    expired = select(func.count()).select_from(frames).where(is_expired)
    query = counts_query().add_columns(
        without_result.scalar_subquery(), of_unscored.scalar_subquery(), expired.scalar_subquery()
    )
    with reading(engine) as connection:
        *counts, without, unscored, gone = connection.execute(query).one()
    return Audit(LedgerCounts(*counts), without, unscored, gone)


def list_quarantined(
    engine: Engine, *, camera: str | None = None, before: int | None = None, limit: int = 50
) -> list[FrameRecord]:
    """A page of quarantined frames, latest arrival first.

    `before` is the `arrival` of the previous page's last frame.
    """
    query = select(*_RECORD).where(is_quarantined).order_by(frames.c.arrival.desc()).limit(limit)
    if camera is not None:
        query = query.where(frames.c.camera == camera)
    if before is not None:
        query = query.where(frames.c.arrival < before)
    with reading(engine) as connection:
        return [FrameRecord(**row._asdict()) for row in connection.execute(query)]


def newest_frames(engine: Engine) -> list[FrameRecord]:
    """The frame of each camera that arrived last, by camera."""
    newest = (
        select(frames.c.arrival)
        .where(frames.c.camera == cameras.c.name)
        .order_by(frames.c.arrival.desc())
        .limit(1)
        .scalar_subquery()
    )
    with reading(engine) as connection:
        arrivals = connection.scalars(select(newest).select_from(cameras)).all()
        query = select(*_RECORD).where(frames.c.arrival.in_(arrivals)).order_by(frames.c.camera)
        return [FrameRecord(**row._asdict()) for row in connection.execute(query)]


def find_frame(engine: Engine, prefix: str) -> FrameRecord | None:
    """Find the frame whose id starts with `prefix`, in any state; None if there is none.

    Raises:
        AmbiguousFrame: several frames match.
    """
    fitting = select(*_RECORD).where(id_begins(frames.c.id, prefix)).limit(2)
    with reading(engine) as connection:
        rows = connection.execute(fitting).all()
    if len(rows) > 1:
        raise AmbiguousFrame(f"several frame ids start with {prefix}; give more digits")
    return FrameRecord(**rows[0]._asdict()) if rows else None
