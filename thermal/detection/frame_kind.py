"""Which frames a model was trained on: a frame of another shape, depth or unit is not scored.

A turned, cropped or differently coded frame can be resized to the network's input and gets a score,
but the score means nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from thermal.frame import Frame, Unit

Reason = Literal["unit_mismatch", "shape_mismatch"]

#: Frames may be smaller than those of the training by this factor, and larger by any.
_SMALLER = 4
#: Rows in which cameras state their settings, above or below the picture.
_MOST_TELEMETRY_ROWS = 4
#: The highest count of 8 bits.
_HIGHEST_OF_8_BITS = 255

_Px = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class FrameKind:
    """The shape and depth of the frames that a model was trained on; part of the bundle."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    height: _Px
    width: _Px
    bit_depth: _Px

    @classmethod
    def of(cls, frame: Frame) -> FrameKind:
        """The kind of one frame."""
        height, width = frame.shape
        return cls(height, width, frame.bit_depth)


@dataclass(frozen=True)
class Mismatch:
    """Why a frame is not of the kind that a model scores."""

    reason: Reason
    detail: str  #: a sentence for the user


def commonest(kinds: Sequence[FrameKind]) -> FrameKind:
    """The most common kind among the frames."""
    return Counter(kinds).most_common(1)[0][0]


def mismatch(
    frame: Frame, unit: Unit, kind: FrameKind | None, *, offset: float = 0.0
) -> Mismatch | None:
    """Why a frame does not fit a model of this unit and kind; None if it does.

    Without a kind, as in models of earlier releases, only the depth is judged, by the median
    `offset` of the training images' values.
    """
    if frame.unit != unit:
        return Mismatch(
            "unit_mismatch",
            f"the image is in {frame.unit}, the model was trained in {unit}: declare the "
            "camera's scale, or train a model on images like this one",
        )
    trained_on_8_bits = kind.bit_depth <= 8 if kind else None
    if unit == "counts" and offset > _HIGHEST_OF_8_BITS:
        trained_on_8_bits = False
    if trained_on_8_bits is not None and trained_on_8_bits != (frame.bit_depth <= 8):
        trained = "8 bits" if trained_on_8_bits else "more than 8 bits"
        return Mismatch(
            "unit_mismatch",
            f"the image has {frame.bit_depth} bits a pixel, the model was trained on images of "
            f"{trained}: set the camera to that depth, or train a model on images like this one",
        )
    if kind and not _has_shape_of(frame, kind):
        height, width = frame.shape
        return Mismatch(
            "shape_mismatch",
            f"the image has {width}×{height} px, the model was trained on {kind.width}×"
            f"{kind.height} px: {_difference(frame, kind)}. Undo that, or train a model on images "
            "like this one",
        )
    return None


def _has_shape_of(frame: Frame, kind: FrameKind) -> bool:
    """Whether both have the same sides, but for a scale and its rounding to whole pixels."""
    height, width = frame.shape
    if _SMALLER * height < kind.height or _SMALLER * width < kind.width:
        return False
    to_height, to_width = width * kind.height / kind.width, height * kind.width / kind.height
    return abs(height - to_height) < 1 or abs(width - to_width) < 1


def _difference(frame: Frame, kind: FrameKind) -> str:
    height, width = frame.shape
    more = height - kind.height
    if width == kind.width and more > 0 and height % kind.height == 0:
        return f"it is as tall as {height // kind.height} frames below one another"
    if width == kind.width and 0 < more <= _MOST_TELEMETRY_ROWS:
        return f"it has {more} more rows, as with a camera's telemetry"
    if (height < width) != (kind.height < kind.width) and height != width:
        return "the camera or its picture was turned"
    if _SMALLER * height < kind.height or _SMALLER * width < kind.width:
        return "it is too small to show what the model knows"
    return "it was cropped, or the camera's resolution was changed to other proportions"
