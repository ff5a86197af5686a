"""Colours of the pictures: a dark page and three palettes that colour-blind people can read."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: Red, green, blue, 0 to 255.
Colour = tuple[int, int, int]

#: (H, W, 3) uint8, red first.
RGB = NDArray[np.uint8]

PAGE: Colour = (17, 19, 24)
BORDER: Colour = (70, 75, 86)
TEXT: Colour = (236, 238, 242)
QUIET_TEXT: Colour = (163, 170, 182)

# Vermillion and sky blue are told apart with every kind of colour vision (Okabe and Ito, Color
# Universal Design, 2008); both are made a little lighter for the dark page.
ALARM: Colour = (255, 122, 47)
NORMAL: Colour = (97, 186, 240)
OUTLINE: Colour = (0, 229, 200)


@dataclass(frozen=True, eq=False)
class Palette:
    """256 colours from low to high."""

    colours: NDArray[np.uint8]  #: (256, 3), red first


def _through(*anchors: Colour) -> Palette:
    """Return the palette that runs through evenly spaced colours."""
    positions = np.linspace(0, 1, len(anchors))
    steps = np.linspace(0, 1, 256)
    channels = [np.interp(steps, positions, channel) for channel in zip(*anchors, strict=True)]
    return Palette(np.rint(np.stack(channels, axis=1)).astype(np.uint8))


def _inferno() -> Palette:
    blue_first = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    return Palette(np.ascontiguousarray(blue_first[:, 0, ::-1]))


#: The palette for temperatures: iron-like, perceptually uniform, readable in grey as well.
INFERNO = _inferno()

#: Lighter in the lower half than a straight ramp: normal scenes lie there.
GREY = _through(*((v, v, v) for v in (8, 72, 118, 160, 199, 236)))

#: The palette for signed maps: cold blue, dark at zero, hot orange; strength is lightness.
COLD_TO_HOT = _through(
    (205, 240, 255),
    (86, 172, 232),
    (36, 104, 176),
    (26, 56, 100),
    (30, 32, 38),
    (96, 44, 30),
    (186, 72, 24),
    (245, 140, 40),
    (255, 236, 170),
)


def colourise(values: NDArray[np.float32], low: float, high: float, palette: Palette) -> RGB:
    """Colour (H, W) values between `low` and `high`; those beyond get the end's colour."""
    scaled = values - np.float32(low)
    scaled *= np.float32(255 / (high - low))
    scaled += np.float32(0.5)  # rounds, as the cast below cuts
    index = np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(index, palette.colours[:, None]), np.uint8)
