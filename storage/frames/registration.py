"""Registration: the files that a producer found become pending frames, unless they are known.

A file is known if its hint is. Otherwise it gets a row of its own, except that

- a row of the first release, which stored no hint, takes over the hint of its file;
- a frame quarantined without having been read becomes pending again when its file is seen again:
  one that was missing or unreadable under the same hint, and any under another hint with the same
  mtime and size, because then only its name or permissions were changed;
- a missing frame whose file turns up at another place is a duplicate of the frame registered there.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    func,
    literal,
    not_,
    select,
    text,
    union,
    update,
)

from storage.db.database import chunks, insert_into, reading, sent_rows, take_turns, writing
from storage.db.schema import (
    DUPLICATE,
    QUARANTINED,
    cameras,
    frames,
    is_quarantined,
    is_unread,
)
from storage.frames.identity import NewFrame
from storage.frames.ledger import FRESH

#: Quarantine reason of a frame whose file no longer existed when a worker tried to read it.
MISSING: Final = "missing"
#: Quarantine reason of a frame whose file a worker had no permission to read.
UNREADABLE: Final = "unreadable"
#: Seconds after which an unreadable file is tried again if nothing about it seems to have changed:
#: permissions of a directory above it may have.
UNREADABLE_RETRY_S: Final = 60.0

#: What is stored about a file as it was last seen.
_SEEN = (
    frames.c.hint,
    frames.c.root,
    frames.c.place,
    frames.c.mtime_ns,
    frames.c.size,
    frames.c.ctime_ns,
    frames.c.inode,
)
_LOOKED_AT = (
    frames.c.arrival,
    frames.c.id,
    frames.c.hint,
    frames.c.place,
    frames.c.mtime_ns,
    frames.c.size,
    frames.c.inode,
    frames.c.state,
    frames.c.reason,
    frames.c.sha256,
)
# Written so that SQLite does not search by hint: after an upgrade most rows have none.
_is_old = func.coalesce(frames.c.hint, "") == ""
_is_missing = and_(is_quarantined, frames.c.reason == MISSING)
_is_unreadable = and_(is_quarantined, frames.c.reason == UNREADABLE)


@dataclass(frozen=True)
class KnownFiles:
    """What the ledger knows about files, by hint."""

    settled: frozenset[str]  #: nothing is to be done
    unreadable: frozenset[str]  #: no worker could read them a while ago; perhaps one can now


def known(engine: Engine, new_frames: Sequence[NewFrame], *, now: float) -> KnownFiles:
    """Look up which files are registered already. `now` is in Unix s.

    Frames quarantined as `missing` are left out: they must be registered again when seen. Files
    known only to the first release are left out too: registering them adds their hint.
    """
    settled: set[str] = set()
    unreadable: set[str] = set()
    waited = and_(_is_unreadable, frames.c.finished_at < now - UNREADABLE_RETRY_S)
    query = select(frames.c.hint, waited.label("waited")).where(not_(_is_missing))
    with reading(engine) as connection:
        for chunk in chunks([frame.hint for frame in new_frames]):
            for hint, again in connection.execute(query.where(frames.c.hint.in_(chunk))):
                (unreadable if again else settled).add(hint)
    return KnownFiles(frozenset(settled), frozenset(unreadable))


def register(
    engine: Engine, new_frames: Sequence[NewFrame], *, now: float, lease_until: float = 0.0
) -> list[str]:
    """Add files to the ledger as pending frames, unless they are known (see the module).

    Registered frames are not claimed before `lease_until` (Unix s), because the caller is about to
    queue them. Returns the ids of the frames that this call made pending, in the order given; the
    `arrival` numbers of new ones increase in that order and from call to call. `now` is in Unix s.

    Raises:
        DatabaseUnavailable: nothing was registered.
    """
    if not new_frames:
        return []
    with writing(engine) as connection:
        return register_within(connection, new_frames, now=now, lease_until=lease_until)


def register_within(
    connection: Connection, new_frames: Sequence[NewFrame], *, now: float, lease_until: float = 0.0
) -> list[str]:
    """Do what `register` does in the caller's transaction, which must not hold locks on frames."""
    # Otherwise producers that register the same files in a different order would deadlock, and
    # arrival numbers would become visible out of order.
    take_turns(connection, "thermalwatch register")
    plan = _plan({frame.hint: frame for frame in new_frames}, _rows_about(connection, new_frames))
    fresh = {**FRESH, "seen_at": now, "lease_until": lease_until}
    _update(connection, plan.adopted, _is_old, {})
    again = {**fresh, "reason": None, "detail": None, "finished_at": None}
    registered = _update(connection, plan.revived, is_quarantined, again)
    registered |= _insert(connection, plan.new, fresh)
    _settle_moved(connection, plan.moved)
    ids = [frame_id for frame_id in plan.ids if frame_id in registered]
    _note_cameras(connection, {plan.ids[frame_id].camera for frame_id in ids}, now)
    return ids


def _rows_about(connection: Connection, new_frames: Sequence[NewFrame]) -> Sequence[Row[Any]]:
    """The rows that may be about these files; each part of the query uses an index."""
    rows: list[Row[Any]] = []
    for some in chunks(new_frames, size=1000):
        about = (
            frames.c.hint.in_([frame.hint for frame in some]),
            frames.c.id.in_([frame.frame_id for frame in some]),
            and_(_is_old, frames.c.id.in_([frame.first_release_id for frame in some])),
            and_(is_unread, frames.c.place.in_([frame.place for frame in some])),
            and_(_is_missing, frames.c.inode.in_([frame.inode for frame in some if frame.inode])),
        )
        query = union(*(select(*_LOOKED_AT).where(each) for each in about))
        rows.extend(connection.execute(query))
    return rows


@dataclass
class _Plan:
    """What is to be done with files."""

    ids: dict[str, NewFrame] = field(default_factory=dict)  #: files to become pending, by frame id
    adopted: list[_Change] = field(default_factory=list)
    revived: list[_Change] = field(default_factory=list)
    new: list[_Change] = field(default_factory=list)
    moved: list[_Change] = field(default_factory=list)


@dataclass(frozen=True)
class _Change:
    frame_id: str
    file: NewFrame
    arrival: int | None = None  #: of the row to change; None: a new row


def _plan(by_hint: Mapping[str, NewFrame], rows: Sequence[Row[Any]]) -> _Plan:
    ids = {row.id for row in rows}
    hinted = {row.hint: row for row in rows if row.hint is not None}
    without = {row.id: row for row in rows if row.hint is None}
    unread = {
        (row.place, row.mtime_ns, row.size): row
        for row in sorted(rows, key=lambda row: row.arrival)
        if row.state == QUARANTINED and row.sha256 is None
    }
    missing = {(row.inode, row.mtime_ns, row.size): row for row in rows if row.reason == MISSING}
    plan = _Plan()
    for hint, file in by_hint.items():
        row = hinted.get(hint)
        if row is None and (row := without.get(file.first_release_id)) is not None:
            plan.adopted.append(_Change(row.id, file, row.arrival))
        if row is not None and row.reason not in (MISSING, UNREADABLE):
            continue
        row = row or unread.get((file.place, file.mtime_ns, file.size))
        if row is not None:
            plan.revived.append(_Change(row.id, file, row.arrival))
            plan.ids[row.id] = file
            continue
        # a hint may return after it was replaced by another one, on file systems with coarse times
        frame_id = uuid.uuid4().hex if hint in ids else file.frame_id
        plan.new.append(_Change(frame_id, file))
        plan.ids[frame_id] = file
        gone = missing.get((file.inode, file.mtime_ns, file.size))
        if gone is not None and gone.place != file.place:
            plan.moved.append(_Change(frame_id, file, gone.arrival))
    return plan


def _values(change: _Change) -> dict[str, object]:
    return {
        "id": change.frame_id,
        "hint": change.file.hint,
        "place": change.file.place,
        **vars(change.file),
    }


def _update(
    connection: Connection,
    changes: Sequence[_Change],
    condition: ColumnElement[bool],
    values: Mapping[str, object],
) -> set[str]:
    """Give rows the state of their files and these values; return the ids changed."""
    if not changes:
        return set()
    rows = [{"arrival": change.arrival, **_values(change)} for change in changes]
    sent = sent_rows(connection, rows, (frames.c.arrival, *_SEEN))
    changed = (
        update(frames)
        .where(frames.c.arrival == sent.c.arrival, condition)
        .values({**{column.name: sent.c[column.name] for column in _SEEN}, **values})
        .returning(frames.c.id)
    )
    return set(connection.scalars(changed))


def _insert(
    connection: Connection, new: Sequence[_Change], values: Mapping[str, object]
) -> set[str]:
    if not new:
        return set()
    columns = (frames.c.id, frames.c.camera, frames.c.path, *_SEEN)
    sent = sent_rows(connection, [_values(change) for change in new], columns)
    # A conflict means that a worker has just stored the same hint, or an older producer the row.
    added = (
        insert_into(connection, frames)
        .from_select(
            [*(column.name for column in columns), *values],
            # SQLite cannot parse ON CONFLICT after a SELECT without WHERE
            select(*sent.c, *(literal(value) for value in values.values())).where(text("true")),
        )
        .on_conflict_do_nothing()
        .returning(frames.c.id)
    )
    return set(connection.scalars(added))


def _settle_moved(connection: Connection, moved: Sequence[_Change]) -> None:
    for change in moved:
        connection.execute(
            update(frames)
            .where(frames.c.arrival == change.arrival, _is_missing)
            .values(state=DUPLICATE, duplicate_of=change.frame_id, reason=None, detail=None)
        )


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
