"""One decoded image: values with their unit, and metadata from the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: The unit of a frame's values. `counts` are values without a temperature scale.
Unit = Literal["celsius", "counts"]

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

    `values` is (H, W) float32 in `unit`, exact for 16-bit counts. `radiometric` is true if
    temperatures come from the file itself or from a declared scale (then `unit` is
    ``celsius``). `metadata` is what the file states about the measurement (emissivity,
    object_distance_m, reflected_apparent_temperature_c, atmospheric_temperature_c,
    relative_humidity, camera_model, …).
    """

    values: Values
    unit: Unit
    radiometric: bool
    bit_depth: int
    captured_at: datetime | None = None
    metadata: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.values.shape
        return int(height), int(width)
