"""The usual ways to score images with RQ, for comparison: one job per image.

``python -m ops.bench.rq REDIS_URL fork|warm`` is the worker: RQ's default, which forks for every
job and so loads the model each time, or one that does not fork and keeps the model. Jobs commit
their row to SQLite, as they must to lose nothing.
"""

from __future__ import annotations

import sqlite3
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from thermal.detection.detector import Detector


def score_cold(image: str, model: str, database: str, device: str) -> None:
    """Job: load the model, score one image, commit its row."""
    _score(image, _load(model, device), database)


def score_warm(image: str, model: str, database: str, device: str) -> None:
    """Job: score one image with the model kept in memory, commit its row."""
    _score(image, _cached(model, device), database)


def _load(model: str, device: str) -> Detector:
    from pathlib import Path

    from thermal.detection.detector import Detector

    return Detector.load(Path(model), device)


_cached = lru_cache(maxsize=1)(_load)


def _score(image: str, detector: Detector, database: str) -> None:
    from pathlib import Path

    from thermal.inspection import Content, Inspected, inspect

    [found] = inspect([Content(Path(image).read_bytes())], detector)
    if not isinstance(found, Inspected):
        raise RuntimeError(f"{image}: {found.detail}")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO results VALUES (?, ?, ?)",
            (image, found.scored.score, found.report.area_px),
        )
    connection.close()


def make_table(database: Path) -> None:
    """Make the database that the jobs write to, with SQLite's fastest safe settings."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE results (image TEXT, score REAL, hotspot_area INTEGER)")
    connection.close()


def main(redis_url: str, kind: str) -> None:
    """Run the worker."""
    from redis import Redis
    from rq import Queue, SimpleWorker, Worker

    redis = Redis.from_url(redis_url)
    worker = SimpleWorker if kind == "warm" else Worker
    queue = Queue(kind, connection=redis)
    worker([queue], connection=redis, name=kind).work(logging_level="CRITICAL")


if __name__ == "__main__":
    main(*sys.argv[1:])
