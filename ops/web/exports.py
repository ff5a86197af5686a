"""Exports as they are downloaded: CSV while it is read, Parquet from a temporary file."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from storage.results.export import csv_header, csv_row, export_parquet
from storage.results.queries import ResultQuery, iterate_results

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Characters that are sent at a time.
PART = 1 << 16


def csv_parts(engine: Engine, query: ResultQuery) -> Iterator[str]:
    """The CSV file in parts; memory does not grow with its length."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(csv_header())
    for row in iterate_results(engine, query):
        writer.writerow(csv_row(row))
        if text.tell() >= PART:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def parquet_file(engine: Engine, query: ResultQuery) -> Response:
    """The Parquet file; its end says where its parts are, so it is complete before it is sent."""
    folder = tempfile.TemporaryDirectory(prefix="thermalwatch-export-")
    path = Path(folder.name) / "results.parquet"
    try:
        export_parquet(engine, query, path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path,
        media_type="application/vnd.apache.parquet",
        filename="results.parquet",
        background=BackgroundTask(folder.cleanup),
    )
