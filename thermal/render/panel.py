"""The layout of a picture: title, image, colour scale, and the caption of the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.detection.normalization import resize
from thermal.render.legend import (
    BOLD,
    SCALE_WIDTH,
    Scale,
    draw_scale,
    number,
    shorten,
    text_width,
    write,
)
from thermal.render.palette import (
    ALARM,
    BORDER,
    NORMAL,
    OUTLINE,
    PAGE,
    QUIET_TEXT,
    RGB,
    TEXT,
    Colour,
    colourise,
)

#: Space that even the narrowest image gets, because title and scale need it, px.
_LEAST_WIDTH, _LEAST_HEIGHT = 192, 120

_MARGIN, _GAP = 14, 12
_HEADER = 62  #: title, note and unit, above the image
_FOOTER = 32  #: camera and time, below it
_CAPTION = 106  #: above the panels of the sheet

_CROSS = 9  #: from the middle of a cross to its ends, px


@dataclass(frozen=True)
class Caption:
    """What is written beside the pictures."""

    camera: str
    captured_at: datetime  #: with its time zone; written in UTC
    score: float  #: σ
    threshold: float  #: σ
    p_value: float
    anomaly: bool
    learning: bool  #: the camera has no baseline yet
    reasons: tuple[str, ...]  #: the rules that fired
    model_id: str

    @property
    def time(self) -> str:
        """RFC 3339, UTC, to the second."""
        return f"{self.captured_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True)
class Tag:
    """A label for one place of an image."""

    x: float  #: of the width, 0 to 1
    y: float  #: of the height, 0 to 1
    text: str


@dataclass(frozen=True, eq=False)
class View:
    """One picture before its size is known. All arrays are (h, w) and cover the whole image."""

    title: str
    note: str
    values: NDArray[np.float32]
    scale: Scale
    outlined: NDArray[np.bool_] | None = None
    tags: tuple[Tag, ...] = ()  #: the most important first
    smooth: bool = False  #: the values are not the camera's pixels; do not show them as such


def draw_panel(view: View, size: tuple[int, int], caption: Caption | None = None) -> RGB:
    """Draw a view with title and scale, and with camera and time if there is a caption.

    `size` is (height, width) of the image in px: a whole multiple of the camera's, or smaller.
    """
    height, width = max(size[0], _LEAST_HEIGHT), max(size[1], _LEAST_WIDTH)
    bottom = _FOOTER if caption else _MARGIN
    panel = _page(_HEADER + height + bottom, _MARGIN + width + _GAP + SCALE_WIDTH)
    write(panel, shorten(view.title, width, 16, BOLD), _MARGIN, 25, 16, TEXT, BOLD)
    write(panel, shorten(view.note, width, 13), _MARGIN, 47, 13, QUIET_TEXT)
    y, x = _HEADER + (height - size[0]) // 2, _MARGIN + (width - size[1]) // 2
    panel[y : y + size[0], x : x + size[1]] = _image(view, size)
    cv2.rectangle(panel, (x - 1, y - 1), (x + size[1], y + size[0]), BORDER)
    draw_scale(panel, view.scale, _MARGIN + width + _GAP, _HEADER, height)
    if caption:
        baseline, room = panel.shape[0] - 11, panel.shape[1] - 2 * _MARGIN
        time_width = text_width(caption.time, 12)
        camera = shorten(caption.camera, room - time_width - _GAP, 12)
        end = write(panel, camera, _MARGIN, baseline, 12, QUIET_TEXT)
        write(panel, caption.time, end + _GAP, baseline, 12, QUIET_TEXT)
    return panel


def draw_sheet(
    views: Sequence[View], size: tuple[int, int], caption: Caption, max_temperature: str
) -> RGB:
    """Draw views side by side, under what was decided about them."""
    panels = [draw_panel(view, size) for view in views]
    sheet = _page(_CAPTION + panels[0].shape[0], sum(panel.shape[1] for panel in panels))
    x = 0
    for panel in panels:
        sheet[_CAPTION:, x : x + panel.shape[1]] = panel
        x += panel.shape[1]
    right = sheet.shape[1] - _MARGIN
    cv2.line(sheet, (_MARGIN, _CAPTION - 4), (right, _CAPTION - 4), BORDER)

    x = _badge(sheet, "Anomaly" if caption.anomaly else "Normal", _MARGIN, caption.anomaly)
    time_x = right - text_width(caption.time, 18)
    camera = shorten(caption.camera, time_x - x - 2 * _GAP, 20, BOLD)
    write(sheet, camera, x + _GAP, 35, 20, TEXT, BOLD)
    write(sheet, caption.time, time_x, 35, 18, QUIET_TEXT)

    x = _MARGIN
    for name, value in _facts(caption, max_temperature):
        x = write(sheet, name, x, 65, 15, QUIET_TEXT) + 6
        x = write(sheet, value, x, 65, 15, TEXT, BOLD) + 22
    x = write(sheet, "reasons", _MARGIN, 88, 15, QUIET_TEXT) + 6
    write(sheet, shorten(_reasons(caption), right - x, 15), x, 88, 15)
    return sheet


def _facts(caption: Caption, max_temperature: str) -> list[tuple[str, str]]:
    return [
        ("score", f"{number(caption.score, 2)} σ"),
        ("threshold", f"{number(caption.threshold, 2)} σ"),
        ("p-value", f"{caption.p_value:.2g}"),
        ("max", max_temperature),
        ("model", caption.model_id[:12]),
    ]


def _reasons(caption: Caption) -> str:
    reasons = ", ".join(caption.reasons) or "none"
    return f"{reasons} (still learning this camera)" if caption.learning else reasons


def _badge(sheet: RGB, text: str, x: int, alarm: bool) -> int:
    """Draw the prediction on its colour; return the x where the badge ends."""
    colour: Colour = ALARM if alarm else NORMAL
    width = text_width(text.upper(), 16, BOLD) + 24
    cv2.rectangle(sheet, (x, 13), (x + width, 42), colour, cv2.FILLED)
    write(sheet, text.upper(), x + 12, 34, 16, PAGE, BOLD)
    return x + width


def _image(view: View, size: tuple[int, int]) -> RGB:
    values = resize(view.values, *size) if view.smooth else _resize_pixels(view.values, size)
    image = colourise(values, view.scale.low, view.scale.high, view.scale.palette)
    if view.outlined is not None and view.outlined.any():
        _outline(image, _resize_pixels(view.outlined.astype(np.float32), size) > 0)
    _attach(image, view.tags)
    return image


def _resize_pixels(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Repeat pixels to enlarge, so that each can be seen; average them to shrink."""
    shrinks = size[0] < values.shape[0] or size[1] < values.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(values, size[::-1], interpolation=method), np.float32)


def _outline(image: RGB, inside: NDArray[np.bool_]) -> None:
    """Draw a line around regions, on the pixels outside, so that it hides none of them."""
    x, y, width, height = cv2.boundingRect(inside.view(np.uint8))
    around = (slice(max(0, y - 3), y + height + 3), slice(max(0, x - 3), x + width + 3))
    region = inside[around]
    line = cv2.dilate(region.view(np.uint8), np.ones((5, 5), np.uint8))
    shadow = cv2.dilate(line, np.ones((3, 3), np.uint8))
    image[around][(shadow > 0) & ~region] = PAGE
    image[around][(line > 0) & ~region] = OUTLINE


def _attach(image: RGB, tags: Sequence[Tag]) -> None:
    """Point at the tagged places and write their texts beside them, where there is room."""
    taken: list[_Box] = []
    for tag in tags:
        x, y = int(tag.x * image.shape[1]), int(tag.y * image.shape[0])
        width, height = text_width(tag.text, 13, BOLD) + 8, 19
        corners = product((x + 10, x - width - 10), (y - height - 8, y + 8))
        boxes = (_Box(left, top, left + width, top + height) for left, top in corners)
        box = next((box for box in boxes if box.lies_in(image) and not box.meets(taken)), None)
        cross = _Box(x - _CROSS, y - _CROSS, x + _CROSS + 1, y + _CROSS + 1)
        if box and not cross.meets(taken):
            taken += [box, cross]
            _draw_cross(image, x, y)
            image[box.top : box.bottom, box.left : box.right] //= 4
            write(image, tag.text, box.left + 4, box.bottom - 5, 13, TEXT, BOLD)


def _draw_cross(image: RGB, x: int, y: int) -> None:
    """Draw four lines that point at a pixel and leave it free."""
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        start, end = (x + 4 * dx, y + 4 * dy), (x + _CROSS * dx, y + _CROSS * dy)
        cv2.line(image, start, end, PAGE, 3)
        cv2.line(image, start, end, TEXT, 1)


class _Box(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int

    def lies_in(self, image: RGB) -> bool:
        height, width = image.shape[:2]
        return self.left >= 0 and self.top >= 0 and self.right <= width and self.bottom <= height

    def meets(self, others: Sequence[_Box]) -> bool:
        return any(
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
            for other in others
        )


def _page(height: int, width: int) -> RGB:
    page = np.empty((height, width, 3), np.uint8)
    page[0] = PAGE
    page[1:] = page[0]  # copying rows is ten times as fast as writing colours
    return page
