"""Decides which frames keep pictures, draws them and stores them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from storage.files.artifacts import ArtifactStore, PictureKind, map_path, picture_path
from storage.files.frame_arrays import FrameArrays, encode_arrays
from thermal.detection.bundle import Bundle
from thermal.render.panel import Caption
from thermal.render.pictures import display_range, draw, encode_png
from thermal.threshold import Decision
from worker.config import WorkerConfig
from worker.frame import InspectedFrame
from worker.rows import StoredArtifacts, reasons_for

_KINDS: Final[tuple[PictureKind, ...]] = (
    "original",
    "reconstruction",
    "heatmap",
    "overlay",
    "sheet",
)
#: Frame ids are 128-bit hashes: their first 32 bits are a uniform random number.
_DRAW_DIGITS: Final = 8


def keeps_pictures(config: WorkerConfig, frame_id: str, decision: Decision) -> bool:
    """Whether the policy keeps this frame's pictures; always the same answer for a frame."""
    policy = config.pictures
    if policy.keep == "none":
        return False
    if policy.keep == "all" or decision.anomaly:
        return True
    return int(frame_id[:_DRAW_DIGITS], 16) < policy.normal_share * 16**_DRAW_DIGITS


def store_pictures(
    store: ArtifactStore, bundle: Bundle, item: InspectedFrame, decision: Decision
) -> StoredArtifacts:
    """Draw a frame's pictures and store them with its values and anomaly map.

    Raises:
        OSError: the disk is full or unreachable; the next attempt overwrites what was stored.
    """
    entry, frame = item.entry, item.frame
    caption = Caption(
        camera=entry.camera,
        captured_at=datetime.fromtimestamp(item.captured_at, UTC),
        score=decision.score,
        threshold=decision.threshold,
        p_value=decision.p_value,
        anomaly=decision.anomaly,
        learning=decision.learning,
        reasons=reasons_for(item, decision),
        model_id=bundle.model_id,
    )
    display = display_range(bundle.normalization, frame.bit_depth)
    drawn = draw(frame, item.scored, item.report, display=display, caption=caption)
    paths: dict[PictureKind, str] = {}
    for kind in _KINDS:
        paths[kind] = picture_path(entry.camera, item.captured_at, entry.id, kind)
        store.put(paths[kind], encode_png(getattr(drawn, kind)))
    arrays = FrameArrays(frame.values, item.scored.anomaly_map)
    arrays_path = map_path(entry.camera, item.captured_at, entry.id)
    store.put(arrays_path, encode_arrays(arrays))
    return StoredArtifacts(paths, arrays_path)
