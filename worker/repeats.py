"""Sets apart the frames whose content has its outcome already: uploaded again, touched or moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from storage.files.uploads import is_absent
from storage.frames.ledger import LedgerFrame
from storage.frames.outcomes import Repeated
from storage.frames.repeats import Original, ReadFrame, find_originals, find_successors
from worker.frame import InspectedFrame
from worker.inspection import Inspection
from worker.reading import KnownContent, Postponed, Refused


@dataclass(frozen=True)
class Sorted:
    """An inspection without its repeats, and what was found about these."""

    inspection: Inspection
    repeated: list[Repeated]
    #: pairs of frame ids: the first does not repeat the second, though their content is equal
    distinct: frozenset[tuple[str, str]]

    def and_then(self, later: Sorted) -> Sorted:
        """What was found by this and by a later search in what this one left."""
        return Sorted(
            later.inspection, self.repeated + later.repeated, self.distinct | later.distinct
        )


def set_repeats_apart(engine: Engine, found: Inspection, *, now: float) -> Sorted:
    """Take the frames that repeat others out of an inspection. `now` is in Unix s.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    contents: list[InspectedFrame | KnownContent | Refused]
    contents = [*found.inspected, *found.known, *found.refused]
    read = [ReadFrame(c.entry.id, c.sha256) for c in contents if c.sha256 is not None]
    candidates = find_originals(engine, read) + _within(found.inspected)
    repeats = [item for item in candidates if item.same_place or is_absent(item.root, item.path)]
    originals = {item.frame_id: item.original_id for item in reversed(repeats)}
    unread: list[Refused | Postponed] = [*found.refused, *found.postponed]
    gone = [item.entry for item in unread if item.is_missing]
    originals |= find_successors(engine, gone) if gone else {}
    sha256 = {item.frame_id: item.sha256 for item in read}
    return Sorted(
        _without(found, originals, now),
        [
            Repeated(frame_id, original_id, sha256.get(frame_id))
            for frame_id, original_id in originals.items()
        ],
        frozenset((c.frame_id, c.original_id) for c in candidates if c not in repeats),
    )


def _within(inspected: Sequence[InspectedFrame]) -> list[Original]:
    """The frames that may repeat earlier ones of the same inspection."""
    first: dict[str, LedgerFrame] = {}
    found = []
    for item in inspected:
        entry, earlier = item.entry, first.setdefault(item.sha256, item.entry)
        same_place = (entry.camera, entry.path) == (earlier.camera, earlier.path)
        same_inode = entry.inode not in (None, 0) and entry.inode == earlier.inode
        same_file = same_inode or entry.mtime_ns == earlier.mtime_ns
        if entry is not earlier and (same_place or same_file):
            found.append(Original(entry.id, earlier.id, same_place, earlier.root, earlier.path))
    return found


def _without(found: Inspection, ids: Collection[str], now: float) -> Inspection:
    # If retention has just deleted the row of the original, the frame must be scored after all.
    again = [Postponed(item.entry, now) for item in found.known if item.entry.id not in ids]
    return Inspection(
        inspected=[item for item in found.inspected if item.entry.id not in ids],
        known=[],
        refused=[item for item in found.refused if item.entry.id not in ids],
        changed=found.changed,
        postponed=[p for p in found.postponed if p.entry.id not in ids] + again,
    )
