"""Results as CSV and Parquet files, written batch by batch: memory stays flat."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Engine

from storage.errors import ExportTooLarge
from storage.results.queries import ResultQuery

# pyarrow takes half a second to import, so functions import what needs it

#: Rows in a row group of a Parquet file, at least; so many are in memory at once.
ROW_GROUP: Final = 10_000


def csv_parts(
    engine: Engine, query: ResultQuery, *, paged: bool = False
) -> Iterator[tuple[bytes, int]]:
    """The CSV file of the chosen results, earliest first, in parts, with each part's results.

    `paged` holds no database connection between two parts; see `read_pages`.

    Raises:
        DatabaseUnavailable: the parts so far are not the whole file.
    """
    from storage.results.csv_file import csv_header, csv_lines  # noqa: PLC0415
    from storage.results.record_batches import read_batches, read_pages  # noqa: PLC0415

    yield csv_header(), 0
    for batch in read_pages(engine, query) if paged else read_batches(engine, query):
        yield csv_lines(batch), batch.num_rows


def export_csv(engine: Engine, query: ResultQuery, target: Path | BinaryIO) -> int:
    """Write the chosen results, earliest first, as UTF-8; return their number.

    A path gets the whole file or, on any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
    """
    if isinstance(target, Path):
        with replacing(target) as temporary, temporary.open("wb") as file:
            return export_csv(engine, query, file)
    number = 0
    for part, rows in csv_parts(engine, query):
        target.write(part)
        number += rows
    return number


def export_parquet(
    engine: Engine, query: ResultQuery, target: Path, *, most_bytes: int | None = None
) -> int:
    """Write the chosen results, earliest first; return their number.

    The columns are those of the CSV, typed; unknown is null. The path gets the whole file or, on
    any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
        ExportTooLarge: it would have more than about `most_bytes`.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    from storage.results.record_batches import SCHEMA, read_batches  # noqa: PLC0415

    number, batches = 0, []
    with replacing(target) as temporary, ParquetWriter(temporary, SCHEMA) as writer:
        for batch in read_batches(engine, query):
            batches.append(batch)
            number += batch.num_rows
            if sum(map(len, batches)) >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(batches))
                batches.clear()
                if most_bytes is not None and temporary.stat().st_size > most_bytes:
                    raise ExportTooLarge(
                        f"the file would be larger than {most_bytes >> 20} MiB: choose a shorter "
                        "time with since and until, or export CSV"
                    )
        if batches:
            writer.write_table(pa.Table.from_batches(batches))
    return number


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary file beside `target` that takes its place if all went well."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
