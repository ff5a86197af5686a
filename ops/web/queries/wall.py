"""The wall: what state a camera is in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from ops.web.schemas import api_models as api
from storage.results.wall import CameraView, Glimpse

#: Results of a camera that the wall looks back at.
RECENT: Final = 60
#: A camera is silent after this many of its usual intervals without a frame …
SILENT_INTERVALS: Final = 10
#: … and after this many seconds at least.
SILENT_S: Final = 60.0


def camera_state(view: CameraView, now: float) -> api.CameraState:
    """What is most worth knowing about a camera now."""
    if now - view.last_frame_at > silent_after_s(view.recent):
        return "silent"
    if not view.recent:
        return "learning"
    latest = view.recent[0]
    flagged = latest.anomaly and latest.review != "false_alarm"
    if flagged or any(glimpse.is_open for glimpse in view.recent):
        return "anomaly"
    return "learning" if latest.learning else "ok"


def silent_after_s(recent: Sequence[Glimpse]) -> float:
    """Seconds without a frame after which a camera is silent, by its usual interval."""
    times = [glimpse.captured_at for glimpse in recent]
    gaps = [later - earlier for later, earlier in pairwise(times)]
    return max(SILENT_S, SILENT_INTERVALS * statistics.median(gaps)) if gaps else SILENT_S


def camera_tile(view: CameraView, now: float) -> api.Camera:
    """A camera as the API shows it."""
    return api.Camera(
        name=view.name,
        state=camera_state(view, now),
        first_seen_at=view.first_seen_at,
        last_frame_at=view.last_frame_at,
        seconds_since=max(0.0, now - view.last_frame_at),
        last=_last(view.recent[0]) if view.recent else None,
        recent=[
            api.Point(
                id=glimpse.id,
                captured_at=glimpse.captured_at,
                score=glimpse.score,
                threshold=glimpse.threshold,
                anomaly=glimpse.anomaly,
            )
            for glimpse in reversed(view.recent)
        ],
        pending=view.pending,
        unreviewed=view.unreviewed,
    )


def wall_as_json(views: Sequence[CameraView], now: float) -> bytes:
    """All cameras as the API shows them: an `api_models.CameraList`."""
    tiles = [camera_tile(view, now) for view in views]
    return api.CameraList(now=now, cameras=tiles).model_dump_json().encode()


def _last(glimpse: Glimpse) -> api.LastResult:
    return api.LastResult.model_validate(
        {
            **vars(glimpse),
            "prediction": "Anomaly" if glimpse.anomaly else "Normal",
            "image": f"/api/v1/results/{glimpse.id}/pictures/thumbnail",
        }
    )
