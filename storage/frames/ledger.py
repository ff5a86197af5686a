"""The frame ledger: every uploaded file has one row in it and gets exactly one outcome.

::

    register ──▶ pending ──▶ scored | quarantined | superseded

A frame leaves `pending` once: every transition has the condition ``state = 'pending'`` in its own
statement. Quarantined frames become pending again only through `register` (a missing file
reappeared) and `requeue` (an operator's request). The database is authoritative, the queue a hint.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)

from storage.db.database import chunks, insert_into, reading, sent_rows, take_turns, writing
from storage.db.schema import (
    PENDING,
    QUARANTINED,
    SCORED,
    SUPERSEDED,
    cameras,
    frames,
    is_pending,
    is_quarantined,
)

#: Quarantine reason of a frame whose file no longer existed when a worker tried to read it.
MISSING: Final = "missing"
#: Longest lease in seconds. A lease that ends later was granted before the clock was set back.
LONGEST_LEASE_S: Final = 60.0
#: Characters to which a quarantine's explanation is truncated.
MAX_DETAIL: Final = 1000


_BIGINT = 2**63 - 1


@dataclass(frozen=True)
class NewFrame:
    """A settled file as the producer saw it."""

    camera: str
    root: str  #: the watch directory, in text form (`storage.files.paths`)
    path: str  #: relative to `root`, in text form
    mtime_ns: int
    size: int  #: bytes

    @property
    def frame_id(self) -> str:
        """BLAKE2b of camera, path, mtime and size, as 32 hexadecimal digits."""
        identity = f"{self.camera}\0{self.path}\0{self.mtime_ns}\0{self.size}"
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class LedgerFrame:
    """A pending frame's row in the ledger."""

    id: str
    camera: str
    root: str
    path: str
    mtime_ns: int
    size: int  #: bytes
    attempts: int  #: how often it was postponed
    seen_at: float  #: Unix s; when it was registered


@dataclass(frozen=True)
class Quarantined:
    """The outcome of a frame that cannot be scored."""

    frame_id: str
    reason: str  #: code: empty, corrupt, unsupported, too_large, missing, …
    detail: str  #: the same as a sentence


_LEDGER_COLUMNS = (
    frames.c.id,
    frames.c.camera,
    frames.c.root,
    frames.c.path,
    frames.c.mtime_ns,
    frames.c.size,
    frames.c.attempts,
    frames.c.seen_at,
)
_SENT = _LEDGER_COLUMNS[:6]  # from the producer; the other columns are the same for all new rows
_FRESH: Mapping[str, Any] = {"state": PENDING, "lease_until": 0.0, "attempts": 0}


def ledger_mtime_ns(status: os.stat_result) -> int:
    """The file's mtime in ns, clipped to the range of BIGINT, as the ledger stores it.

    A broken clock can date a file after the year 2262, which would overflow.
    """
    return max(-_BIGINT, min(status.st_mtime_ns, _BIGINT))


def register(
    engine: Engine, new_frames: Sequence[NewFrame], *, now: float, lease_until: float = 0.0
) -> list[str]:
    """Add frames to the ledger; rows of known frames are not changed.

    A frame that was quarantined as `missing` becomes pending again. Registered frames are not
    claimed before `lease_until` (Unix s), because the caller is about to queue them. Returns the
    ids of the frames that this call made pending, in the order given; their `arrival` numbers
    increase in that order and from call to call. `now` is in Unix s.

    Raises:
        DatabaseUnavailable: nothing was registered.
    """
    by_id = {frame.frame_id: frame for frame in new_frames}
    if not by_id:
        return []
    with writing(engine) as connection:
        # Otherwise producers that register the same files in a different order would deadlock, and
        # arrival numbers would become visible out of order.
        take_turns(connection, "thermalwatch register")
        rows = [{"id": frame_id, **vars(frame)} for frame_id, frame in by_id.items()]
        sent = sent_rows(connection, rows, _SENT)
        fixed = {"seen_at": now, **_FRESH, "lease_until": lease_until}
        # Don't lock rows that are already registered: a conflict would, in a different order than
        # workers do. A scalar subquery, because a join may reorder the rows.
        is_known = select(literal(False)).where(frames.c.id == sent.c.id, not_(_is_missing))
        is_new = func.coalesce(is_known.scalar_subquery(), True)
        insert = insert_into(connection, frames)
        fresh = insert.from_select(
            [*(column.name for column in _SENT), *fixed],
            select(*sent.c, *(literal(value) for value in fixed.values())).where(is_new),
        ).on_conflict_do_update(
            index_elements=["id"],
            set_={
                **fixed,
                "root": insert.excluded.root,
                "reason": None,
                "detail": None,
                "finished_at": None,
            },
            where=_is_missing,
        )
        registered = set(connection.scalars(fresh.returning(frames.c.id)))
        ids = [frame_id for frame_id in by_id if frame_id in registered]
        _note_cameras(connection, {by_id[frame_id].camera for frame_id in ids}, now)
    return ids


def _note_cameras(connection: Connection, names: set[str], now: float) -> None:
    if not names:
        return
    insert = insert_into(connection, cameras)
    noted = insert.on_conflict_do_update(
        index_elements=["name"], set_={"last_frame_at": insert.excluded.last_frame_at}
    )
    connection.execute(
        noted,
        [{"name": name, "first_seen_at": now, "last_frame_at": now} for name in sorted(names)],
    )


_is_missing = and_(is_quarantined, frames.c.reason == MISSING)


def known(engine: Engine, ids: Sequence[str]) -> set[str]:
    """The `ids` that are registered already.

    Frames quarantined as `missing` are left out: they must be registered again when seen.
    """
    with reading(engine) as connection:
        return {
            frame_id
            for chunk in chunks(ids)
            for frame_id in connection.scalars(
                select(frames.c.id).where(frames.c.id.in_(chunk), not_(_is_missing))
            )
        }


def claim_pending(engine: Engine, *, now: float, lease_s: float, limit: int) -> list[LedgerFrame]:
    """Claim the oldest pending frames whose lease has expired; lease them until ``now + lease_s``.

    Returns at most `limit` frames, oldest first. Safe for concurrent dispatchers: each frame goes
    to one of them. If the clock is set back, frames wait at most `LONGEST_LEASE_S`.
    """
    over = or_(frames.c.lease_until <= now, frames.c.lease_until > now + LONGEST_LEASE_S)
    due = (
        select(frames.c.arrival)
        .where(is_pending, over)
        .order_by(frames.c.arrival)
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
    with writing(engine) as connection:
        claimed = connection.execute(claim).all()
    claimed = sorted(claimed, key=lambda row: row.arrival)  # RETURNING does not guarantee an order
    return [LedgerFrame(*row[1:]) for row in claimed]


def lease(engine: Engine, ids: Sequence[str], *, until: float) -> None:
    """Prevent pending frames from being claimed before `until` (Unix s)."""
    _update_pending(engine, ids, {"lease_until": until})


def postpone(engine: Engine, ids: Sequence[str], *, until: float) -> None:
    """Make pending frames wait until `until` (Unix s), and count the attempt."""
    _update_pending(engine, ids, {"lease_until": until, "attempts": frames.c.attempts + 1})


def _update_pending(engine: Engine, ids: Sequence[str], values: Mapping[str, Any]) -> None:
    with writing(engine) as connection:
        for chunk in chunks(ids):
            due = _locked(chunk, is_pending)
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
                select(*_LEDGER_COLUMNS).where(frames.c.id.in_(chunk), is_pending)
            )
        }
    return [found[frame_id] for frame_id in dict.fromkeys(ids) if frame_id in found]


def finish(
    engine: Engine,
    *,
    quarantined: Sequence[Quarantined] = (),
    superseded: Sequence[str] = (),
    now: float,
) -> set[str]:
    """Record the outcome of pending frames that were not scored; return the ids recorded.

    `now` is in Unix s. Frames that are no longer pending are not changed.

    Raises:
        ValueError: a frame is given twice.
    """
    with writing(engine) as connection:
        return finish_within(connection, quarantined=quarantined, superseded=superseded, now=now)


def finish_within(
    connection: Connection,
    *,
    scored: Sequence[str] = (),
    quarantined: Sequence[Quarantined] = (),
    superseded: Sequence[str] = (),
    now: float,
) -> set[str]:
    """Do what `finish` does in the caller's transaction, for scored frames too.

    The frames stay locked until the transaction ends. Frames that are no longer pending are not
    changed and their ids are not returned.

    Raises:
        ValueError: a frame is given twice.
    """
    outcomes = dict.fromkeys(scored, SCORED) | dict.fromkeys(superseded, SUPERSEDED)
    outcomes |= {item.frame_id: QUARANTINED for item in quarantined}
    if len(outcomes) != len(scored) + len(quarantined) + len(superseded):
        raise ValueError("a frame was given twice; each can have only one outcome")
    pending = {
        frame_id
        for chunk in chunks(sorted(outcomes))
        for frame_id in connection.scalars(select(_locked(chunk, is_pending).c.id))
    }
    for outcome, ids in ((SCORED, scored), (SUPERSEDED, superseded)):
        for chunk in chunks([frame_id for frame_id in ids if frame_id in pending]):
            settled = update(frames).where(frames.c.id.in_(chunk), is_pending)
            connection.execute(settled.values(state=outcome, finished_at=now))
    rows = [
        {
            "frame": item.frame_id,
            "reason": item.reason,
            "detail": _storable(item.detail),
        }
        for item in quarantined
        if item.frame_id in pending
    ]
    if rows:
        settle = update(frames).where(frames.c.id == bindparam("frame"), is_pending)
        settle = settle.values(
            state=QUARANTINED,
            reason=bindparam("reason"),
            detail=bindparam("detail"),
            finished_at=now,
        )
        connection.execute(settle, rows)
    return pending


def requeue(engine: Engine, ids: Sequence[str], *, now: float) -> list[str]:
    """Make quarantined frames pending again, as if first seen at `now`; return their ids."""
    requeued: set[str] = set()
    with writing(engine) as connection:
        for chunk in chunks(ids):
            due = _locked(chunk, is_quarantined)
            again = (
                update(frames)
                .where(frames.c.arrival.in_(select(due.c.arrival)))
                .values(**_FRESH, seen_at=now, reason=None, detail=None, finished_at=None)
                .returning(frames.c.id)
            )
            requeued.update(connection.scalars(again))
    return [frame_id for frame_id in dict.fromkeys(ids) if frame_id in requeued]


def _locked(ids: Sequence[str], condition: ColumnElement[bool]) -> CTE:
    # Lock in the order of the ids, so that two workers with the same frames don't deadlock. SQLite
    # has a single writer and needs no row locks.
    return (
        select(frames.c.id, frames.c.arrival)
        .where(frames.c.id.in_(ids), condition)
        .order_by(frames.c.id)
        .with_for_update()
        .cte("locked")
    )


def _storable(detail: str) -> str:
    # Postgres rejects NUL and lone surrogates, and a decoder's message may quote any bytes.
    text = detail.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text[:MAX_DETAIL]
