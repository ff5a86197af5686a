"""How much hotter or colder than expected a frame is where it deviates most.

What is expected is the model's reconstruction plus the residual that normal frames have in each
pixel. A model's offset and span are the same for all frames, so it is in the frame's own unit.
The place comes from the anomaly map, the numbers from the frame's own pixels: a model that sees
frames smaller than they are would average a small spot away.

The number includes all that the model cannot explain, so it is the difference from the
expectation, not the temperature rise of a fault: it is too high where a spot is hardly stronger
than what normal frames leave, and too low for large spots, which the model redraws in part.
docs/results.md says how far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.detection.normalization import resize
from thermal.frame import Frame

#: σ of the anomaly map beyond which a pixel deviates; noise does not reach it.
MAP_MARK = 5.0
#: Share of the strongest deviation from which a pixel of the region belongs to the spot.
_SPOT_SHARE = 0.5
#: How far from the map's extreme its cause may lie, as the map is smoothed; pixels of the map.
_REACH = 0.5


@dataclass(frozen=True)
class Deviation:
    """The strongest deviation of a frame from what its model expects."""

    difference: float  #: measured minus expected, mean of the spot; K if the frame is in °C
    x: int  #: column of the strongest pixel of the frame
    y: int  #: its row


def strongest_deviation(
    frame: Frame, anomaly_map: NDArray[np.float32], expected: NDArray[np.float32]
) -> Deviation | None:
    """Measure the spot at the extreme of the anomaly map.

    `anomaly_map` is (h, w) in σ, `expected` (h, w) in the unit of the frame, both at the model's
    size. The spot is the part of the region beyond `MAP_MARK` that deviates at least half as
    much as the strongest pixel at the map's extreme.

    None if the map has no such region, or if pixels of the spot are out of range or unusable: how
    far they deviate is not known.
    """
    row, column = np.unravel_index(np.abs(anomaly_map).argmax(), anomaly_map.shape)
    extreme = anomaly_map[row, column]
    if not abs(extreme) > MAP_MARK:
        return None
    sign = np.sign(extreme)
    _, labels = cv2.connectedComponents(
        (anomaly_map * sign > MAP_MARK).view(np.uint8), connectivity=4
    )
    region = resize((labels == labels[row, column]).astype(np.float32), *frame.shape) > 0
    excess = sign * (frame.values - resize(expected, *frame.shape))
    near = tuple(
        _under(int(at), length, size)
        for at, length, size in zip((row, column), anomaly_map.shape, frame.shape, strict=True)
    )
    top, left = np.unravel_index(excess[near].argmax(), excess[near].shape)
    y, x = near[0].start + int(top), near[1].start + int(left)
    if excess[y, x] <= 0:
        return None
    spot = region & (excess >= _SPOT_SHARE * excess[y, x])
    spot[y, x] = True
    if not _measured(frame)[spot].all():
        return None
    return Deviation(float(sign * excess[spot].mean(dtype=np.float64)), x, y)


def _under(at: int, length: int, size: int) -> slice:
    """The pixels of a side of `size` px within reach of pixel `at` of a map's side, `length` px."""
    scale = size / length
    first = max(0, math.floor((at - _REACH) * scale))
    return slice(first, min(size, math.ceil((at + 1 + _REACH) * scale)))


def _measured(frame: Frame) -> NDArray[np.bool_]:
    """(H, W), false for pixels out of range and for unusable ones, which hold the median."""
    measured = frame.in_range
    if frame.unusable_px:
        measured &= frame.values != np.median(frame.values)
    return measured
