"""All that was found out about a frame, as the row that is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.files.artifacts import PictureKind
from storage.results.commit import ResultRow
from thermal.detection.detector import Scored
from thermal.hotspots import HotspotReport
from thermal.threshold import Decision
from worker.reading import Decoded


@dataclass(frozen=True, eq=False)
class Inspected:
    """A frame with all that is known of it before the decision."""

    decoded: Decoded
    scored: Scored
    report: HotspotReport

    @property
    def captured_at(self) -> float:
        """Unix s: the camera's clock if the file names its time zone, else the file's mtime."""
        stated = self.decoded.frame.captured_at
        if stated is not None and stated.tzinfo is not None:
            return stated.timestamp()
        return self.decoded.entry.mtime_ns / 1e9


@dataclass(frozen=True)
class Kept:
    """What was stored of a frame: paths relative to the artifact store."""

    pictures: Mapping[PictureKind, str] = field(default_factory=dict)
    map: str | None = None  #: values and anomaly map


def reasons_for(item: Inspected, decision: Decision) -> tuple[str, ...]:
    """Machine words for all that speaks for an anomaly; empty for a normal frame."""
    return item.scored.drivers if decision.anomaly else ()


def make_row(
    item: Inspected,
    decision: Decision,
    *,
    epoch: str,
    kept: Kept,
    model_id: str,
    worker: str,
    now: float,
) -> ResultRow:
    """The row of one scored frame."""
    entry, frame = item.decoded.entry, item.decoded.frame
    statistics = item.report.statistics
    height, width = frame.shape
    pictures = kept.pictures
    return ResultRow(
        frame_id=entry.id,
        camera=entry.camera,
        image_path=entry.path,
        captured_at=item.captured_at,
        sha256=item.decoded.sha256,
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
        map_artifact=kept.map,
    )
