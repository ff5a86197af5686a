"""Results as CSV and Parquet files, written in parts: memory does not grow with their number."""

from __future__ import annotations

import csv
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TextIO

from sqlalchemy import Engine

from storage.queries import ResultQuery, iterate_results
from storage.results import ResultRow

#: Rows that a Parquet file holds together, and that are in memory at once.
ROW_GROUP: Final = 10_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A spreadsheet takes a text that begins so for a formula and runs it (OWASP, CSV Injection).
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Kind = Literal["text", "float", "integer", "boolean", "instant"]


@dataclass(frozen=True)
class Column:
    """A column of exported files."""

    name: str
    kind: Kind
    value: Callable[[ResultRow], object]  #: None is unknown


def _same(name: str, kind: Kind) -> Column:
    return Column(name, kind, lambda row: getattr(row, name))


COLUMNS: Final = (
    _same("image_path", "text"),
    Column("anomaly_score", "float", lambda row: row.score),
    _same("prediction", "text"),
    _same("max_temperature", "float"),
    _same("mean_temperature", "float"),
    _same("std_temperature", "float"),
    _same("hotspot_area", "integer"),
    _same("id", "integer"),
    _same("frame_id", "text"),
    _same("camera", "text"),
    _same("captured_at", "instant"),
    _same("threshold", "float"),
    _same("p_value", "float"),
    _same("mse", "float"),
    Column("reasons", "text", lambda row: " ".join(row.reasons)),
    _same("learning", "boolean"),
    _same("held", "boolean"),
    _same("temperature_unit", "text"),
    _same("radiometric", "boolean"),
    _same("min_temperature", "float"),
    _same("hotspot_count", "integer"),
    _same("hotspot_threshold", "float"),
    _same("hotspots", "text"),
    _same("width", "integer"),
    _same("height", "integer"),
    _same("bit_depth", "integer"),
    _same("original_picture", "text"),
    _same("reconstruction_picture", "text"),
    _same("heatmap_picture", "text"),
    _same("overlay_picture", "text"),
    _same("sheet_picture", "text"),
    _same("map_artifact", "text"),
    _same("review", "text"),
    _same("sha256", "text"),
    _same("model_id", "text"),
    _same("epoch", "text"),
    _same("seq", "integer"),
    _same("previous_threshold", "float"),
    _same("body", "float"),
    _same("window_n", "integer"),
    _same("exceeding", "integer"),
    _same("worker", "text"),
    _same("scored_at", "instant"),
    _same("latency_s", "float"),
)


def csv_header() -> list[str]:
    """Names of the CSV columns."""
    return [column.name for column in COLUMNS]


def csv_row(row: ResultRow) -> list[str]:
    """A result as CSV cells: unknown is empty, times are RFC 3339 in UTC, floats are exact."""
    return [_cell(column, column.value(row)) for column in COLUMNS]


def _cell(column: Column, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if column.kind == "instant" and isinstance(value, float):
        return instant_to_text(value)
    if isinstance(value, float):
        return repr(float(value))
    text = str(value)
    return "'" + text if column.kind == "text" and text.startswith(_FORMULA_STARTS) else text


def instant_to_text(instant: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the microsecond: 2026-07-01T12:00:00.250000Z.

    Empty for an instant outside the years 1 to 9999: a file can claim any.
    """
    moment = _to_datetime(instant)
    if moment is None:
        return ""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _to_datetime(instant: float) -> datetime | None:
    try:
        return _EPOCH + timedelta(seconds=instant)
    except OverflowError:
        return None


def export_csv(engine: Engine, query: ResultQuery, target: Path | TextIO) -> int:
    """Write the results that are asked for, earliest first; return their number.

    A path gets the whole file or, on any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
    """
    if isinstance(target, Path):
        with (
            _replacing(target) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            return export_csv(engine, query, file)
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(csv_header())
    number = 0
    for row in iterate_results(engine, query):
        writer.writerow(csv_row(row))
        number += 1
    return number


def export_parquet(engine: Engine, query: ResultQuery, target: Path) -> int:
    """Write the results that are asked for, earliest first; return their number.

    The columns are those of the CSV, typed; unknown is null. The path gets the whole file or, on
    any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
    """
    import pyarrow as pa  # noqa: PLC0415 (half a second that CSV need not wait for)
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    types = {
        "text": pa.string(),
        "float": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "instant": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in COLUMNS])
    rows = iterate_results(engine, query)
    number = 0
    with _replacing(target) as temporary, ParquetWriter(temporary, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            columns = [[_typed(column, row) for row in group] for column in COLUMNS]
            writer.write_table(pa.table(columns, schema=schema))
            number += len(group)
    return number


def _typed(column: Column, row: ResultRow) -> object:
    value = column.value(row)
    if column.kind == "instant" and isinstance(value, float):
        return _to_datetime(value)
    return value


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
