"""Results as the database stores them."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Row

from storage.db.result_fields import DECISION_NAMES, FIELDS, ResultRow
from storage.db.schema import results
from thermal.threshold import Decision

_COMPUTED: Final = frozenset(item.name for item in fields(ResultRow) if not item.init)
_WRITTEN: Final = tuple(field for field in FIELDS if field.stored and field.name != "id")

#: The columns that `row_from_database` wants, in its order.
RESULT_COLUMNS: Final = tuple(
    results.c[field.column_name].label(field.name)
    for field in FIELDS
    if field.name not in _COMPUTED
)


def row_from_database(row: Row[Any]) -> ResultRow:
    """Read a row of `RESULT_COLUMNS`."""
    values = row._asdict()
    values["reasons"] = tuple(json.loads(values["reasons"]))
    return ResultRow(**values)


def row_to_database(row: ResultRow) -> dict[str, object]:
    """The values to insert, by column; the database gives the id."""
    values = {field.column_name: getattr(row, field.name) for field in _WRITTEN}
    return values | {"reasons": json.dumps(row.reasons)}


def decision_of(row: Row[Any]) -> Decision:
    """The decision in a row that has the columns of one."""
    return Decision(*(getattr(row, name) for name in DECISION_NAMES))
