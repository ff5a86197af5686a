"""Pixels and temperatures, as a format's reader found them, to frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermal.decode.exif import About
from thermal.decode.format import DecodeOptions, MatrixUnit
from thermal.decode.raster import to_grey
from thermal.errors import CorruptImage
from thermal.frame import Frame

_ZERO_C_IN_K = 273.15
_ABSOLUTE_ZERO_C = np.float32(-_ZERO_C_IN_K)
#: Hotter than any thermal camera measures; a larger number is not a temperature in °C.
_HOTTEST_C = np.float32(10_000.0)

_NO_FACTS = About()


def counts_frame(pixels: NDArray[Any], options: DecodeOptions, facts: About = _NO_FACTS) -> Frame:
    """Make a frame of counts, or of °C where `options.scale` is declared.

    `pixels` is (H, W) or (H, W, 3) BGR, of an integer type.
    """
    grey = to_grey(pixels)
    bit_depth = 8 * grey.dtype.itemsize
    if options.scale is None:
        values = grey.astype(np.float32)
        return Frame(values, "counts", False, bit_depth, facts.captured_at, facts.metadata)
    values = (grey * options.scale.gain + options.scale.offset).astype(np.float32)
    return Frame(values, "celsius", True, bit_depth, facts.captured_at, facts.metadata)


def temperature_frame(
    values: NDArray[Any], unit: MatrixUnit, facts: About = _NO_FACTS, *, bit_depth: int = 32
) -> Frame:
    """Make a frame of °C from (H, W) temperatures.

    Impossible values (NaN, below absolute zero, over 10,000 °C) become the median of the others.
    Raises `CorruptImage` if they are more than half of the pixels.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if unit == "kelvin":
            values = values.astype(np.float64) - _ZERO_C_IN_K
        celsius = values.astype(np.float32, copy=False)
        # Written so that a single NaN makes it false.
        plausible = celsius.min() >= _ABSOLUTE_ZERO_C and celsius.max() <= _HOTTEST_C
    metadata = facts.metadata
    if not plausible:
        usable = (celsius >= _ABSOLUTE_ZERO_C) & (celsius <= _HOTTEST_C)
        unusable_px = int(celsius.size - np.count_nonzero(usable))
        if 2 * unusable_px > celsius.size:
            raise CorruptImage(
                f"damaged: {unusable_px:,} of {celsius.size:,} pixels hold no possible temperature"
            )
        celsius[~usable] = np.median(celsius[usable])
        metadata = {**metadata, "unusable_px": unusable_px}
    return Frame(celsius, "celsius", True, bit_depth, facts.captured_at, metadata)
