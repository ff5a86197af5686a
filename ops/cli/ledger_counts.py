"""The ledger counts as one line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.frames.ledger import Counts


def books_line(counts: Counts) -> str:
    """The books of one camera, or of all, as an equation."""
    return (
        f"{counts.seen} seen = {counts.scored} scored + {counts.quarantined} quarantined "
        f"+ {counts.superseded} superseded + {counts.pending} pending"
    )
