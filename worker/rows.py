"""Builds the result row of a scored frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from storage.db.result_fields import ResultRow
from storage.files.artifacts import PictureKind
from thermal.decode.vendor import UNREAD_DATA
from thermal.threshold import Decision
from worker.frame import InspectedFrame

#: Share of unusable pixels above which they are a reason to look at a frame.
UNUSABLE_SHARE: Final = 0.01


@dataclass(frozen=True)
class StoredArtifacts:
    """Paths of a frame's stored files, relative to the artifact store."""

    pictures: Mapping[PictureKind, str] = field(default_factory=dict)
    map: str | None = None  #: values and anomaly map


def reasons_for(item: InspectedFrame, decision: Decision) -> tuple[str, ...]:
    """What drove an anomaly's score, and what is wrong with any frame's pixels, time or file."""
    frame = item.frame
    drivers = item.scored.drivers if decision.anomaly else ()
    wrong = {
        "saturated": frame.saturated_px > 0,
        "under_range": frame.under_range_px > 0,
        "unusable_pixels": frame.unusable_share > UNUSABLE_SHARE,
        "implausible_time": item.capture.doubtful,
        "unread_data": UNREAD_DATA in frame.metadata,
    }
    return drivers + tuple(word for word, holds in wrong.items() if holds)


def make_row(
    item: InspectedFrame,
    decision: Decision,
    *,
    epoch: str,
    stored: StoredArtifacts,
    model_id: str,
    worker: str,
    now: float,
) -> ResultRow:
    """The row of one scored frame."""
    entry, frame = item.entry, item.frame
    statistics = item.report.statistics
    height, width = frame.shape
    pictures = stored.pictures
    deviation = item.scored.deviation
    return ResultRow(
        frame_id=entry.id,
        camera=entry.camera,
        image_path=entry.path,
        captured_at=item.captured_at,
        sha256=item.sha256,
        width=width,
        height=height,
        bit_depth=frame.bit_depth,
        mse=item.scored.mse,
        **vars(decision),
        epoch=epoch,
        temperature_unit=frame.unit,
        radiometric=frame.radiometric,
        max_temperature=statistics.max,
        mean_temperature=statistics.mean,
        min_temperature=statistics.min,
        std_temperature=statistics.std,
        hotspot_threshold=item.report.threshold,
        hotspot_area=item.report.area_px,
        hotspot_count=item.report.hotspot_count,
        hotspots=json.dumps([vars(hotspot) for hotspot in item.report.hotspots]),
        reasons=reasons_for(item, decision),
        original_picture=pictures.get("original"),
        reconstruction_picture=pictures.get("reconstruction"),
        heatmap_picture=pictures.get("heatmap"),
        overlay_picture=pictures.get("overlay"),
        sheet_picture=pictures.get("sheet"),
        model_id=model_id,
        worker=worker,
        scored_at=now,
        latency_s=max(now - entry.mtime_ns / 1e9, 0.0),
        frame_arrays=stored.map,
        arrived_at=entry.seen_at,
        temperature_source=frame.temperature_source,
        saturated_px=frame.saturated_px,
        under_range_px=frame.under_range_px,
        unusable_px=frame.unusable_px,
        **vars(frame.parameters),
        captured_at_source=item.capture.source,
        deviation=deviation.difference if deviation else None,
        deviation_x=deviation.x if deviation else None,
        deviation_y=deviation.y if deviation else None,
    )
