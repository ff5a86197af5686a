"""Results as Arrow record batches, the one form that CSV, Parquet and data frames are made from.

A batch read from the database has no Python object per value: that would be too slow for millions
of rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv
from sqlalchemy import BigInteger, Double, Engine, Select, func, literal, select, tuple_
from sqlalchemy.exc import DBAPIError

from storage.db.database import reading
from storage.db.result_fields import Field, ResultRow, fields_in
from storage.db.schema import results
from storage.results.queries import ResultQuery

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Compiled
    from sqlalchemy.sql.compiler import SQLCompiler

#: Rows that are read from SQLite at a time.
ROWS: Final = 2000
#: Rows in a page; about 1 MB, which a reader that pauses keeps in memory.
PAGE_ROWS: Final = 2000
#: Bytes of CSV from Postgres in one batch, over 1,000 rows; pyarrow reads up to 32 batches ahead.
BLOCK: Final = 1 << 20

_TYPES: Final = {
    str: pa.string(),
    tuple: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
}
_TIME: Final = pa.timestamp("us", tz="UTC")
#: µs of the first moment of year 1, and of the first of year 10000.
_EARLIEST: Final = -62_135_596_800_000_000
_END: Final = 253_402_300_800_000_000

_FIELDS: Final = fields_in("csv")
SCHEMA: Final = pa.schema(
    [
        pa.field(field.csv_name, _TIME if field.is_instant else _TYPES[field.python_type])
        for field in _FIELDS
    ]
)


def _source(field: Field) -> tuple[str, Any]:
    """The column that a field is read from, and the type of the values stored there."""
    if field.name == "prediction":
        return "anomaly", pa.bool_()
    return field.column_name, _TYPES[field.python_type]


_STORED: Final = dict(map(_source, _FIELDS))
#: With the columns that order the results.
_KEYED: Final = _STORED | {"key_at": pa.float64(), "key_id": pa.int64()}


def batch_of_rows(rows: Sequence[ResultRow]) -> Any:
    """A `pyarrow.RecordBatch` of `SCHEMA`."""
    columns: list[list[Any]] = [[getattr(row, field.name) for row in rows] for field in _FIELDS]
    arrays = [
        pa.array(map(" ".join, values), pa.string())
        if field.python_type is tuple
        else _times(np.array(values, np.float64))
        if field.is_instant
        else pa.array(values, _TYPES[field.python_type])
        for field, values in zip(_FIELDS, columns, strict=True)
    ]
    return pa.record_batch(arrays, schema=SCHEMA)


def read_batches(engine: Engine, query: ResultQuery) -> Iterator[Any]:
    """The chosen results, earliest first, as `pyarrow.RecordBatch` of `SCHEMA`.

    One transaction, and with it one connection, lasts until the last batch has been taken.

    Raises:
        DatabaseUnavailable: the database cannot be reached or cannot work.
    """
    rows = query.restrict(select(*(results.c[name] for name in _STORED)))
    for stored in _read(engine, rows.order_by(*query.order), _STORED):
        yield _exported(stored)


def read_pages(engine: Engine, query: ResultQuery) -> Iterator[Any]:
    """The same batches for a reader that may pause, of the results that exist now.

    Each page is read in a transaction of its own, and between two pages no connection is held. A
    result that is deleted or reviewed meanwhile is left out, or has the new review, if its page
    has not been read yet.

    Raises:
        DatabaseUnavailable: the database cannot be reached or cannot work.
    """
    with reading(engine) as connection:
        newest = connection.scalar(select(func.max(results.c.id))) or 0
    at, number = query.order
    rows = query.restrict(
        select(*(results.c[name] for name in _STORED), at.label("key_at"), number.label("key_id"))
    ).where(number <= newest)
    rows = rows.order_by(at, number).limit(PAGE_ROWS)
    page = list(_read(engine, rows, _KEYED))
    while page:
        for stored in page:
            yield _exported(stored[: len(_STORED)])
        if sum(len(stored[0]) for stored in page) < PAGE_ROWS:
            return
        last_at, last_id = (page[-1][-2][-1].as_py(), page[-1][-1][-1].as_py())
        place = tuple_(literal(last_at, Double), literal(last_id, BigInteger))
        page = list(_read(engine, rows.where(tuple_(at, number) > place), _KEYED))


def _read(engine: Engine, query: Select[Any], types: dict[str, Any]) -> Iterator[list[Any]]:
    """The stored columns, batch by batch; `types` has their names and types."""
    compiled = query.compile(engine)
    if engine.dialect.name == "postgresql":
        yield from _read_postgres(engine, compiled, types)
    else:
        yield from _read_sqlite(engine, compiled, types)


def _exported(stored: Sequence[Any]) -> Any:
    arrays = [_as_exported(field, array) for field, array in zip(_FIELDS, stored, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


def _as_exported(field: Field, stored: Any) -> Any:
    if field.name == "prediction":
        return compute.if_else(stored, "Anomaly", "Normal")
    if field.python_type is tuple:
        return _joined(stored)
    return _times(stored.to_numpy(zero_copy_only=False)) if field.is_instant else stored


def _read_sqlite(engine: Engine, query: Compiled, types: dict[str, Any]) -> Iterator[list[Any]]:
    # SQLAlchemy's row objects would cost a fifth more time
    values = [query.params[name] for name in cast("SQLCompiler", query).positiontup or ()]
    with _driver_connection(engine) as raw, closing(raw.cursor()) as cursor:
        cursor.execute(str(query), values)
        while rows := cursor.fetchmany(ROWS):
            yield [
                # SQLite stores booleans as 0 and 1
                pa.array(part, pa.int8()).cast(kind) if kind == pa.bool_() else pa.array(part, kind)
                for part, kind in zip(zip(*rows, strict=True), types.values(), strict=True)
            ]


def _read_postgres(engine: Engine, query: Compiled, types: dict[str, Any]) -> Iterator[list[Any]]:
    # COPY to CSV, parsed by pyarrow, is several times as fast as fetching values one by one
    copy = f"COPY ({query}) TO STDOUT (FORMAT csv)"
    with (
        _driver_connection(engine) as raw,
        raw.cursor() as cursor,
        cursor.copy(copy, query.params) as blocks,
    ):
        stream = io.BufferedReader(_BlockStream(blocks), BLOCK)
        if stream.peek(1):  # pyarrow rejects an empty file
            for batch in _open(stream, types):
                yield batch.columns


@contextmanager
def _driver_connection(engine: Engine) -> Iterator[Any]:
    """The driver's own connection, in a read-only transaction."""
    with reading(engine) as connection, connection.begin():
        try:
            yield connection.connection.driver_connection
        except engine.dialect.loaded_dbapi.Error as error:
            # as SQLAlchemy would have raised it, so that `reading` tells what it means
            raise DBAPIError.instance("", None, error, engine.dialect.loaded_dbapi.Error) from error


def _open(stream: Any, types: dict[str, Any]) -> Iterator[Any]:
    reader: Iterator[Any] = open_csv(
        stream,
        ReadOptions(column_names=list(types), block_size=BLOCK, use_threads=False),
        ParseOptions(newlines_in_values=True),
        ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return reader


class _BlockStream(io.RawIOBase):
    """The blocks of a COPY as a file."""

    def __init__(self, blocks: Iterable[bytes | bytearray | memoryview]):
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        number = min(len(buffer), len(self._rest))
        buffer[:number] = self._rest[:number]
        self._rest = self._rest[number:]
        return number


def _joined(lists: Any) -> Any:
    """JSON lists of words as space-separated words; only few different ones occur."""
    encoded = lists.dictionary_encode()
    words = [" ".join(json.loads(text)) for text in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices)


def _times(instants: NDArray[np.float64]) -> Any:
    """Unix s as times in UTC, to the microsecond; null outside the years 1 to 9999.

    Rounds as `timedelta` does: the fraction by itself, halves to even.
    """
    known = (instants > _EARLIEST / 1e6 - 1) & (instants < _END / 1e6 + 1)  # fits an int64
    fraction, whole = np.modf(np.where(known, instants, 0.0))
    microseconds = whole.astype(np.int64) * 1_000_000 + np.rint(fraction * 1e6).astype(np.int64)
    known &= (microseconds >= _EARLIEST) & (microseconds < _END)
    return pa.array(microseconds, pa.int64(), mask=~known).cast(_TIME)
