"""Ledger counts: how many frames were seen and what became of them.

`ledger_counts` reads the whole ledger. The other functions read a few index entries and can be
called often.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, Select, func, select

from storage.db.database import reading
from storage.db.schema import cameras, frames, is_pending, is_quarantined, results


@dataclass(frozen=True)
class LedgerCounts:
    """Frames seen, and frames in each state of the ledger."""

    seen: int
    scored: int
    quarantined: int
    superseded: int
    duplicate: int
    pending: int

    @property
    def by_state(self) -> dict[str, int]:
        """Frames by state, without `seen`."""
        counted = asdict(self)
        del counted["seen"]
        return counted

    @property
    def balanced(self) -> bool:
        """Whether the states add up to the frames seen."""
        return self.seen == sum(self.by_state.values())

    def __str__(self) -> str:
        """``301 seen = 300 scored + 1 quarantined + …``"""
        terms = " + ".join(f"{number} {state}" for state, number in self.by_state.items())
        return f"{self.seen} seen = {terms}"


@dataclass(frozen=True)
class Camera:
    """A camera that has sent at least one frame."""

    name: str
    first_seen_at: float  #: Unix s
    last_frame_at: float  #: Unix s; when its latest frame was registered


def list_cameras(engine: Engine) -> list[Camera]:
    """All cameras that have sent a frame, by name."""
    with reading(engine) as connection:
        rows = connection.execute(select(cameras).order_by(cameras.c.name))
        return [Camera(row.name, row.first_seen_at, row.last_frame_at) for row in rows]


def ledger_counts(engine: Engine, camera: str | None = None) -> LedgerCounts:
    """The counts of one camera or of all cameras, at one point in time."""
    query = counts_query()
    if camera is not None:
        query = query.where(frames.c.camera == camera)
    with reading(engine) as connection:
        return LedgerCounts(*connection.execute(query).one())


def counts_query() -> Select[*tuple[Any, ...]]:
    """The query that returns a `LedgerCounts`. `seen` is counted independently of the states."""
    states = list(LedgerCounts.__dataclass_fields__)[1:]
    by_state = (func.count().filter(frames.c.state == state) for state in states)
    return select(func.count(), *by_state).select_from(frames)


def count_frames(engine: Engine, camera: str, state: str) -> int:
    """Number of frames of a camera in a state; reads one index entry per frame."""
    query = select(func.count()).where(frames.c.camera == camera, frames.c.state == state)
    with reading(engine) as connection:
        return connection.scalar(query) or 0


def last_outcome(engine: Engine) -> float | None:
    """When a frame last got a result or was quarantined (Unix s); None if there is no outcome."""
    latest = (
        select(results.c.scored_at).order_by(results.c.id.desc()).limit(1).scalar_subquery(),
        select(func.max(frames.c.finished_at)).where(is_quarantined).scalar_subquery(),
    )
    with reading(engine) as connection:
        times = [when for when in connection.execute(select(*latest)).one() if when is not None]
    return max(times, default=None)


def oldest_pending(engine: Engine) -> float | None:
    """When the oldest pending frame was registered (Unix s); None if no frame is pending."""
    query = select(frames.c.seen_at).where(is_pending).order_by(frames.c.arrival).limit(1)
    with reading(engine) as connection:
        return connection.scalar(query)
