"""The frame ledger: every uploaded file has one row here and reaches exactly one outcome.

::

    register ──▶ pending ──▶ scored | quarantined | superseded

A frame leaves `pending` once: every transition asks for ``state = 'pending'`` in the statement
that makes it. Only `register` (a file that was missing is back) and `requeue` (an operator asks)
bring a quarantined frame back. The database is the truth; what is on the queue is a hint.
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

#: Reason of a frame whose file was gone when a worker came to read it.
MISSING: Final = "missing"
#: No lease is longer, in seconds: one that ends later was given before the clock went back.
LONGEST_LEASE_S: Final = 60.0
#: Characters of a quarantine's explanation that are kept.
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
        """32 hexadecimal digits: BLAKE2b of camera, path, mtime and size."""
        identity = f"{self.camera}\0{self.path}\0{self.mtime_ns}\0{self.size}"
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class LedgerFrame:
    """A pending frame as the ledger holds it."""

    id: str
    camera: str
    root: str
    path: str
    mtime_ns: int
    size: int
    attempts: int  #: how often it was postponed
    seen_at: float  #: Unix s; when it was registered


@dataclass(frozen=True)
class Quarantined:
    """The outcome of a frame that cannot be scored."""

    frame_id: str
    reason: str  #: machine word: empty, corrupt, unsupported, too_large, missing, …
    detail: str  #: sentence for people


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
_SENT = _LEDGER_COLUMNS[:6]  # what the producer says; the rest of a new row is the same for all
_FRESH: Mapping[str, Any] = {"state": PENDING, "lease_until": 0.0, "attempts": 0}


def ledger_mtime_ns(status: os.stat_result) -> int:
    """The mtime of a file as the ledger holds it.

    A broken clock can date a file past the year 2262, which no BIGINT of nanoseconds holds.
    """
    return max(-_BIGINT, min(status.st_mtime_ns, _BIGINT))


def register(
    engine: Engine, new_frames: Sequence[NewFrame], *, now: float, lease_until: float = 0.0
) -> list[str]:
    """Enter frames into the ledger; known ones are left as they are.

    A frame that was quarantined as `missing` and is seen again becomes pending again. No entered
    frame is claimed before `lease_until` (Unix s): the caller is about to queue it.
    Returns the ids that are pending because of this call, in the order given. `arrival` numbers
    rise in that order and from call to call.

    Raises:
        DatabaseUnavailable: nothing was registered.
    """
    by_id = {frame.frame_id: frame for frame in new_frames}
    if not by_id:
        return []
    with writing(engine) as connection:
        # Producers that register the same files in another order would deadlock; and numbers
        # would become visible in another order than they were given out in.
        take_turns(connection, "thermalwatch register")
        rows = [{"id": frame_id, **vars(frame)} for frame_id, frame in by_id.items()]
        sent = sent_rows(connection, rows, _SENT)
        fixed = {"seen_at": now, **_FRESH, "lease_until": lease_until}
        # A conflict would lock the known row, in another order than workers lock such rows in. As
        # a value, not as a join, which may change the order of the rows.
        is_settled = select(literal(False)).where(frames.c.id == sent.c.id, not_(_is_missing))
        is_news = func.coalesce(is_settled.scalar_subquery(), True)
        insert = insert_into(connection, frames)
        fresh = insert.from_select(
            [*(column.name for column in _SENT), *fixed],
            select(*sent.c, *(literal(value) for value in fixed.values())).where(is_news),
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
    """Those of `ids` that need no registration.

    A frame quarantined as `missing` is not among them: seeing it again is news.
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
    """Take the oldest pending frames whose lease ran out, and lease them until ``now + lease_s``.

    Any number of dispatchers may ask at once; no frame goes to two of them. Oldest first. A clock
    that goes back holds no frame for longer than `LONGEST_LEASE_S`.
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
    claimed = sorted(claimed, key=lambda row: row.arrival)  # RETURNING promises no order
    return [LedgerFrame(*row[1:]) for row in claimed]


def lease(engine: Engine, ids: Sequence[str], *, until: float) -> None:
    """Keep pending frames from being claimed before `until` (Unix s)."""
    _update_pending(engine, ids, {"lease_until": until})


def postpone(engine: Engine, ids: Sequence[str], *, until: float) -> None:
    """Try pending frames again after `until` (Unix s), and count the attempt."""
    _update_pending(engine, ids, {"lease_until": until, "attempts": frames.c.attempts + 1})


def _update_pending(engine: Engine, ids: Sequence[str], values: Mapping[str, Any]) -> None:
    with writing(engine) as connection:
        for chunk in chunks(ids):
            due = _locked(chunk, is_pending)
            connection.execute(
                update(frames).where(frames.c.arrival.in_(select(due.c.arrival))).values(values)
            )


def load_pending(engine: Engine, ids: Sequence[str]) -> list[LedgerFrame]:
    """Those of `ids` that are pending, in the order given, each once."""
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
    """Give pending frames that were not scored their outcome; return the ids that got it now.

    Raises:
        ValueError: a frame is named twice.
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
    """`finish` inside a transaction of the caller's, for scored frames too.

    The frames stay locked until that transaction ends. Frames that are no longer pending are
    left alone and are not among the ids returned.
    """
    outcomes = dict.fromkeys(scored, SCORED) | dict.fromkeys(superseded, SUPERSEDED)
    outcomes |= {item.frame_id: QUARANTINED for item in quarantined}
    if len(outcomes) != len(scored) + len(quarantined) + len(superseded):
        raise ValueError("a frame can have one outcome only, but one was named twice")
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
    """Make quarantined frames pending again, as if just seen; return the ids of those."""
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
    # Locks are taken in the order of the ids: two workers that were given the same frames wait
    # for each other instead of deadlocking. SQLite has one writer at a time and needs no lock.
    return (
        select(frames.c.id, frames.c.arrival)
        .where(frames.c.id.in_(ids), condition)
        .order_by(frames.c.id)
        .with_for_update()
        .cte("locked")
    )


def _storable(detail: str) -> str:
    # Postgres takes neither NUL nor halves of surrogate pairs, and a decoder's message may quote
    # any bytes: they must not keep a frame from its quarantine.
    text = detail.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text[:MAX_DETAIL]
