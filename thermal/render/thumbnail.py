"""A frame as a bare image: colours and nothing else, for screens that write beside it."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.frame import Values
from thermal.render.palette import INFERNO, OUTLINE, PAGE, RGB

#: Longest side of a thumbnail, px; smaller images are not enlarged.
MOST_SIDE: Final = 640
#: Small images are enlarged by a whole factor until their long side is at least this, px, so that a
#: mark hides few of their pixels.
_LEAST_MARKED_SIDE: Final = 480
#: Radius of a mark and room between it and what it marks, as shares of the longest side.
_LEAST_RADIUS: Final = 1 / 24
_ROOM: Final = 1 / 48


def draw_thumbnail(values: Values, *, low: float, high: float, most_side: int = MOST_SIDE) -> RGB:
    """Colour (H, W) values between `low` and `high`; shrunk to `most_side` px, never enlarged."""
    height, width = values.shape
    shrink = most_side / max(height, width)
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    steps = (values - low) * (255.0 / (high - low))
    rgb: RGB = INFERNO.colours[np.rint(steps).clip(0, 255).astype(np.uint8)]
    return rgb


def draw_marked(
    values: Values, anomaly_map: NDArray[np.float32], *, low: float, high: float, least_sigma: float
) -> RGB:
    """Draw a thumbnail with a ring around the region of the map's extreme, hot or cold.

    `anomaly_map` is (h, w) in σ and covers the same view as the (H, W) `values`. Without a value
    beyond `least_sigma` there is no such spot, and no ring.
    """
    rgb = draw_thumbnail(values, low=low, high=high)
    factor = math.ceil(_LEAST_MARKED_SIDE / max(rgb.shape[:2]))
    rgb = np.ascontiguousarray(rgb.repeat(factor, axis=0).repeat(factor, axis=1))
    found = _extreme_region(anomaly_map, least_sigma)
    if found is None:
        return rgb
    (x, y), reach = found
    longest = max(rgb.shape[:2])
    centre = (round(x * rgb.shape[1]), round(y * rgb.shape[0]))
    radius = round(max(reach * longest + _ROOM * longest, _LEAST_RADIUS * longest))
    thickness = max(2, round(longest / 200))
    cv2.circle(rgb, centre, radius, PAGE, 3 * thickness, cv2.LINE_AA)
    cv2.circle(rgb, centre, radius, OUTLINE, thickness, cv2.LINE_AA)
    return rgb


def _extreme_region(
    anomaly_map: NDArray[np.float32], least_sigma: float
) -> tuple[tuple[float, float], float] | None:
    """Centre (x, y) as shares of the sides, and reach as a share of the longest side.

    Of the connected region beyond `least_sigma` that holds the extreme.
    """
    strength = np.abs(anomaly_map)
    row, column = np.unravel_index(int(strength.argmax()), strength.shape)
    if not strength[row, column] > least_sigma:
        return None
    same_sign = np.sign(anomaly_map) == np.sign(anomaly_map[row, column])
    beyond = ((strength > least_sigma) & same_sign).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(beyond, connectivity=8)
    left, top, width, height, _ = (int(part) for part in boxes[labels[row, column]])
    rows, columns = strength.shape
    centre = ((left + width / 2) / columns, (top + height / 2) / rows)
    return centre, math.hypot(width, height) / 2 / max(rows, columns)
