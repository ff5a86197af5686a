"""The wall: state and tile of each camera."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

from ops.camera_clock import clock_offset_s, clock_text
from ops.failing_uploads import failing_text, failing_uploads
from ops.frozen_images import frozen_images, frozen_text
from ops.web.schemas.cameras import Camera, CameraState, LastResult, OwnState, Point
from storage.results.wall import CameraView, RecentResult

#: A camera is silent after this many of its median intervals without a frame …
SILENT_INTERVALS: Final = 10
#: … and no earlier than after this many seconds.
SILENT_S: Final = 60.0
#: Shorter intervals cannot make it later, so frames that arrive so closely count as one upload …
_TOGETHER_S: Final = SILENT_S / SILENT_INTERVALS
#: … if there are this many longer ones. Fewer may be outages of a fast camera.
_FEWEST_INTERVALS: Final = 3


def camera_state(view: CameraView, now: float) -> CameraState:
    """The worst of a camera's own state at `now` (Unix s) and its findings.

    A finding outranks everything: a camera that falls silent, or later frames that are normal, must
    not hide an anomaly about which nobody has decided, or one that is confirmed and still stands.
    """
    return "anomaly" if view.finding else own_state(view, now)


def own_state(view: CameraView, now: float) -> OwnState:
    """Whether a camera sends frames that can be scored, whatever they show."""
    failing = failing_uploads(view) is not None
    if not view.recent and failing:
        return "unreadable"  # how often it uploads is not known yet
    if now - view.last_frame_at > silent_after_s(view.recent):
        return "silent"
    if not view.recent:
        return "learning"
    if failing:
        return "unreadable"
    if frozen_images(view) is not None:
        return "frozen"
    return "learning" if view.recent[0].learning else "ok"


def silent_after_s(recent: Sequence[RecentResult]) -> float:
    """Seconds without a frame after which a camera is silent.

    Frames that are uploaded together arrive at the same moment; then the intervals between the
    uploads count.
    """
    times = [result.arrived_at for result in recent]
    gaps = [later - earlier for later, earlier in pairwise(times)]
    uploads = [gap for gap in gaps if gap > _TOGETHER_S]
    gaps = uploads if len(uploads) >= _FEWEST_INTERVALS else gaps
    return max(SILENT_S, SILENT_INTERVALS * statistics.median(gaps)) if gaps else SILENT_S


def camera_tile(view: CameraView, now: float, *, group: str | None) -> Camera:
    """A camera as in the API."""
    offset_s = clock_offset_s(view.recent)
    failed = failing_uploads(view)
    frozen = frozen_images(view)
    oldest = view.oldest_pending_at
    return Camera(
        name=view.name,
        group=group,
        state=camera_state(view, now),
        own_state=own_state(view, now),
        first_seen_at=view.first_seen_at,
        last_frame_at=view.last_frame_at,
        seconds_since=max(0.0, now - view.last_frame_at),
        stale_after_s=silent_after_s(view.recent),
        last=_shown(view.recent[0], "thumbnail") if view.recent else None,
        finding=_shown(view.finding, "marked") if view.finding else None,
        recent=[Point.of(result) for result in reversed(view.recent)],
        pending=view.pending,
        oldest_pending_at=oldest,
        behind_s=0.0 if oldest is None else max(0.0, now - oldest),
        failing=None if failed is None else failing_text(failed),
        frozen=None if frozen is None else frozen_text(frozen),
        unreviewed=view.unreviewed,
        confirmed=view.confirmed,
        clock_offset_s=offset_s,
        clock=clock_text(offset_s),
    )


def _shown(result: RecentResult, picture: Literal["thumbnail", "marked"]) -> LastResult:
    return LastResult.of(
        result,
        prediction="Anomaly" if result.anomaly else "Normal",
        image=f"/api/v1/results/{result.id}/pictures/{picture}",
    )
