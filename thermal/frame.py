"""One decoded image: values with their unit, and metadata from the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermal.measurement import UNKNOWN, MeasurementParameters

#: The unit of a frame's values. `counts` are values without a temperature scale.
Unit = Literal["celsius", "counts"]

#: Where °C come from: `radiometric`, raw values and calibration in the file; `matrix`, temperatures
#: written in the file; `scale`, counts and the scale that is declared for the camera.
TemperatureSource = Literal["radiometric", "matrix", "scale"]

#: Where a time of capture comes from: the file's FLIR record, EXIF or TIFF tags, name or mtime.
CaptureSource = Literal["flir", "exif", "tiff", "name", "mtime"]

#: (H, W) float32 values of a frame.
Values = NDArray[np.float32]


@dataclass(frozen=True)
class LinearScale:
    """A camera's declared mapping: ``celsius = gain * counts + offset``.

    Raises:
        ValueError: a number that is not finite, or a gain that is not positive.
    """

    #: °C per count.
    gain: float
    #: °C at zero counts.
    offset: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise ValueError(f"gain: should be a number above 0, given {self.gain}")
        if not math.isfinite(self.offset):
            raise ValueError(f"offset: should be a finite number, given {self.offset}")


@dataclass(frozen=True, eq=False)
class Frame:
    """One image as values.

    `values` is (H, W) float32 in `unit`, all finite, exact for 16-bit counts. Pixels outside the
    measuring range stay the hottest or coldest of the frame: they hold the end of the range.
    Unusable pixels (dead or without data) hold the median of the others.
    """

    values: Values
    unit: Unit
    bit_depth: int
    temperature_source: TemperatureSource | None = None  #: None for counts
    captured_at: datetime | None = None
    captured_at_source: CaptureSource | None = None  #: None without `captured_at`
    saturated_px: int = 0  #: pixels hotter than can be measured: "over range"
    under_range_px: int = 0  #: pixels colder than can be measured
    unusable_px: int = 0  #: pixels that measure nothing
    #: What the temperatures were computed with, as far as that is known.
    parameters: MeasurementParameters = UNKNOWN
    #: What else the file states, such as camera_model.
    metadata: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.values.shape
        return int(height), int(width)

    @property
    def in_range(self) -> NDArray[np.bool_]:
        """(H, W), true for pixels within the measuring range; the others hold its ends."""
        within = np.full(self.values.shape, True)
        if self.saturated_px:
            within &= self.values < self.values.max()
        if self.under_range_px:
            within &= self.values > self.values.min()
        return within

    @property
    def radiometric(self) -> bool:
        """Whether the file itself states temperatures."""
        return self.temperature_source in ("radiometric", "matrix")

    @property
    def unusable_share(self) -> float:
        """Share of all pixels that are unusable, 0 to 1."""
        return self.unusable_px / self.values.size
