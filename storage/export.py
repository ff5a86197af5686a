"""Results as CSV and Parquet files, written in parts: memory does not grow with their number."""

from __future__ import annotations

import csv
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TextIO, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from storage.queries import ResultQuery, iterate_columns
from storage.results import ResultRow
from storage.schema import results

#: Rows that a Parquet file holds together, and that are in memory at once.
ROW_GROUP: Final = 10_000
#: Rows of a CSV file that are in memory at once.
CSV_BATCH: Final = 2000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A spreadsheet takes a text that begins so for a formula and runs it (OWASP, CSV Injection).
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

#: Unix s between which instants are turned into text many at a time: the years 1 to 9999, roughly.
_FAST_FROM: Final = -62_000_000_000.0
_FAST_TO: Final = 253_000_000_000.0

Kind = Literal["text", "float", "integer", "boolean", "instant"]


@dataclass(frozen=True)
class Column:
    """A column of exported files."""

    name: str
    kind: Kind
    value: Callable[[ResultRow], object]  #: None is unknown
    stored: str  #: the column of the table that it is made of …
    read: Callable[[Any], object] | None = None  #: … and how, where it is not taken as it is


def _same(name: str, kind: Kind, stored: str | None = None) -> Column:
    stored = stored or name
    return Column(name, kind, lambda row: getattr(row, stored), stored)


@lru_cache(1000)
def _reasons(stored: str) -> str:
    return " ".join(json.loads(stored))


COLUMNS: Final = (
    _same("image_path", "text"),
    _same("anomaly_score", "float", "score"),
    Column(
        "prediction",
        "text",
        lambda row: row.prediction,
        "anomaly",
        lambda anomaly: "Anomaly" if anomaly else "Normal",
    ),
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
    Column("reasons", "text", lambda row: " ".join(row.reasons), "reasons", _reasons),
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
    csv.writer(target, lineterminator="\n").writerow(csv_header())
    number = 0
    for values in _stored_columns(engine, query, CSV_BATCH):
        target.write(_csv_lines(values))
        number += len(values[0])
    return number


def _csv_lines(values: Sequence[Sequence[Any]]) -> str:
    """Lines as `csv` writes them, made column by column: for millions of rows twice as fast.

    Floats are as exact as those of `repr`; whole ones have no ``.0``.
    """
    import pyarrow as pa  # noqa: PLC0415 (half a second that other verbs need not wait for)
    from pyarrow import compute  # noqa: PLC0415

    cells = []
    for column, part in zip(COLUMNS, values, strict=True):
        if column.kind == "text":
            array = _quoted(pa.array(_harmless(column, part), pa.string()))
        elif column.kind == "instant":
            array = pa.array(_instants_to_text(part), pa.string())
        else:
            array = pa.array(part, _arrow_type(column.kind)).cast(pa.string())
        cells.append(compute.fill_null(array, ""))
    lines = compute.binary_join_element_wise(*cells, ",").to_pylist()
    return "\n".join([*lines, ""])


def _harmless(column: Column, texts: Sequence[str | None]) -> Sequence[str | None]:
    begins = {text[:1] for text in texts if text}
    if begins.isdisjoint(_FORMULA_STARTS):
        return texts
    return [text and _cell(column, text) for text in texts]


def _quoted(texts: Any) -> Any:
    """A pyarrow array of texts, in quotes where a text holds a comma, a quote or a line break."""
    from pyarrow import compute  # noqa: PLC0415

    special = compute.match_substring_regex(texts, '[",\r\n]')
    if not compute.any(special).as_py():
        return texts
    doubled = compute.replace_substring(texts, '"', '""')
    quoted = compute.binary_join_element_wise('"', doubled, '"', "")
    return compute.if_else(special, quoted, texts)


def export_parquet(engine: Engine, query: ResultQuery, target: Path) -> int:
    """Write the results that are asked for, earliest first; return their number.

    The columns are those of the CSV, typed; unknown is null. The path gets the whole file or, on
    any error, stays as it was.

    Raises:
        DatabaseUnavailable, OSError: the file is not complete.
    """
    import pyarrow as pa  # noqa: PLC0415 (half a second that CSV need not wait for)
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    schema = pa.schema([(column.name, _arrow_type(column.kind)) for column in COLUMNS])
    number = 0
    with _replacing(target) as temporary, ParquetWriter(temporary, schema) as writer:
        for values in _stored_columns(engine, query, ROW_GROUP):
            arrays = [
                pa.array(_typed(column, part), _arrow_type(column.kind))
                for column, part in zip(COLUMNS, values, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))
            number += len(values[0])
    return number


def _stored_columns(engine: Engine, query: ResultQuery, size: int) -> Iterator[list[Sequence[Any]]]:
    """The values of `COLUMNS`, `size` results at a time, times still as Unix s."""
    stored = [results.c[column.stored] for column in COLUMNS]
    for part in iterate_columns(engine, query, stored, size=size):
        yield [
            values if column.read is None else list(map(column.read, values))
            for column, values in zip(COLUMNS, part, strict=True)
        ]


def _instants_to_text(instants: Sequence[float]) -> Sequence[str]:
    numbers = np.asarray(instants, dtype=np.float64)
    if not ((numbers > _FAST_FROM) & (numbers < _FAST_TO)).all():
        return [instant_to_text(instant) for instant in instants]
    moments = _microseconds(numbers).view("datetime64[us]")
    return cast("list[str]", np.datetime_as_string(moments, timezone="UTC").tolist())


def _microseconds(instants: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rounded as `timedelta` does: the fraction for itself, halves to even."""
    fraction, whole = np.modf(instants)
    return whole.astype(np.int64) * 1_000_000 + np.rint(fraction * 1e6).astype(np.int64)


def _arrow_type(kind: Kind) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return {
        "text": pa.string(),
        "float": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "instant": pa.timestamp("us", tz="UTC"),
    }[kind]


def _typed(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    return list(map(_to_datetime, values)) if column.kind == "instant" else values


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
