"""Finds frames whose content is known already: read again, renamed or moved.

- The content that was last read at the same place is the same frame. It was uploaded again, or the
  file was only touched.
- A file with the content, and the mtime or inode, of another frame whose own path is gone was
  moved. Without the mtime or inode it may be another upload that happens to be equal, of a camera
  that stands still; and while the old path exists, the file is a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, func, or_, select

from storage.db.database import reading, sent_rows
from storage.db.schema import frames
from storage.frames.ledger import LedgerFrame


@dataclass(frozen=True)
class ReadFrame:
    """A pending frame and its content."""

    frame_id: str
    sha256: str  #: hexadecimal


@dataclass(frozen=True)
class Original:
    """A frame whose content a pending frame has."""

    frame_id: str  #: of the pending frame
    original_id: str  #: of the frame that has an outcome
    same_place: bool  #: False: it may have been moved
    root: str  #: of the original, in text form
    path: str  #: likewise, relative to `root`


def find_originals(engine: Engine, read: Sequence[ReadFrame]) -> list[Original]:
    """Find the frames that these pending frames may repeat, at most two for each.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    if not read:
        return []
    with reading(engine) as connection:
        return originals_within(connection, read)


def originals_within(connection: Connection, read: Sequence[ReadFrame]) -> list[Original]:
    """Do what `find_originals` does in the caller's transaction."""
    rows = [{"id": item.frame_id, "sha256": item.sha256} for item in read]
    ids = [item.frame_id for item in read]
    sent = sent_rows(connection, rows, (frames.c.id, frames.c.sha256))
    mine, other = frames.alias("mine"), frames.alias("other")
    others = other.c.id.not_in(ids)
    last_here = (
        select(func.max(other.c.arrival))
        .where(other.c.place == mine.c.place, other.c.sha256.is_not(None), others)
        .correlate(mine)
        .scalar_subquery()
    )
    # A deleted file's inode is soon reused; a file that was only renamed was not written since.
    same_inode = and_(
        other.c.inode == mine.c.inode,
        mine.c.inode != 0,
        mine.c.mtime_ns < other.c.seen_at * 1e9,
    )
    moved_file = or_(same_inode, other.c.mtime_ns == mine.c.mtime_ns)
    last_elsewhere = (
        select(func.max(other.c.arrival))
        .where(
            other.c.sha256 == sent.c.sha256,
            other.c.place != mine.c.place,
            other.c.size == mine.c.size,
            moved_file,
            others,
        )
        .correlate(mine, sent)
        .scalar_subquery()
    )
    # Postgres takes rows sent as JSON for many and would scan the table; it knows the ids' number.
    query = select(mine.c.id, last_here, last_elsewhere).where(mine.c.id.in_(ids))
    last = connection.execute(query.join(sent, mine.c.id == sent.c.id)).all()
    found = _by_arrival(connection, {arrival for row in last for arrival in row[1:] if arrival})
    sha256 = {item.frame_id: item.sha256 for item in read}
    originals = []
    for frame_id, here, elsewhere in last:
        same, moved = found.get(here), found.get(elsewhere)
        if same is not None and same.sha256 == sha256[frame_id]:
            originals.append(Original(frame_id, same.id, True, same.root, same.path))
        if moved is not None:
            first = moved.duplicate_of or moved.id
            originals.append(Original(frame_id, first, False, moved.root, moved.path))
    return originals


def _by_arrival(
    connection: Connection, arrivals: Collection[int]
) -> dict[int, Row[*tuple[Any, ...]]]:
    if not arrivals:
        return {}
    columns = (frames.c.id, frames.c.sha256, frames.c.duplicate_of, frames.c.root, frames.c.path)
    query = select(frames.c.arrival, *columns).where(frames.c.arrival.in_(arrivals))
    return {row.arrival: row for row in connection.execute(query)}


def find_successors(engine: Engine, gone: Sequence[LedgerFrame]) -> dict[str, str]:
    """Find where the files of pending frames were moved to before they were read.

    Returns, by the id of such a frame, the id of the frame that was registered at the new place.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    mine, other = frames.alias("mine"), frames.alias("other")
    same_file = and_(
        other.c.inode == mine.c.inode,
        other.c.mtime_ns == mine.c.mtime_ns,
        other.c.size == mine.c.size,
        other.c.arrival > mine.c.arrival,
        other.c.place != mine.c.place,
    )
    query = (
        select(mine.c.id, func.coalesce(other.c.duplicate_of, other.c.id))
        .join(other, same_file)
        .where(mine.c.id.in_([entry.id for entry in gone]), mine.c.inode != 0)
        .order_by(other.c.arrival)
    )
    with reading(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
