"""Frames and rows for the tests of the storage."""

from __future__ import annotations

from storage.frames.ledger import NewFrame
from storage.results.fields import ResultRow
from thermal.threshold import Decision


def new_frame(number: int, camera: str = "cam-a") -> NewFrame:
    """The `number`-th file of a camera."""
    path = f"{camera}/{number:06}.png"
    return NewFrame(camera, "/watch", path, mtime_ns=1_700_000_000_000_000_000 + number, size=100)


def result_row(frame: NewFrame, decision: Decision, *, epoch: str, model_id: str) -> ResultRow:
    """A row with a decision in it and nothing remarkable around it."""
    return ResultRow(
        frame_id=frame.frame_id,
        camera=frame.camera,
        image_path=frame.path,
        captured_at=frame.mtime_ns / 1e9,
        sha256="0" * 64,
        width=12,
        height=8,
        bit_depth=16,
        mse=0.01,
        **vars(decision),
        epoch=epoch,
        temperature_unit="celsius",
        radiometric=True,
        max_temperature=30.0,
        mean_temperature=20.0,
        min_temperature=10.0,
        std_temperature=2.0,
        hotspot_threshold=30.0,
        hotspot_area=0,
        hotspot_count=0,
        hotspots="[]",
        reasons=(),
        model_id=model_id,
        worker="test",
        scored_at=1.0,
    )
