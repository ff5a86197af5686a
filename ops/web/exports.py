"""Downloads: CSV is streamed page by page, Parquet comes from a temporary file.

Neither holds a database connection while the client reads, or does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends
from fastapi.responses import FileResponse, StreamingResponse

from storage.results.export import csv_parts, export_parquet
from storage.results.queries import ResultQuery

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.web.security.quotas import Lane

#: Largest Parquet file in bytes; about 15 million results.
PARQUET_BYTES: Final = 1 << 30


def csv_file(engine: Engine, query: ResultQuery, lane: Lane) -> StreamingResponse:
    """Results as CSV, streamed in parts, so that memory use is bounded."""

    async def contents() -> AsyncIterator[bytes]:
        parts = csv_parts(engine, query, paged=True)
        while (part := await lane.run(next, parts, None)) is not None:
            yield part[0]

    return StreamingResponse(
        contents(),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="results.csv"'},
    )


async def temporary_folder() -> AsyncIterator[Path]:
    """Create a temporary folder; it is deleted once the response has been sent."""
    with tempfile.TemporaryDirectory(prefix="thermalwatch-export-") as folder:
        yield Path(folder)


FolderDep = Annotated[Path, Depends(temporary_folder)]


def parquet_file(engine: Engine, query: ResultQuery, folder: Path) -> FileResponse:
    """Results as Parquet. Its index is at the end, so the file is written before it is sent."""
    path = folder / "results.parquet"
    export_parquet(engine, query, path, most_bytes=PARQUET_BYTES)
    return FileResponse(
        path, media_type="application/vnd.apache.parquet", filename="results.parquet"
    )
