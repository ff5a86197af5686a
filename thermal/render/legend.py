"""Text and colour scales on a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from thermal.render.palette import BORDER, OUTLINE, QUIET_TEXT, RGB, TEXT, Colour, Palette

#: Width of a scale with its numbers, px.
SCALE_WIDTH = 74

_BAR_WIDTH = 14
_NUMBER_SIZE = 12

#: Pixels of the scale per number, at least.
_LEAST_SPACING = 40

REGULAR, BOLD = 400, 700


@dataclass(frozen=True, eq=False)
class Scale:
    """What the colours of a picture mean."""

    low: float
    high: float
    unit: str  #: as it is written above the scale
    palette: Palette
    marks: tuple[float, ...] = ()  #: values with a line across the scale


def write(
    canvas: RGB, text: str, x: int, y: int, size: int, colour: Colour = TEXT, weight: int = REGULAR
) -> int:
    """Write one line with its baseline at y; return the x where it ends, px.

    OpenCV's own face has Latin, Greek, Cyrillic and Chinese letters, so σ and camera names need no
    font file. Other control characters and unknown letters become question marks.
    """
    if text:
        # a new FontFace each time: one that threads share draws garbage
        face = cv2.FontFace("sans")
        cv2.putText(canvas, _printable(text), (x, y), colour, face, size, weight)
    return x + text_width(text, size, weight)


def text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Return the width of one line, px."""
    if not text:
        return 0
    face = cv2.FontFace("sans")
    return int(cv2.getTextSize((0, 0), _printable(text), (0, 0), face, size, weight)[2])


def shorten(text: str, width: int, size: int, weight: int = REGULAR) -> str:
    """Cut a line so that it is at most `width` px wide, with … where it was cut."""
    if text_width(text, size, weight) <= width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if text_width(f"{text[:middle]}…", size, weight) <= width:
            fits = middle
        else:
            too_long = middle
    return f"{text[:fits].rstrip()}…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def number(value: float, decimals: int) -> str:
    """Write a number with a real minus sign, and zero without any."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def ticks(low: float, high: float, most: int) -> tuple[list[float], int]:
    """Return at most `most` (two or more) round values in a range, and the decimals they need.

    Their distance is the least of 1, 2 and 5 times a power of ten that leaves so few.
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        # a tolerance at both ends for rounding errors of the division
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        if last - first < most:
            break
    decimals = max(0, -math.floor(math.log10(step) + 1e-6))
    return [i * step for i in range(first, last + 1)], decimals


def draw_scale(canvas: RGB, scale: Scale, x: int, y: int, height: int) -> None:
    """Draw the colour bar with numbers right of it and the unit above, top left at (x, y)."""
    write(canvas, scale.unit, x, y - 12, _NUMBER_SIZE, QUIET_TEXT)
    rows = np.rint(np.linspace(255, 0, height)).astype(np.intp)
    canvas[y : y + height, x : x + _BAR_WIDTH] = scale.palette.colours[rows][:, None]
    cv2.rectangle(canvas, (x - 1, y - 1), (x + _BAR_WIDTH, y + height), BORDER)

    def row(value: float) -> int:
        return y + round((scale.high - value) / (scale.high - scale.low) * (height - 1))

    room = SCALE_WIDTH - _BAR_WIDTH - 12
    values, decimals = ticks(scale.low, scale.high, most=max(2, height // _LEAST_SPACING))
    for value in values:
        at = row(value)
        cv2.line(canvas, (x + _BAR_WIDTH, at), (x + _BAR_WIDTH + 3, at), QUIET_TEXT)
        text = shorten(number(value, decimals), room, _NUMBER_SIZE)
        write(canvas, text, x + _BAR_WIDTH + 7, at + 4, _NUMBER_SIZE)
    for value in scale.marks:
        if scale.low <= value <= scale.high:
            at = row(value)
            cv2.rectangle(canvas, (x - 4, at - 1), (x + _BAR_WIDTH + 2, at), OUTLINE, cv2.FILLED)
