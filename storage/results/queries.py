"""Queries for results and cameras. Each is served by an index, whatever the number of rows."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Engine,
    Select,
    literal,
    select,
    tuple_,
)

from storage.db.database import reading
from storage.db.result_fields import ResultRow
from storage.db.schema import (
    id_begins,
    is_anomaly,
    is_reviewed,
    is_unreviewed,
    results,
)
from storage.errors import AmbiguousFrame, InvalidCursor
from storage.results.rows import RESULT_COLUMNS, row_from_database

#: Shortest prefix of a frame id that finds it.
LEAST_PREFIX: Final = 4

_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_DAY_S: Final = 86400.0
_BATCH: Final = 1000  # rows held in memory by a streaming query


@dataclass(frozen=True)
class ResultQuery:
    """A filter of results; None does not restrict.

    The results are in the order of their arrival, or of their capture if that is restricted, so
    that one index serves condition and order.
    """

    camera: str | None = None
    since: float | None = None  #: Unix s; arrived at or after it
    until: float | None = None  #: Unix s; arrived before it
    prediction: Literal["Normal", "Anomaly"] | None = None
    min_score: float | None = None  #: σ
    model_id: str | None = None
    #: unreviewed: anomalies without a verdict
    review: Literal["unreviewed", "confirmed", "false_alarm"] | None = None
    captured_since: float | None = None  #: Unix s; captured at or after it
    captured_until: float | None = None  #: Unix s; captured before it

    @property
    def by(self) -> Literal["arrived_at", "captured_at"]:
        """The time that orders the results."""
        captured = (self.captured_since, self.captured_until)
        return "arrived_at" if captured == (None, None) else "captured_at"

    @property
    def order(self) -> tuple[Column[float], Column[int]]:
        """The columns that order the results, earliest first."""
        return results.c[self.by], results.c.id

    def restrict(self, query: Select[Any]) -> Select[Any]:
        """The query with this filter's conditions."""
        if self.camera is not None:
            query = query.where(results.c.camera == self.camera)
        if self.since is not None:
            query = query.where(results.c.arrived_at >= self.since)
        if self.until is not None:
            query = query.where(results.c.arrived_at < self.until)
        if self.captured_since is not None:
            query = query.where(results.c.captured_at >= self.captured_since)
        if self.captured_until is not None:
            query = query.where(results.c.captured_at < self.captured_until)
        if self.prediction == "Anomaly":
            query = query.where(is_anomaly)
        elif self.prediction == "Normal":
            query = query.where(results.c.anomaly.is_(False))
        if self.min_score is not None:
            query = query.where(results.c.score >= self.min_score)
        if self.model_id is not None:
            query = query.where(results.c.model_id == self.model_id)
        if self.review == "unreviewed":
            query = query.where(is_unreviewed)
        elif self.review is not None:
            query = query.where(results.c.review == self.review, is_reviewed)
        return query


@dataclass(frozen=True)
class Page:
    """One page of a list, and the cursor of the next."""

    rows: tuple[ResultRow, ...]
    next: str | None  #: to pass as `after`; None at the end


def list_results(
    engine: Engine,
    query: ResultQuery,
    *,
    after: str | None = None,
    limit: int = 50,
    earliest_first: bool = False,
) -> Page:
    """One page of results, by default latest first.

    Keyset pagination: rows that arrive between two pages neither repeat nor hide others.

    Raises:
        InvalidCursor: `after` is not the `next` of a page in this order.
    """
    rows = query.restrict(select(*RESULT_COLUMNS))
    if after is not None:
        key, place = tuple_(*query.order), tuple_(*_decode_cursor(after, query.by))
        rows = rows.where(key > place if earliest_first else key < place)
    order = query.order if earliest_first else [column.desc() for column in query.order]
    rows = rows.order_by(*order).limit(limit + 1)
    with reading(engine) as connection:
        found = [row_from_database(row) for row in connection.execute(rows)]
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        rows=tuple(found[:limit]),
        next=None if last is None else _encode_cursor(last, query.by),
    )


def iterate_results(engine: Engine, query: ResultQuery) -> Iterator[ResultRow]:
    """The chosen results, earliest first, in constant memory."""
    rows = query.restrict(select(*RESULT_COLUMNS)).order_by(*query.order)
    streamed = rows.execution_options(yield_per=_BATCH)
    with reading(engine) as connection, connection.execute(streamed) as found:
        yield from map(row_from_database, found)


def get_result(engine: Engine, result_id: int) -> ResultRow | None:
    """The result with this id; None if there is none."""
    with reading(engine) as connection:
        found = connection.execute(select(*RESULT_COLUMNS).where(results.c.id == result_id))
        row = found.one_or_none()
        return None if row is None else row_from_database(row)


def find_results(engine: Engine, name: str) -> list[ResultRow]:
    """The results of one frame, latest first, by its id, a prefix of the id, or its image path.

    Raises:
        AmbiguousFrame: the prefix matches more than one frame.
    """
    latest = select(*RESULT_COLUMNS).order_by(results.c.id.desc())
    with reading(engine) as connection:
        if len(name) >= LEAST_PREFIX and set(name) <= _HEXADECIMAL:
            by_id = latest.where(id_begins(results.c.frame_id, name))
            if found := connection.execute(by_id.limit(_BATCH)).all():
                if len({row.frame_id for row in found}) > 1:
                    raise AmbiguousFrame(f"{name} fits several frames: give more digits")
                return [row_from_database(row) for row in found]
        by_path = latest.where(results.c.image_path == name)
        return [row_from_database(row) for row in connection.execute(by_path)]


def _encode_cursor(row: ResultRow, by: str) -> str:
    text = json.dumps([by, getattr(row, by), row.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, by: str) -> tuple[ColumnElement[float], ColumnElement[int]]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        order, at, result_id = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if order != by:  # or without an order: of a release that listed by capture
            raise ValueError("of another order")
        if not isinstance(at, float) or not math.isfinite(at):
            raise ValueError("not an instant")
        if type(result_id) is not int or not 0 <= result_id < 2**63:
            raise ValueError("not a row number")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidCursor("invalid page cursor: start again without one") from error
    return literal(at, Double), literal(result_id, BigInteger)
