"""Downloads: CSV is streamed while rows are read, Parquet comes from a temporary file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from storage.results.export import csv_parts, export_parquet
from storage.results.queries import ResultQuery

if TYPE_CHECKING:
    from sqlalchemy import Engine


def csv_file(engine: Engine, query: ResultQuery) -> StreamingResponse:
    """Results as CSV, streamed in parts, so that memory use is bounded."""
    return StreamingResponse(
        (part for part, _ in csv_parts(engine, query)),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="results.csv"'},
    )


def parquet_file(engine: Engine, query: ResultQuery) -> Response:
    """Results as Parquet. Its index is at the end, so the file is written before it is sent."""
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
