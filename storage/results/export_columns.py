"""The columns of exported files, and a result as their cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from storage.results.commit import ResultRow

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A spreadsheet takes a text that begins so for a formula and runs it (OWASP, CSV Injection).
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Kind = Literal["text", "float", "integer", "boolean", "instant"]


@dataclass(frozen=True)
class Column:
    """A column of exported files."""

    name: str
    kind: Kind
    value: Callable[[ResultRow], object]  #: None is unknown
    stored: str  #: the column of the table that it is made of


def _same(name: str, kind: Kind, stored: str | None = None) -> Column:
    stored = stored or name
    return Column(name, kind, lambda row: getattr(row, stored), stored)


COLUMNS: Final = (
    _same("image_path", "text"),
    _same("anomaly_score", "float", "score"),
    Column("prediction", "text", lambda row: row.prediction, "anomaly"),
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
    Column("reasons", "text", lambda row: " ".join(row.reasons), "reasons"),
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
    return "'" + text if column.kind == "text" and text.startswith(FORMULA_STARTS) else text


def instant_to_text(instant: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the microsecond: 2026-07-01T12:00:00.250000Z.

    Empty for an instant outside the years 1 to 9999: a file can claim any.
    """
    moment = to_datetime(instant)
    if moment is None:
        return ""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_datetime(instant: float) -> datetime | None:
    try:
        return _EPOCH + timedelta(seconds=instant)
    except OverflowError:
        return None
