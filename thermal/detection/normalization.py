"""From a frame to the network's input: a fixed size, offset and span.

Offset and span are learned once, over the whole training set, and never from the image at hand:
stretching every image to its own minimum and maximum would hide uniform overheating and
amplify harmless noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.errors import UnitMismatch
from thermal.frame import Frame, Unit

#: Longest side in px of a size that is chosen from the images; smaller images keep their size.
MAX_SIDE_PX = 160


@dataclass(frozen=True)
class Normalization:
    """How frames become network input; part of the model bundle."""

    height: int  #: rows of the network's input, px
    width: int  #: columns of the network's input, px
    offset: float  #: value that becomes 0, in `unit`
    span: float  #: value difference that becomes 1, in `unit`; > 0
    unit: Unit


def resize(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize (H, W) values to (height, width): area mean to shrink, bilinear to enlarge."""
    if values.shape == (height, width):
        return values
    shrinks = height * width < values.shape[0] * values.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (width, height), interpolation=method), np.float32)


def prepare(frame: Frame, normalization: Normalization) -> NDArray[np.float32]:
    """Return the network's input, (height, width) float32, in spans from the offset.

    Raises `UnitMismatch` if the frame is not in the unit the model was trained in.
    """
    if frame.unit != normalization.unit:
        raise UnitMismatch(
            f"the frame is in {frame.unit}, the model was trained in {normalization.unit}: "
            "declare the camera's scale, or train a model on frames of this kind"
        )
    values = resize(frame.values, normalization.height, normalization.width)
    return np.asarray((values - normalization.offset) / normalization.span, np.float32)


def choose_size(shapes: Sequence[tuple[int, int]], multiple_px: int = 8) -> tuple[int, int]:
    """Choose the network's (height, width) from the (height, width) of training frames.

    The commonest shape, scaled down to `MAX_SIDE_PX` if it is longer, each side rounded to
    `multiple_px`, which the network's halvings need.
    """
    height, width = Counter(shapes).most_common(1)[0][0]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    return _round_to(height * scale, multiple_px), _round_to(width * scale, multiple_px)


def _round_to(length_px: float, multiple_px: int) -> int:
    return max(2 * multiple_px, multiple_px * round(length_px / multiple_px))
