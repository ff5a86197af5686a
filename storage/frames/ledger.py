"""The frame ledger: every uploaded file has one row in it and gets exactly one outcome.

::

    register ──▶ pending ──▶ scored | quarantined | superseded | duplicate

A frame leaves `pending` once: every transition has the condition ``state = 'pending'`` in its own
statement. Quarantined frames become pending again only through `register` (a file that could not be
read was seen again) and `requeue` (an operator's request). The database is authoritative, the queue
a hint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Connection, Engine, and_, or_, select, update

from storage.audit_log import PROGRAM, Actor, record_all
from storage.db.database import chunks, reading, writing
from storage.db.schema import PENDING, cameras, frames, is_pending, is_quarantined

#: Longest lease in seconds. A lease that ends later was granted before the clock was set back.
LONGEST_LEASE_S: Final = 60.0
#: State of a row that has just become pending.
FRESH: Final[Mapping[str, Any]] = {
    "state": PENDING,
    "lease_until": 0.0,
    "attempts": 0,
    "sha256": None,
}


@dataclass(frozen=True)
class LedgerFrame:
    """A pending frame's row in the ledger."""

    id: str
    camera: str
    root: str
    path: str
    mtime_ns: int
    size: int  #: bytes
    attempts: int  #: how often it was postponed or tried alone
    seen_at: float  #: Unix s; when it was registered
    ctime_ns: int | None = None  #: None: registered by the first release
    inode: int | None = None
    last_sha256: str | None = None  #: of the content that was last read at the frame's place


_EARLIER = frames.alias("earlier")
_last_read = (
    select(_EARLIER.c.sha256)
    .where(_EARLIER.c.place == frames.c.place, _EARLIER.c.sha256.is_not(None))
    .order_by(_EARLIER.c.arrival.desc())
    .limit(1)
    .scalar_subquery()
)
_LEDGER_COLUMNS = (
    frames.c.id,
    frames.c.camera,
    frames.c.root,
    frames.c.path,
    frames.c.mtime_ns,
    frames.c.size,
    frames.c.attempts,
    frames.c.seen_at,
    frames.c.ctime_ns,
    frames.c.inode,
)


def claim_pending(engine: Engine, *, now: float, lease_s: float, limit: int) -> list[LedgerFrame]:
    """Claim the oldest pending frames whose lease has expired; lease them until ``now + lease_s``.

    Returns at most `limit` frames, oldest first. Safe for concurrent dispatchers: each frame goes
    to one of them. If the clock is set back, frames wait at most `LONGEST_LEASE_S`.
    """
    with writing(engine) as connection:
        return _claim(connection, is_pending, now=now, lease_s=lease_s, limit=limit)


def claim_in_turn(engine: Engine, *, now: float, lease_s: float, limit: int) -> list[LedgerFrame]:
    """Claim frames as `claim_pending` does, from all cameras in turn.

    Of each camera's share, half are its newest frames: what happens now must not wait for an
    archive. The other half are its oldest, so that every frame's turn comes.
    """
    claimed: list[LedgerFrame] = []
    with writing(engine) as connection:
        due = select(cameras.c.name).where(
            select(frames.c.arrival)
            .where(frames.c.camera == cameras.c.name, is_pending, _is_over(now))
            .exists()
        )
        waiting = list(connection.scalars(due.order_by(cameras.c.name)))
        while waiting and len(claimed) < limit:
            still = []
            for number, camera in enumerate(waiting):
                share = math.ceil((limit - len(claimed)) / (len(waiting) - number))
                of_camera = and_(frames.c.camera == camera, is_pending)
                got: list[LedgerFrame] = []
                for newest, part in ((True, math.ceil(share / 2)), (False, share // 2)):
                    got += _claim(
                        connection, of_camera, now=now, lease_s=lease_s, limit=part, newest=newest
                    )
                claimed += got
                if len(got) == share:
                    still.append(camera)
            waiting = still
    return claimed


def _is_over(now: float) -> ColumnElement[bool]:
    return or_(frames.c.lease_until <= now, frames.c.lease_until > now + LONGEST_LEASE_S)


def _claim(
    connection: Connection,
    condition: ColumnElement[bool],
    *,
    now: float,
    lease_s: float,
    limit: int,
    newest: bool = False,
) -> list[LedgerFrame]:
    if limit == 0:
        return []
    due = (
        select(frames.c.arrival)
        .where(condition, _is_over(now))
        .order_by(frames.c.arrival.desc() if newest else frames.c.arrival)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    claim = (
        update(frames)
        .where(frames.c.arrival.in_(select(due.c.arrival)))
        .values(lease_until=now + lease_s)
        .returning(frames.c.arrival, *_LEDGER_COLUMNS)
    )
    claimed = connection.execute(claim).all()
    claimed = sorted(claimed, key=lambda row: row.arrival)  # RETURNING does not guarantee an order
    return [LedgerFrame(*row[1:]) for row in claimed]


def lease(engine: Engine, ids: Sequence[str], *, until: float) -> None:
    """Prevent pending frames from being claimed before `until` (Unix s)."""
    _update_pending(engine, ids, {"lease_until": until})


def postpone(engine: Engine, ids: Sequence[str], *, until: float) -> None:
    """Make pending frames wait until `until` (Unix s), and count the attempt."""
    _update_pending(engine, ids, {"lease_until": until, "attempts": frames.c.attempts + 1})


def note_attempt(engine: Engine, frame_id: str) -> None:
    """Count an attempt to score a pending frame that may make its worker fail."""
    _update_pending(engine, [frame_id], {"attempts": frames.c.attempts + 1})


def _update_pending(engine: Engine, ids: Sequence[str], values: Mapping[str, Any]) -> None:
    with writing(engine) as connection:
        for chunk in chunks(ids):
            due = locked(chunk, is_pending)
            connection.execute(
                update(frames).where(frames.c.arrival.in_(select(due.c.arrival))).values(values)
            )


def load_pending(engine: Engine, ids: Sequence[str]) -> list[LedgerFrame]:
    """The pending frames among `ids`, in the order given, without duplicates."""
    with reading(engine) as connection:
        found = {
            row.id: LedgerFrame(*row)
            for chunk in chunks(ids)
            for row in connection.execute(
                select(*_LEDGER_COLUMNS, _last_read).where(frames.c.id.in_(chunk), is_pending)
            )
        }
    return [found[frame_id] for frame_id in dict.fromkeys(ids) if frame_id in found]


def requeue(engine: Engine, ids: Sequence[str], *, now: float, by: Actor = PROGRAM) -> list[str]:
    """Make quarantined frames pending again, as if first seen at `now`; return their ids."""
    requeued: dict[str, str] = {}
    with writing(engine) as connection:
        for chunk in chunks(ids):
            due = locked(chunk, is_quarantined)
            again = (
                update(frames)
                .where(frames.c.arrival.in_(select(due.c.arrival)))
                .values(**FRESH, seen_at=now, reason=None, detail=None, finished_at=None)
                .returning(frames.c.id, frames.c.camera, frames.c.path)
            )
            found = connection.execute(again).all()
            requeued.update((row.id, f"{row.camera}: {row.path}") for row in found)
        record_all(connection, by, "requeue", requeued.items(), now=now)
    return [frame_id for frame_id in dict.fromkeys(ids) if frame_id in requeued]


def locked(ids: Sequence[str], condition: ColumnElement[bool]) -> CTE:
    """The frames among `ids` that fulfil `condition`, locked until the transaction ends."""
    # Lock in the order of the ids, so that two workers with the same frames don't deadlock. SQLite
    # has a single writer and needs no row locks.
    return (
        select(frames.c.id, frames.c.arrival)
        .where(frames.c.id.in_(ids), condition)
        .order_by(frames.c.id)
        .with_for_update()
        .cte("locked")
    )
