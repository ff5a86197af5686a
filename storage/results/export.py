"""Results as CSV and Parquet files, written in parts: memory does not grow with their number."""

from __future__ import annotations

import csv
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from sqlalchemy import Engine

from storage.results.export_columns import COLUMNS, csv_header, csv_row, instant_to_text
from storage.results.queries import ResultQuery

__all__ = ["COLUMNS", "csv_header", "csv_row", "export_csv", "export_parquet", "instant_to_text"]

#: Rows that a Parquet file holds together, at least, and that are in memory at once.
ROW_GROUP: Final = 10_000


def export_csv(engine: Engine, query: ResultQuery, target: Path | TextIO) -> int:
    """Write the results that are asked for, earliest first; return their number.

    The cells are those of `csv_row`, but whole floats have no ``.0``. A path gets the whole file
    or, on any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
    """
    # half a second that other verbs need not wait for
    from storage.results.export_arrays import csv_lines, stored_arrays  # noqa: PLC0415

    if isinstance(target, Path):
        with (
            _replacing(target) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            return export_csv(engine, query, file)
    csv.writer(target, lineterminator="\n").writerow(csv_header())
    number = 0
    for arrays in stored_arrays(engine, query):
        target.write(csv_lines(arrays))
        number += len(arrays[0])
    return number


def export_parquet(engine: Engine, query: ResultQuery, target: Path) -> int:
    """Write the results that are asked for, earliest first; return their number.

    The columns are those of the CSV, typed; unknown is null. The path gets the whole file or, on
    any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    from storage.results.export_arrays import schema, stored_arrays, typed  # noqa: PLC0415

    number, tables = 0, []
    with _replacing(target) as temporary, ParquetWriter(temporary, schema()) as writer:
        for arrays in stored_arrays(engine, query):
            tables.append(pa.table(typed(arrays), schema=schema()))
            number += len(arrays[0])
            if sum(map(len, tables)) >= ROW_GROUP:
                writer.write_table(pa.concat_tables(tables))
                tables.clear()
        if tables:
            writer.write_table(pa.concat_tables(tables))
    return number


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary file beside `target` that takes its place when all went well."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
