"""Reviews: people's verdicts on results. All are stored; the latest one is current."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, Row, insert, select, update

from storage.db.database import chunks, reading, writing
from storage.db.schema import results, reviews

#: `unreviewed` withdraws the verdict, so that the result must be reviewed again.
Verdict = Literal["confirmed", "false_alarm", "unreviewed"]


@dataclass(frozen=True)
class Review:
    """One verdict on one result."""

    id: int
    result_id: int
    verdict: Verdict
    note: str
    reviewer: str
    at: float  #: Unix s


def add_reviews(
    engine: Engine,
    result_ids: Sequence[int],
    verdict: Verdict,
    *,
    note: str,
    reviewer: str,
    now: float,
) -> list[int]:
    """Record a verdict on results; return the ids that exist, in the order given.

    History and current verdict are written in one transaction, so that they always agree. `now` is
    in Unix s.
    """
    wanted = list(dict.fromkeys(result_ids))
    with writing(engine) as connection:
        found: set[int] = set()
        for chunk in chunks(wanted):
            due = select(results.c.id).where(results.c.id.in_(chunk)).order_by(results.c.id)
            found.update(connection.scalars(due.with_for_update()))
        known = [number for number in wanted if number in found]
        if known:
            connection.execute(
                insert(reviews),
                [
                    {
                        "result_id": number,
                        "verdict": verdict,
                        "note": _storable(note),
                        "reviewer": reviewer,
                        "at": now,
                    }
                    for number in known
                ],
            )
            for chunk in chunks(known):
                mark = update(results).where(results.c.id.in_(chunk))
                counts = None if verdict == "unreviewed" else verdict
                connection.execute(mark.values(review=counts))
    return known


def list_reviews(engine: Engine, result_id: int) -> list[Review]:
    """All verdicts on a result, latest first."""
    query = select(reviews).where(reviews.c.result_id == result_id).order_by(reviews.c.id.desc())
    with reading(engine) as connection:
        return [_review(row) for row in connection.execute(query)]


def _review(row: Row[Any]) -> Review:
    return Review(row.id, row.result_id, row.verdict, row.note, row.reviewer, row.at)


def _storable(note: str) -> str:
    return note.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
