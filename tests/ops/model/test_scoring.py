"""The files that `score` writes."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, insert

from ops.cli.main import cli
from ops.web.exports import csv_file
from ops.web.security.quotas import Lanes
from storage.db.database import writing
from storage.db.result_fields import Field, ResultRow, fields_in
from storage.db.schema import frames, results
from storage.results.csv_file import FORMULA_STARTS
from storage.results.export import export_csv
from storage.results.queries import ResultQuery, iterate_results
from storage.results.rows import row_to_database
from tests.scene import picture
from tests.storage.examples import finished_frame
from thermal.detection.bundle import Bundle, save_bundle

COMPUTED = {item.name for item in fields(ResultRow) if not item.init}


@pytest.fixture
def scored(bundle: Bundle, tmp_path: Path) -> Path:
    """Output of `score` for three images and a broken one; some names look like formulas."""
    images = tmp_path / "images"
    images.mkdir()
    for number, name in enumerate(("=1+1.png", "b,c.png", "hot.png")):
        (images / name).write_bytes(picture(500 + number, hot=name == "hot.png"))
    (images / "@SUM(A1).png").write_bytes(picture(1)[:200])
    save_bundle(bundle, tmp_path / "bundle")
    output = tmp_path / "scored"
    words = ["score", images, "--model", tmp_path / "bundle", "--camera", "lab"]
    answer = CliRunner().invoke(cli, [*map(str, words), "--output", str(output)])
    assert answer.exit_code == 0, answer.output
    return output


def test_score_the_command_and_the_api_write_the_same_bytes(scored: Path, engine: Engine) -> None:
    # to see it fail: format whole floats differently in one of them, or remove the formula guard
    written = (scored / "results.csv").read_bytes()
    rows = rows_of(written)
    assert len(rows) == 3
    with writing(engine) as connection:
        connection.execute(insert(frames), [finished_frame(row.frame_id) for row in rows])
        connection.execute(insert(results), list(map(row_to_database, rows)))
    exported = io.BytesIO()
    assert export_csv(engine, ResultQuery(), exported) == 3
    assert download(engine) == exported.getvalue()
    stored = list(iterate_results(engine, ResultQuery()))
    assert without_ids(exported.getvalue(), stored) == written


def download(engine: Engine) -> bytes:
    """The API's CSV export."""

    async def sent() -> bytes:
        parts: list[Any] = [
            part async for part in csv_file(engine, ResultQuery(), Lanes().pages).body_iterator
        ]
        return b"".join(parts)

    return asyncio.run(sent())


def test_no_text_that_score_writes_is_a_formula(scored: Path) -> None:
    for name in ("results.csv", "quarantine.csv"):
        with (scored / name).open(newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        texts = [line[header.index("image_path")] for line in lines]
        assert any(text[:2] in ("'=", "'@") for text in texts)
        assert not any(text.startswith(FORMULA_STARTS) for text in texts)


def rows_of(data: bytes) -> list[ResultRow]:
    """Result rows read back from the lines of results.csv."""
    lines = csv.DictReader(io.StringIO(data.decode(), newline=""))
    read = [field for field in fields_in("csv") if field.name not in COMPUTED]
    return [
        ResultRow(
            anomaly=line["prediction"] == "Anomaly",
            **{field.name: value_of(field, line[field.csv_name]) for field in read},
        )
        for line in lines
    ]


def value_of(field: Field, cell: str) -> Any:
    if cell == "" and (field.nullable or field.name == "id"):
        return None
    if field.is_instant:
        return datetime.fromisoformat(cell).timestamp()
    if field.python_type is bool:
        return cell == "true"
    if field.python_type is tuple:
        return tuple(cell.split())
    return field.python_type(cell.removeprefix("'"))


def without_ids(data: bytes, rows: Iterable[ResultRow]) -> bytes:
    """The same lines without the ids that the database assigned."""
    for row in rows:
        numbered, frame = f",{row.id},".encode(), f'"{row.frame_id}"'.encode()
        data = data.replace(numbered + frame, b",," + frame)
    return data


@pytest.mark.parametrize("output", [".", "scored", "../images/scored/today"])
def test_output_among_the_images_is_refused_before_anything_is_scored(
    tmp_path: Path, output: str
) -> None:
    images = tmp_path / "images"
    (images / "lab").mkdir(parents=True)
    (images / "lab" / "a.png").write_bytes(picture(1))
    words = ["score", images, "--model", tmp_path, "--output", images / output]
    answer = CliRunner().invoke(cli, list(map(str, words)))
    assert answer.exit_code != 0
    assert "lies inside" in answer.output
    assert "choose another directory" in answer.output
    assert sorted(path.name for path in images.iterdir()) == ["lab"]


def test_output_beside_a_single_image_is_allowed(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1))
    save_bundle(bundle, tmp_path / "bundle")
    words = ["score", tmp_path / "a.png", "--model", tmp_path / "bundle"]
    answer = CliRunner().invoke(cli, [*map(str, words), "--output", str(tmp_path / "scored")])
    assert answer.exit_code == 0, answer.output
