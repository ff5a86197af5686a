"""Fills a database with millions of made-up results, as quickly as it takes them.

The rows look like those of workers and are spread evenly over cameras and time. Unlike real ones,
frame ids are ascending: that saves hours of random writes, and does not change how queries perform.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import Engine, Table, insert
from sqlalchemy import text as sql

from storage.db.database import writing
from storage.db.schema import cameras, frames, results, streams
from storage.stream.window import config_to_text
from thermal.threshold import WindowConfig

MODEL: Final = hashlib.sha256(b"made-up model").hexdigest()
#: Default time of the first frame; Unix s.
START: Final = 1_735_689_600.0
DAY_S: Final = 86_400.0
#: Rows written at a time.
BATCH: Final = 20_000

_EPOCH = "e" * 32
_SPOT = json.dumps([{"area_px": 12, "bbox": [3, 4, 5, 4], "max": 61.7, "mean": 55.1, "std": 2.5}])


@dataclass(frozen=True)
class History:
    """What to make up."""

    rows: int
    cameras: int = 50
    days: float = 365.0
    anomaly_share: float = 0.01
    reviewed_share: float = 0.0  #: of the anomalies, confirmed
    start: float = START  #: time of the first frame; Unix s

    @property
    def step_s(self) -> float:
        """Seconds from one frame of the plant to the next."""
        return self.days * DAY_S / max(1, self.rows)

    @property
    def end(self) -> float:
        """Time after the last frame; Unix s."""
        return self.start + self.days * DAY_S

    def camera(self, number: int) -> str:
        return f"camera-{number % self.cameras:03}"

    def frame_id(self, number: int) -> str:
        return f"{number * (2**128 // max(1, self.rows)):032x}"

    def path(self, number: int) -> str:
        return f"{self.camera(number)}/image-{number:09}.png"


def fill(engine: Engine, history: History) -> None:
    """Write the history into empty tables. Indexes are created at the end, which is faster."""
    loose = [index for table in (frames, results) for index in table.indexes]
    with writing(engine) as connection:
        for index in loose:
            index.drop(connection)
    _load(engine, frames, _frames(history))
    _load(engine, results, _results(history))
    with writing(engine) as connection:
        for index in loose:
            index.create(connection)
        names = [history.camera(number) for number in range(history.cameras)]
        seen = {"first_seen_at": history.start, "last_frame_at": history.end}
        connection.execute(insert(cameras), [{"name": name, **seen} for name in names])
        stream = {"model_id": MODEL, "epoch": _EPOCH, "opened_at": history.start}
        stream["config"] = config_to_text(WindowConfig())
        connection.execute(insert(streams), [{"camera": name, **stream} for name in names])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            sql("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE")
        )


def _frames(history: History) -> Iterator[tuple[Any, ...]]:
    for number in range(history.rows):
        at = history.start + number * history.step_s
        yield (
            history.frame_id(number),
            history.camera(number),
            "/srv/cameras",
            history.path(number),
            int(at * 1e9),
            38_912,
            "scored",
            None,
            None,
            at + 0.5,
            0.0,
            0,
            at + 1.0,
        )


def _results(history: History) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(1)
    names = [column.name for column in results.columns][1:]
    fixed: dict[str, Any] = {
        "sha256": "0" * 64,
        "width": 160,
        "height": 120,
        "bit_depth": 16,
        "window_n": 2000,
        "learning": False,
        "held": False,
        "epoch": _EPOCH,
        "temperature_unit": "celsius",
        "radiometric": True,
        "hotspots": _SPOT,
        "hotspot_count": 1,
        "reasons": "[]",
        "model_id": MODEL,
        "worker": "worker-1",
    }
    for number in range(history.rows):
        at = history.start + number * history.step_s
        noise = chance.random()
        anomaly = noise < history.anomaly_share
        frame_id = history.frame_id(number)
        picture = f"{history.camera(number)}/pictures/{frame_id}-" if anomaly else None
        row = fixed | {
            "frame_id": frame_id,
            "camera": history.camera(number),
            "image_path": history.path(number),
            "captured_at": at,
            "mse": noise / 7,
            "seq": number // history.cameras + 1,
            "score": 9.0 + noise if anomaly else 1.0 + noise,
            "previous_threshold": 4.0 + noise / 9,
            "threshold": 4.0 + noise / 10,
            "body": 2.0 + noise / 11,
            "exceeding": 0 if anomaly else int(2000 * (1 - noise)),
            "anomaly": anomaly,
            "p_value": 1 / 2001 if anomaly else 1 - noise,
            "max_temperature": 50.0 + 20 * noise,
            "mean_temperature": 20.0 + noise,
            "min_temperature": 10.0 - noise,
            "std_temperature": 4.0 + noise / 3,
            "hotspot_threshold": 30.0 + noise,
            "hotspot_area": int(40 * noise),
            "original_picture": picture and picture + "original.png",
            "reconstruction_picture": picture and picture + "reconstruction.png",
            "heatmap_picture": picture and picture + "heatmap.png",
            "overlay_picture": picture and picture + "overlay.png",
            "sheet_picture": picture and picture + "sheet.png",
            "map_artifact": picture and picture + "map.npz",
            "review": None,
            "scored_at": at + 1.0,
            "arrived_at": at + 0.5,
            "latency_s": 0.5 + noise / 13,
        }
        if anomaly:
            row["reasons"] = '["residual"]'
            if noise < history.anomaly_share * history.reviewed_share:
                row["review"] = "confirmed"
        yield tuple([row.get(name) for name in names])  # None for nullable columns added later


def _load(engine: Engine, table: Table, rows: Iterator[tuple[Any, ...]]) -> None:
    names = [column.name for column in table.columns][1:]  # the first is numbered by the database
    if table is frames:
        names = [name for name in names if name in _FRAME_NAMES]
    if engine.dialect.name == "sqlite":
        _load_sqlite(str(engine.url.database), table.name, names, rows)
        return
    with writing(engine) as connection:
        # Foreign keys hold by construction; don't check them row by row.
        connection.execute(sql("SET LOCAL session_replication_role = replica"))
        raw: Any = connection.connection.driver_connection
        statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


def _load_sqlite(
    file: str, table: str, names: Sequence[str], rows: Iterator[tuple[Any, ...]]
) -> None:
    marks = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        while batch := list(islice(rows, BATCH)):
            connection.execute("BEGIN")
            connection.executemany(statement, batch)
            connection.execute("COMMIT")
    finally:
        connection.close()


_FRAME_NAMES: Final = (
    *("id", "camera", "root", "path", "mtime_ns", "size", "state", "reason", "detail"),
    *("seen_at", "lease_until", "attempts", "finished_at"),
)
