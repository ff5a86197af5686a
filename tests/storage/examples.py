"""Frames, results and query plans for the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, event

from storage.db.database import reading
from storage.db.result_fields import ResultRow
from storage.frames.identity import NewFrame
from storage.results.epochs import open_epoch
from storage.results.rows import row_to_database
from thermal.threshold import Decision

MODEL = "m" * 64
EPOCH = "epoch-1"


def new_frame(number: int, camera: str = "north") -> NewFrame:
    """A distinct frame for each number."""
    return NewFrame(camera, "/srv/in", f"{camera}/{number:06}.png", 10**18 + number, 1000 + number)


def result(frame: NewFrame, seq: int, **changes: Any) -> ResultRow:
    """A normal result for the frame, at position `seq` of its stream."""
    values: dict[str, Any] = {
        "frame_id": frame.frame_id,
        "camera": frame.camera,
        "image_path": frame.path,
        "captured_at": 1_750_000_000.0 + seq,
        "sha256": frame.frame_id * 2,
        "width": 320,
        "height": 240,
        "bit_depth": 16,
        "mse": 0.1 + 0.2,
        "seq": seq,
        "score": 1.1 * seq,
        "previous_threshold": 5.0 / 3.0,
        "threshold": 5.1 / 3.0,
        "body": 1.0 / 3.0,
        "window_n": 100,
        "exceeding": 7,
        "anomaly": False,
        "learning": False,
        "held": False,
        "epoch": EPOCH,
        "temperature_unit": "celsius",
        "radiometric": True,
        "max_temperature": 61.7,
        "mean_temperature": 20.1,
        "min_temperature": -3.3,
        "std_temperature": 4.4,
        "hotspot_threshold": 30.1,
        "hotspot_area": 12,
        "hotspot_count": 2,
        "hotspots": json.dumps([{"area_px": 12}]),
        "reasons": (),
        "model_id": MODEL,
        "worker": "worker-1",
        "scored_at": 1_750_000_001.5,
        "arrived_at": changes.get("captured_at", 1_750_000_000.0 + seq),
    }
    return ResultRow(**(values | changes))


def result_row(frame: NewFrame, decision: Decision, *, epoch: str, model_id: str) -> ResultRow:
    """A normal result for the frame with this decision."""
    values = {**vars(decision), "epoch": epoch, "model_id": model_id}
    return result(frame, **values)


def finished_frame(frame_id: str, state: str = "scored") -> dict[str, object]:
    """A row of `frames`, for inserting many at once."""
    return {
        "id": frame_id,
        "camera": "north",
        "root": "/srv/in",
        "path": "a.png",
        "mtime_ns": 1,
        "size": 1,
        "state": state,
        "seen_at": 1.0,
        "lease_until": 0.0,
        "attempts": 0,
        "finished_at": 2.0,
    }


def stored_row(frame_id: str, seq: int, **changes: Any) -> dict[str, object]:
    """A row of `results`, for inserting many at once."""
    return row_to_database(result(new_frame(1), seq, **changes)) | {"frame_id": frame_id}


def open_streams(engine: Engine, *cameras: str, epoch: str = EPOCH, model_id: str = MODEL) -> None:
    """Open an epoch for the streams of these cameras."""
    for camera in cameras:
        open_epoch(engine, camera, model_id, epoch, config="[]", now=1.0)


@dataclass
class Statements:
    """Statements sent to the database, with their parameters."""

    seen: list[tuple[str, Any]] = field(default_factory=list)

    def plans(self, engine: Engine) -> str:
        """Their query plans, one step per line."""
        explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
        lines: list[str] = []
        with reading(engine) as connection:
            for statement, sent in self.seen:
                if statement.split()[0] in ("SELECT", "WITH", "UPDATE"):
                    parameters = sent[0] if isinstance(sent, list) else sent  # of an executemany
                    steps = connection.exec_driver_sql(explain + statement, parameters)
                    lines += [str(step[-1]) for step in steps]
        return "\n".join(lines)


@contextmanager
def recorded_statements(engine: Engine) -> Iterator[Statements]:
    """Record the statements sent to the database within the block."""
    statements = Statements()

    def note(
        _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> None:
        statements.seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
