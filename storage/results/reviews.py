"""Reviews: people's verdicts on results. All are stored; the latest one is current.

A verdict is for what a person saw: a frame, and the verdicts about it until then. Whoever sends
that along gets a conflict if either has changed since, and the verdict is not stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Row, func, insert, select, tuple_, update

from storage.audit_log import PROGRAM, Actor, record_all
from storage.db.column_types import storable
from storage.db.database import chunks, reading, writing
from storage.db.schema import is_standing, results, reviews

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


@dataclass(frozen=True)
class Seen:
    """What a person saw of a result when they decided."""

    frame_id: str
    version: int  #: id of the latest review; 0 without any


@dataclass(frozen=True)
class Conflict:
    """A verdict that was not stored, because what it was given for has changed."""

    result_id: int
    latest: Review | None  #: the verdict given meanwhile; None: the result is of another frame


@dataclass(frozen=True)
class Reviewed:
    """What became of a verdict on results."""

    versions: Mapping[int, int]  #: result → id of its new review, in the order given
    conflicts: tuple[Conflict, ...]

    @property
    def ids(self) -> frozenset[int]:
        """The ids of the new reviews."""
        return frozenset(self.versions.values())


_NOTHING_SEEN: Final[Mapping[int, Seen]] = MappingProxyType({})


def add_reviews(
    engine: Engine,
    result_ids: Sequence[int],
    verdict: Verdict,
    *,
    note: str,
    reviewer: str,
    now: float,
    by: Actor = PROGRAM,
    seen: Mapping[int, Seen] = _NOTHING_SEEN,
) -> Reviewed:
    """Record a verdict on those of the results that exist and are as they were `seen`.

    History and current verdict are written in one transaction, so that they always agree. A
    confirmed anomaly stands from then on, even if it had been resolved. `now` is in Unix s.
    """
    wanted = list(dict.fromkeys(result_ids))
    with writing(engine) as connection:
        found: dict[int, str] = {}
        for chunk in chunks(wanted):
            due = select(results.c.id, results.c.frame_id).where(results.c.id.in_(chunk))
            due = due.order_by(results.c.id).with_for_update()
            found.update((row.id, row.frame_id) for row in connection.execute(due))
        conflicts = tuple(_conflicts(connection, found, seen))
        refused = {conflict.result_id for conflict in conflicts}
        known = [number for number in wanted if number in found and number not in refused]
        if known:
            connection.execute(
                insert(reviews),
                [
                    {
                        "result_id": number,
                        "verdict": verdict,
                        "note": storable(note),
                        "reviewer": reviewer,
                        "at": now,
                    }
                    for number in known
                ],
            )
            counts = None if verdict == "unreviewed" else verdict
            for chunk in chunks(known):
                mark = update(results).where(results.c.id.in_(chunk))
                connection.execute(mark.values(review=counts, resolved_at=None))
            given = [(f"result {number}", verdict) for number in known]
            record_all(connection, by, "review", given, now=now)
        versions = _versions(connection, known)
    return Reviewed({number: versions[number] for number in known}, conflicts)


def _conflicts(
    connection: Connection, found: Mapping[int, str], seen: Mapping[int, Seen]
) -> list[Conflict]:
    asked = {number: seen[number] for number in found if number in seen}
    versions = _versions(connection, list(asked))
    conflicts = []
    for number, what in asked.items():
        if what.frame_id != found[number]:
            conflicts.append(Conflict(number, None))
        elif what.version != versions.get(number, 0):
            latest = select(reviews).where(reviews.c.id == versions.get(number, 0))
            row = connection.execute(latest).one_or_none()
            conflicts.append(Conflict(number, _review(row) if row else None))
    return conflicts


def review_versions(engine: Engine, result_ids: Sequence[int]) -> dict[int, int]:
    """The id of the latest review of each of these results that has one."""
    with reading(engine) as connection:
        return _versions(connection, result_ids)


def _versions(connection: Connection, result_ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for chunk in chunks(result_ids):
        latest = select(reviews.c.result_id, func.max(reviews.c.id))
        latest = latest.where(reviews.c.result_id.in_(chunk)).group_by(reviews.c.result_id)
        found.update((row[0], row[1]) for row in connection.execute(latest))
    return found


def resolve(
    engine: Engine, camera: str, *, through: int, now: float, by: Actor = PROGRAM
) -> list[int]:
    """Call a camera's confirmed anomalies resolved, up to the one with the id `through`.

    What was confirmed of later arrivals, which the person may not have seen, stands. Returns the
    ids of the results. `now` is in Unix s.
    """
    with writing(engine) as connection:
        last = select(results.c.arrived_at, results.c.id)
        bound = connection.execute(last.where(results.c.id == through)).one_or_none()
        if bound is None:
            return []
        standing = select(results.c.id).where(
            results.c.camera == camera,
            is_standing,
            tuple_(results.c.arrived_at, results.c.id) <= tuple_(*bound),
        )
        ids = list(connection.scalars(standing.order_by(results.c.id).with_for_update()))
        for chunk in chunks(ids):
            mark = update(results).where(results.c.id.in_(chunk))
            connection.execute(mark.values(resolved_at=now))
        given = [(f"result {number}", camera) for number in ids]
        record_all(connection, by, "resolved", given, now=now)
    return ids


def list_reviews(engine: Engine, result_id: int) -> list[Review]:
    """All verdicts on a result, latest first."""
    query = select(reviews).where(reviews.c.result_id == result_id).order_by(reviews.c.id.desc())
    with reading(engine) as connection:
        return [_review(row) for row in connection.execute(query)]


def _review(row: Row[Any]) -> Review:
    return Review(row.id, row.result_id, row.verdict, row.note, row.reviewer, row.at)
