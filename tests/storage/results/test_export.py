"""Exported files."""

from __future__ import annotations

import csv
import io
import math
import os
import tracemalloc
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from sqlalchemy import text as sql
from sqlalchemy.pool import QueuePool

from storage.db.database import connect, writing
from storage.db.result_fields import Field, ResultRow, fields_in
from storage.db.schema import frames, results
from storage.errors import DatabaseUnavailable, ExportTooLarge
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.results.csv_file import CONTROL, FORMULA_STARTS, csv_header, csv_lines
from storage.results.export import csv_parts, export_csv, export_parquet
from storage.results.instants import instant_to_text
from storage.results.queries import ResultQuery, iterate_results
from storage.results.record_batches import batch_of_rows
from tests.storage.examples import (
    EPOCH,
    MODEL,
    finished_frame,
    new_frame,
    open_streams,
    result,
    stored_row,
)

ALL = ResultQuery()


NAMES = [field.csv_name for field in fields_in("csv")]


def cells(row: ResultRow) -> dict[str, str]:
    return read_csv(csv_header() + csv_lines(batch_of_rows([row])))[0]


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def store(engine: Engine, *changes: dict[str, Any]) -> None:
    open_streams(engine, "north")
    batch = [new_frame(number) for number in range(len(changes))]
    register(engine, batch, now=1.0)
    rows = [
        result(frame, seq, **change)
        for seq, (frame, change) in enumerate(zip(batch, changes, strict=True), start=1)
    ]
    commit_results(
        engine, rows, epochs={"north": EPOCH}, open_decisions={}, model_id=MODEL, now=2.0
    )


def test_the_seven_fixed_columns_come_first() -> None:
    assert NAMES[:7] == [
        "image_path",
        "anomaly_score",
        "prediction",
        "max_temperature",
        "mean_temperature",
        "std_temperature",
        "hotspot_area",
    ]


def test_a_result_is_written_as_csv_cells() -> None:
    row = result(
        new_frame(1),
        7,
        id=3,
        score=9.25,
        anomaly=True,
        captured_at=1_782_907_200.25,
        reasons=("cold", "hot"),
        overlay_picture="2026/overlay.png",
    )
    found = cells(row)
    assert list(found.values())[:7] == [
        *("north/000001.png", "9.25", "Anomaly", "61.7", "20.1", "4.4", "12")
    ]
    assert found["id"] == "3"
    assert found["captured_at"] == "2026-07-01T12:00:00.250000Z"
    assert found["p_value"] == repr(8 / 101)
    assert found["mse"] == "0.30000000000000004"
    assert found["reasons"] == "cold hot"
    assert found["learning"] == "false"
    assert found["min_temperature"] == "-3.3"  # numbers are never formulas
    assert found["overlay_picture"] == "2026/overlay.png"


def test_missing_values_are_empty_cells_and_zeros_are_not() -> None:
    found = cells(result(new_frame(1), 1, hotspot_area=0, latency_s=None))
    assert found["hotspot_area"] == "0"
    for name in ("id", "latency_s", "original_picture", "sheet_picture"):
        assert found[name] == ""
    assert cells(result(new_frame(1), 1, latency_s=0.0))["latency_s"] == "0"


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_that_looks_like_a_formula_gets_an_apostrophe(start: str) -> None:
    name = start + "cmd|' /C calc'!A0.png"
    found = cells(result(new_frame(1), 1, image_path=name, worker=start, reasons=(start,)))
    assert found["image_path"] == "'" + name
    assert found["worker"] == found["reasons"] == "'" + start


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\t", "\x0b", "\x85", "\u2028"])
def test_a_name_with_a_line_end_stays_in_its_cell_for_every_reader(end: str) -> None:
    name = f"a{end}=cmd|' /C calc'!A0.png"
    data = csv_lines(batch_of_rows([result(new_frame(1), 1, image_path=name)])).decode()
    assert len(data.splitlines()) == 1
    assert "\t" not in data


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (-0.5, "1969-12-31T23:59:59.500000Z"),
        (1_750_000_000.123456789, "2025-06-15T15:06:40.123457Z"),
        (1e15, ""),  # a file's mtime can be anything
        (float("inf"), ""),
    ],
)
def test_instants_are_written_in_utc(instant: float, text: str) -> None:
    assert instant_to_text(instant) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_exactly(number: float) -> None:
    assert float(cells(result(new_frame(1), 1, score=number))["anomaly_score"]) == number


def test_a_csv_holds_the_header_and_the_results_earliest_first(
    engine: Engine, tmp_path: Path
) -> None:
    store(
        engine,
        {"arrived_at": 30.0, "captured_at": 5.0, "image_path": 'a,"\n🌡.png'},
        {"arrived_at": 10.0, "captured_at": 5.0, "anomaly": True},
        {"arrived_at": 20.0, "captured_at": 5.0, "anomaly": True},
    )
    target = tmp_path / "results.csv"
    assert export_csv(engine, ALL, target) == 3
    with target.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == NAMES
    assert header[-1] == "deviation_y"
    assert [row[7] for row in rows] == ["2", "3", "1"]
    assert rows[2][0] == 'a,"\\n🌡.png'
    open_file = io.BytesIO()
    assert export_csv(engine, ResultQuery(prediction="Anomaly"), open_file) == 2
    assert len(open_file.getvalue().splitlines()) == 3


TEXTS = ["plain", "=1+1", "a,b", 'say "hi"', "line\nbreak", "cr\rhere", "", "-", " ", "é🌡"]
NUMBERS = [0.0, -0.0, 1.0, 1e-7, 1e300, 5e-324, 0.1 + 0.2, 123456789012345.6, float("inf")]


def test_an_exported_cell_equals_the_field_of_its_row(engine: Engine) -> None:
    # to see it fail: leave out the guard against formulas
    store(
        engine,
        *(
            {
                "captured_at": float(number),
                "image_path": TEXTS[number % len(TEXTS)],
                "worker": TEXTS[-number % len(TEXTS)],
                "score": NUMBERS[number % len(NUMBERS)],
                "mse": NUMBERS[-number % len(NUMBERS)],
                "latency_s": None if number % 3 else 0.5,
                "anomaly": number % 2 == 0,
                "sheet_picture": None if number % 5 else "a/b.png",
                "reasons": ("residual", "density")[: number % 3],
            }
            for number in range(90)
        ),
    )
    file = io.BytesIO()
    assert export_csv(engine, ALL, file) == 90
    for line, row in zip(read_csv(file.getvalue()), iterate_results(engine, ALL), strict=True):
        for field in fields_in("csv"):
            assert same(line[field.csv_name], getattr(row, field.name), field), field.name


def same(cell: str, value: Any, field: Field) -> bool:
    """Whether a CSV cell represents the value."""
    if value is None:
        return cell == ""
    if isinstance(value, bool):
        return cell == str(value).lower()
    if field.is_instant:
        return cell == instant_to_text(value)
    if isinstance(value, float):
        return float(cell) == value
    if isinstance(value, tuple):
        return cell == " ".join(value)
    text = str(value)
    if isinstance(value, str):
        text = CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
        text = "'" + text if text.startswith(FORMULA_STARTS) else text
    return cell == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (37.0, "37"),
        (-0.0, "-0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "1e-7"),
        (12_345_678_901.0, "1.2345678901e+10"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_is_the_shortest_text_that_reads_back_exactly(number: float, text: str) -> None:
    assert cells(result(new_frame(1), 1, score=number))["anomaly_score"] == text


def test_rows_and_the_database_export_the_same_bytes(engine: Engine) -> None:
    # to see it fail: format whole floats differently in one of them, or leave out the guard
    store(
        engine,
        *(
            {
                "captured_at": 1_782_907_200.0 + number / 3,
                "image_path": TEXTS[number % len(TEXTS)],
                "score": NUMBERS[number % len(NUMBERS)],
                "max_temperature": 37.0,
                "scored_at": (1e15, -62_135_596_800.0, 1.5)[number % 3],
                "reasons": ("structure",) * (number % 2),
                "review": ("confirmed", None)[number % 2],
            }
            for number in range(40)
        ),
    )
    file = io.BytesIO()
    export_csv(engine, ALL, file)
    rows = list(iterate_results(engine, ALL))
    assert csv_header() + csv_lines(batch_of_rows(rows)) == file.getvalue()


@given(st.floats(-63e9, 254e9) | st.floats())
@example(-62_135_596_800.0)
@example(-62_135_596_800.5)
@example(253_402_300_799.99)
@example(253_402_300_800.0)
def test_csv_and_instant_to_text_agree_on_any_instant(instant: float) -> None:
    if not math.isnan(instant):
        found = cells(result(new_frame(1), 1, captured_at=instant))["captured_at"]
        assert found == instant_to_text(instant)


@pytest.mark.parametrize("number", [0, 6, 7, 8, 30])
def test_an_export_in_pages_has_the_same_bytes(
    engine: Engine, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.results.record_batches.PAGE_ROWS", 7)
    monkeypatch.setattr("storage.results.record_batches.ROWS", 3)
    # many with the same time, and times that only all digits distinguish
    times = [1_782_907_200.0 + (each % 4) / 3 for each in range(number)]
    store(engine, *({"captured_at": at, "score": at / 7, "latency_s": None} for at in times))
    for query in (ALL, ResultQuery(min_score=times[1] / 7 if times else 0, captured_since=0.0)):
        whole = b"".join(part for part, _ in csv_parts(engine, query))
        assert b"".join(part for part, _ in csv_parts(engine, query, paged=True)) == whole


def test_a_paused_export_in_pages_holds_no_connection_and_ends_where_it_began(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.results.record_batches.PAGE_ROWS", 7)
    fill(engine, range(20))
    parts = csv_parts(engine, ALL, paged=True)
    rows = 0
    for _, number in parts:
        assert cast(QueuePool, engine.pool).checkedout() == 0
        if not rows and number:
            fill(engine, range(20, 40))
        rows += number
    assert rows == 20


def test_a_parquet_file_that_would_be_too_large_is_not_written(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.results.export.ROW_GROUP", 10)
    monkeypatch.setattr("storage.results.record_batches.ROWS", 10)
    monkeypatch.setattr("storage.results.record_batches.BLOCK", 1 << 12)
    fill(engine, range(1000))
    with pytest.raises(ExportTooLarge, match="choose a shorter time"):
        export_parquet(engine, ALL, tmp_path / "results.parquet", most_bytes=1 << 13)
    assert list(tmp_path.glob("*results*")) == []


def test_an_export_without_results_has_only_a_header(engine: Engine, tmp_path: Path) -> None:
    assert export_csv(engine, ALL, tmp_path / "a.csv") == 0
    assert (tmp_path / "a.csv").read_text() == ",".join(NAMES) + "\n"
    assert export_parquet(engine, ALL, tmp_path / "a.parquet") == 0
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 0


def test_a_parquet_file_has_the_same_columns_with_types(engine: Engine, tmp_path: Path) -> None:
    store(
        engine,
        {"captured_at": 1_782_907_200.25, "image_path": "=1+1.png", "reasons": ("a", "b")},
        {"captured_at": 1e15, "anomaly": True, "latency_s": 0.5},
    )
    target = tmp_path / "results.parquet"
    assert export_parquet(engine, ALL, target) == 2
    table = parquet.read_table(target)
    assert table.column_names == NAMES
    first, second = table.to_pylist()
    assert first["image_path"] == "=1+1.png"  # Parquet readers do not evaluate formulas
    assert first["captured_at"].isoformat() == "2026-07-01T12:00:00.250000+00:00"
    assert first["mse"] == 0.1 + 0.2
    assert (first["latency_s"], second["latency_s"]) == (None, 0.5)
    assert (first["prediction"], second["prediction"]) == ("Normal", "Anomaly")
    assert (first["learning"], first["reasons"]) == (False, "a b")
    assert second["captured_at"] is None


@pytest.mark.parametrize("export", [export_csv, export_parquet])
def test_a_failed_export_leaves_the_old_file_and_no_other(
    engine: Engine, tmp_path: Path, export: Any
) -> None:
    store(engine, {})
    folder = tmp_path / "exports"
    folder.mkdir()
    target = folder / "results"
    target.write_text("the last export")

    with writing(engine) as connection:
        connection.execute(sql("ALTER TABLE results RENAME TO elsewhere"))
    with pytest.raises(DatabaseUnavailable):
        export(engine, ALL, target)
    with writing(engine) as connection:
        connection.execute(sql("ALTER TABLE elsewhere RENAME TO results"))
    assert target.read_text() == "the last export"
    assert list(folder.iterdir()) == [target]
    export(engine, ALL, target)
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_export_from_an_unreachable_database_fails_and_writes_no_file(tmp_path: Path) -> None:
    engine = connect("postgresql://u@127.0.0.1:1/thermalwatch")
    with pytest.raises(DatabaseUnavailable):
        export_csv(engine, ALL, tmp_path / "results.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", [export_csv, export_parquet])
def test_memory_does_not_grow_with_the_number_of_results(
    engine: Engine, tmp_path: Path, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.results.export.ROW_GROUP", 1000)
    monkeypatch.setattr("storage.results.record_batches.ROWS", 500)
    monkeypatch.setattr("storage.results.record_batches.BLOCK", 1 << 14)
    fill(engine, range(4_000))
    few = peak_bytes(export, engine, tmp_path)
    fill(engine, range(4_000, 20_000))
    many = peak_bytes(export, engine, tmp_path)
    assert many < 1.5 * few


def fill(engine: Engine, numbers: range) -> None:
    with writing(engine) as connection:
        ids = [f"{number:032x}" for number in numbers]
        connection.execute(insert(frames), [finished_frame(frame_id) for frame_id in ids])
        rows = [stored_row(frame_id, seq) for frame_id, seq in zip(ids, numbers, strict=True)]
        connection.execute(insert(results), rows)


def peak_bytes(export: Any, engine: Engine, folder: Path) -> int:
    export(engine, ResultQuery(camera="warming up"), folder / "results")
    tracemalloc.start()
    export(engine, ALL, folder / "results")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
