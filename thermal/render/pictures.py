"""Pictures for people: what the camera saw, what the model expected, and where they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from thermal.detection.detector import Scored
from thermal.detection.deviation import MAP_MARK, Deviation
from thermal.detection.normalization import Normalization
from thermal.errors import UnitMismatch
from thermal.frame import Frame, Unit
from thermal.hotspots import HotspotReport
from thermal.render.legend import Scale, number
from thermal.render.palette import COLD_TO_HOT, GREY, INFERNO, RGB, Palette
from thermal.render.panel import Caption, Tag, View, draw_panel, draw_sheet

#: Small images are enlarged by a whole factor until their long side is at least this, px.
_LEAST_SIDE = 320
#: Images are shrunk until their long side is at most this, px.
_MOST_SIDE = 1280
#: The same for the four images of the sheet, which has to fit a screen.
_MOST_SIDE_IN_SHEET = 360

#: Hotspots that get a label of their own in the overlay.
_LABELLED = 3

_UNIT_NAMES: dict[Unit, str] = {"celsius": "°C", "counts": "counts"}

#: Ends of the anomaly map's scale, σ.
_MAP_REACH = 10.0


@dataclass(frozen=True)
class DisplayRange:
    """What the ends of the colour scale stand for: the same for every image of a camera."""

    low: float
    high: float  #: above `low`
    unit: Unit


def display_range(normalization: Normalization, bit_depth: int) -> DisplayRange:
    """Return the range that suits the images a model was trained on.

    Four spans below their offset to six above. In °C at least 5 below and 15 above, so that the
    10 °C of the default hotspot rule can be seen on the scale; in counts only what `bit_depth`
    bits can hold.
    """
    offset, span = normalization.offset, normalization.span
    if normalization.unit == "celsius":
        return DisplayRange(offset - max(4 * span, 5.0), offset + max(6 * span, 15.0), "celsius")
    low = max(offset - 4 * span, 0.0)
    return DisplayRange(low, max(min(offset + 6 * span, 2.0**bit_depth - 1), low + 1), "counts")


@dataclass(frozen=True, eq=False)
class Pictures:
    """(H, W, 3) uint8 RGB each, with colour scale, camera and time."""

    original: RGB
    reconstruction: RGB
    heatmap: RGB
    overlay: RGB
    sheet: RGB  #: the four side by side under a caption


def draw(
    frame: Frame, scored: Scored, report: HotspotReport, *, display: DisplayRange, caption: Caption
) -> Pictures:
    """Draw all pictures of one frame.

    Raises `UnitMismatch` if `display` is not in the unit of the frame.
    """
    if display.unit != frame.unit:
        raise UnitMismatch(f"the display range is in {display.unit}, the frame in {frame.unit}")
    views = (
        _original(frame, report, display),
        _reconstruction(frame, scored, display),
        _heatmap(frame, scored),
        _overlay(frame, report, display),
    )
    size = _display_size(frame.shape, _MOST_SIDE)
    original, reconstruction, heatmap, overlay = (draw_panel(view, size, caption) for view in views)
    maximum = _highest(report.statistics.max, frame, report)
    if frame.unit == "counts" and not frame.saturated_px:
        maximum += " counts"  # the sheet has no scale that shows the unit
    small = _display_size(frame.shape, _MOST_SIDE_IN_SHEET)
    sheet = draw_sheet(views, small, caption, maximum)
    return Pictures(original, reconstruction, heatmap, overlay, sheet)


def encode_png(rgb: RGB) -> bytes:
    """Encode a picture as PNG, quickly: level 1, and no filter, as suits palette colours."""
    settings = [
        cv2.IMWRITE_PNG_COMPRESSION,
        1,
        cv2.IMWRITE_PNG_FILTER,
        cv2.IMWRITE_PNG_FILTER_NONE,
    ]
    _, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), settings)
    return data.tobytes()


def _original(frame: Frame, report: HotspotReport, display: DisplayRange) -> View:
    statistics = report.statistics
    lowest = "under range" if frame.under_range_px else _number(statistics.min, frame.unit)
    return View(
        title="Original",
        note=f"{lowest} to {_highest(statistics.max, frame, report)}",
        values=frame.values,
        scale=_scale(display, INFERNO),
    )


def _reconstruction(frame: Frame, scored: Scored, display: DisplayRange) -> View:
    return View(
        title="Reconstruction",
        note="what the model expects",
        values=scored.reconstruction,
        scale=_scale(display, INFERNO),
        smooth=scored.reconstruction.shape != frame.shape,
    )


def _heatmap(frame: Frame, scored: Scored) -> View:
    """Draw the signed map on a fixed scale.

    The score combines this map with other signals, so its threshold cannot be marked on the scale.
    """
    anomaly_map = scored.anomaly_map
    peak = float(anomaly_map.flat[np.abs(anomaly_map).argmax()])
    found = scored.deviation
    peak_text = f"peak {number(peak, 1)} σ"
    if found:
        peak_text = f"{_difference(found, frame.unit)} at {found.x}, {found.y} ({peak_text})"
    return View(
        title="Anomaly map",
        note=f"{peak_text}, outlined over {number(MAP_MARK, 0)}",
        values=anomaly_map,
        scale=Scale(-_MAP_REACH, _MAP_REACH, "σ", COLD_TO_HOT, marks=(-MAP_MARK, MAP_MARK)),
        outlined=np.abs(anomaly_map) > MAP_MARK,
        smooth=anomaly_map.shape != frame.shape,
    )


def _overlay(frame: Frame, report: HotspotReport, display: DisplayRange) -> View:
    height, width = frame.shape
    limit = _number(report.threshold, frame.unit)
    count, area_px = report.hotspot_count, report.area_px
    found = f"{count} hotspot{'s' if count > 1 else ''}, {area_px} px" if count else "none"
    return View(
        title="Hotspots",
        note=f"{found} over {limit}",
        values=frame.values,
        scale=_scale(display, GREY, marks=(report.threshold,)),
        outlined=report.mask,
        tags=tuple(
            Tag(
                x=(spot.peak[0] + 0.5) / width,
                y=(spot.peak[1] + 0.5) / height,
                text=_highest(spot.max, frame, report),
            )
            for spot in report.hotspots[:_LABELLED]
        ),
    )


def _scale(display: DisplayRange, palette: Palette, marks: tuple[float, ...] = ()) -> Scale:
    return Scale(display.low, display.high, _UNIT_NAMES[display.unit], palette, marks)


def _number(value: float, unit: Unit) -> str:
    return f"{number(value, 1)} °C" if unit == "celsius" else number(value, 0)


def _difference(found: Deviation, unit: Unit) -> str:
    size = abs(found.difference)
    text = f"{number(size, 1)} K" if unit == "celsius" else number(size, 0)
    return f"{text} {'colder' if found.difference < 0 else 'hotter'}"


def _highest(value: float, frame: Frame, report: HotspotReport) -> str:
    """The highest value of a region, which may be over range: such pixels hold the maximum."""
    if frame.saturated_px and value >= report.statistics.max:
        return "over range"
    return _number(value, frame.unit)


def _display_size(shape: tuple[int, int], most: int) -> tuple[int, int]:
    """Return the (height, width) in px at which an image of `shape` is drawn."""
    height, width = shape
    longest = max(shape)
    if longest > most:
        return max(1, height * most // longest), max(1, width * most // longest)
    factor = max(1, min(math.ceil(_LEAST_SIDE / longest), most // longest))
    return height * factor, width * factor
