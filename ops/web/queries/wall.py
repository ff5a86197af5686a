"""The wall: state and tile of each camera."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from ops.web.schemas.cameras import Camera, CameraList, CameraState, LastResult, Point
from storage.results.wall import CameraView, RecentResult

#: Latest results per camera that the wall shows.
RECENT: Final = 60
#: A camera is silent after this many of its median intervals without a frame …
SILENT_INTERVALS: Final = 10
#: … and no earlier than after this many seconds.
SILENT_S: Final = 60.0


def camera_state(view: CameraView, now: float) -> CameraState:
    """The most important fact about a camera at `now` (Unix s)."""
    if now - view.last_frame_at > silent_after_s(view.recent):
        return "silent"
    if not view.recent:
        return "learning"
    latest = view.recent[0]
    flagged = latest.anomaly and latest.review != "false_alarm"
    if flagged or any(result.is_open for result in view.recent):
        return "anomaly"
    return "learning" if latest.learning else "ok"


def silent_after_s(recent: Sequence[RecentResult]) -> float:
    """Seconds without a frame after which a camera is silent."""
    times = [result.captured_at for result in recent]
    gaps = [later - earlier for later, earlier in pairwise(times)]
    return max(SILENT_S, SILENT_INTERVALS * statistics.median(gaps)) if gaps else SILENT_S


def camera_tile(view: CameraView, now: float) -> Camera:
    """A camera as in the API."""
    return Camera(
        name=view.name,
        state=camera_state(view, now),
        first_seen_at=view.first_seen_at,
        last_frame_at=view.last_frame_at,
        seconds_since=max(0.0, now - view.last_frame_at),
        last=_last(view.recent[0]) if view.recent else None,
        recent=[Point.of(result) for result in reversed(view.recent)],
        pending=view.pending,
        unreviewed=view.unreviewed,
    )


def wall_as_json(views: Sequence[CameraView], now: float) -> bytes:
    """All cameras as JSON of a `CameraList`."""
    tiles = [camera_tile(view, now) for view in views]
    return CameraList(now=now, cameras=tiles).model_dump_json().encode()


def _last(latest: RecentResult) -> LastResult:
    return LastResult.of(
        latest,
        prediction="Anomaly" if latest.anomaly else "Normal",
        image=f"/api/v1/results/{latest.id}/pictures/thumbnail",
    )
