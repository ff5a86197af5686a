"""Outcomes: what became of pending frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, and_, delete, select, update

from storage.db.database import chunks, sent_rows, writing
from storage.db.schema import (
    DUPLICATE,
    QUARANTINED,
    SCORED,
    SUPERSEDED,
    frames,
    is_pending,
    results,
)
from storage.frames.identity import NewFrame
from storage.frames.ledger import locked
from storage.frames.registration import register_within

#: Characters to which a quarantine's explanation is truncated.
MAX_DETAIL: Final = 1000
#: Seconds before what replaced an unread file is queued: its upload may still be going on.
SUCCESSOR_WAIT_S: Final = 2.0

_SETTLED: Final = (
    frames.c.state,
    frames.c.reason,
    frames.c.detail,
    frames.c.sha256,
    frames.c.duplicate_of,
)
_SEEN: Final = (
    frames.c.hint,
    frames.c.root,
    frames.c.mtime_ns,
    frames.c.size,
    frames.c.ctime_ns,
    frames.c.inode,
)


@dataclass(frozen=True)
class Scored:
    """The outcome of a frame that has a result."""

    frame_id: str
    sha256: str  #: of its content, hexadecimal


@dataclass(frozen=True)
class Quarantined:
    """The outcome of a frame that cannot be scored."""

    frame_id: str
    reason: str  #: code: empty, corrupt, unsupported, too_large, missing, …
    detail: str  #: the same as a sentence
    sha256: str | None = None  #: of its content, hexadecimal; None: it was not read


@dataclass(frozen=True)
class Superseded:
    """The outcome of a frame whose file changed before it was read."""

    frame_id: str
    successor: NewFrame | None  #: the file that lies there now


@dataclass(frozen=True)
class Repeated:
    """The outcome of a frame whose content was known already."""

    frame_id: str
    original_id: str  #: of the frame that it repeats
    sha256: str | None  #: of the content, hexadecimal; None: it was not read


Outcome = Scored | Quarantined | Superseded | Repeated


_STATES: Final[dict[type[Outcome], str]] = {
    Scored: SCORED,
    Quarantined: QUARANTINED,
    Superseded: SUPERSEDED,
    Repeated: DUPLICATE,
}


def finish(engine: Engine, outcomes: Sequence[Outcome], *, now: float) -> set[str]:
    """Record the outcomes of pending frames; return the ids recorded.

    `now` is in Unix s. Frames that are no longer pending are not changed. What lies in the place
    of superseded frames now becomes pending in the same transaction. A frame that repeats the
    content of its own place is no frame of its own: its row is deleted, and the row of the frame
    that it repeats takes over how the file was last seen.

    Raises:
        ValueError: a frame is given twice.
    """
    with writing(engine) as connection:
        return finish_within(connection, outcomes, now=now)


def finish_within(connection: Connection, outcomes: Sequence[Outcome], *, now: float) -> set[str]:
    """Do what `finish` does in the caller's transaction, which must not hold locks on frames.

    The frames stay locked until the transaction ends.

    Raises:
        ValueError: a frame is given twice.
    """
    by_id = {outcome.frame_id: outcome for outcome in outcomes}
    if len(by_id) != len(outcomes):
        raise ValueError("a frame was given twice; each can have only one outcome")
    successors = [item.successor for item in outcomes if isinstance(item, Superseded)]
    if files := [successor for successor in successors if successor is not None]:
        register_within(connection, files, now=now, lease_until=now + SUCCESSOR_WAIT_S)
    pending = {
        frame_id
        for chunk in chunks(sorted(by_id))
        for frame_id in connection.scalars(select(locked(chunk, is_pending).c.id))
    }
    repeated = [item for item in outcomes if isinstance(item, Repeated)]
    same_place = _refresh_originals(connection, [r for r in repeated if r.frame_id in pending])
    rows = [_row(by_id[frame_id]) for frame_id in pending - same_place]
    if rows:
        sent = sent_rows(connection, rows, (frames.c.id, *_SETTLED))
        values = {column.name: sent.c[column.name] for column in _SETTLED}
        settled = update(frames).where(frames.c.id == sent.c.id, is_pending)
        connection.execute(settled.values({**values, "finished_at": now}))
    return pending


def _row(outcome: Outcome) -> dict[str, object]:
    row: dict[str, object] = {**dict.fromkeys(column.name for column in _SETTLED)}
    row |= {"id": outcome.frame_id, "state": _STATES[type(outcome)]}
    if not isinstance(outcome, Superseded):
        row["sha256"] = outcome.sha256
    if isinstance(outcome, Quarantined):
        row |= {"reason": outcome.reason, "detail": _storable(outcome.detail)}
    if isinstance(outcome, Repeated):
        row["duplicate_of"] = outcome.original_id
    return row


def _refresh_originals(connection: Connection, repeated: Sequence[Repeated]) -> set[str]:
    """Settle the frames whose original is of the same place; return their ids."""
    ids = {frame_id for item in repeated for frame_id in (item.frame_id, item.original_id)}
    if not ids:
        return set()
    query = select(frames.c.id, frames.c.place, *_SEEN).where(frames.c.id.in_(ids))
    rows = {row.id: row for row in connection.execute(query)}
    settled = set()
    for item in repeated:
        seen, original = rows[item.frame_id], rows.get(item.original_id)
        if original is None or original.place != seen.place:
            continue
        settled.add(item.frame_id)
        connection.execute(delete(frames).where(frames.c.id == item.frame_id))
        connection.execute(
            update(frames)
            .where(frames.c.id == item.original_id)
            .values({column.name: getattr(seen, column.name) for column in _SEEN})
        )
        if seen.mtime_ns < original.mtime_ns:
            _correct_capture(connection, item.original_id, original.mtime_ns, seen.mtime_ns)
    return settled


def _correct_capture(connection: Connection, frame_id: str, old_ns: int, new_ns: int) -> None:
    # Some uploaders set the time of capture after the file was read. An earlier time is one; a
    # later one is that of whoever touched the file.
    derived = and_(results.c.frame_id == frame_id, results.c.captured_at == old_ns / 1e9)
    connection.execute(update(results).where(derived).values(captured_at=new_ns / 1e9))


def _storable(detail: str) -> str:
    # Postgres rejects NUL and lone surrogates, and a decoder's message may quote any bytes.
    text = detail.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text[:MAX_DETAIL]
