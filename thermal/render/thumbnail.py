"""A frame as a bare image: colours and nothing else, for screens that write beside it."""

from __future__ import annotations

import cv2
import numpy as np

from thermal.frame import Values
from thermal.render.palette import INFERNO, RGB


def draw_thumbnail(values: Values, *, low: float, high: float, most_side: int = 640) -> RGB:
    """Colour (H, W) values between `low` and `high`; shrunk to `most_side` px, never enlarged."""
    height, width = values.shape
    shrink = most_side / max(height, width)
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    steps = (values - low) * (255.0 / (high - low))
    rgb: RGB = INFERNO.colours[np.rint(steps).clip(0, 255).astype(np.uint8)]
    return rgb
