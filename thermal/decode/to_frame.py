"""Pixels and temperatures, as a format's reader found them, to frames.

Pixels outside the measuring range stay the hottest or coldest of their frame, and are counted:

- over range (`saturated_px`): +inf, over 10,000 °C, or the highest code of an integer picture;
- under range (`under_range_px`): −inf, or the lowest code of an integer picture.

Pixels that measure nothing (`unusable_px`) are NaN or at most at absolute zero, as writers mark
what has no data (−9999, −32768, 0 K). They get the median of the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thermal.decode.correction import corrected, refuse_for_counts
from thermal.decode.exif import About
from thermal.decode.format import DecodeOptions, MatrixUnit
from thermal.decode.raster import to_grey
from thermal.errors import CorruptImage, ImpossibleUnit, ScaleCannotApply
from thermal.frame import Frame, TemperatureSource, Unit, Values
from thermal.measurement import UNKNOWN, ZERO_C_IN_K, MeasurementParameters

_NO_FACTS: Final = About()
_Mask = NDArray[np.bool_]
_NOWHERE: Final[_Mask] = np.zeros((1, 1), np.bool_)  # stands for a mask of any shape


class _Limits(NamedTuple):
    """Between which values a measurement can lie. What is over range gets the highest."""

    lowest: np.float32  #: exclusive
    highest: np.float32


#: Absolute zero, and more than any thermal camera measures.
_CELSIUS: Final = _Limits(np.float32(-ZERO_C_IN_K), np.float32(10_000))
#: The integers that float32 holds exactly.
_COUNTS: Final = _Limits(np.float32(-(2**24)), np.float32(2**24))

#: °C between which the median of a scene lies: from the clear sky in winter to a molten metal. A
#: frame beyond is in another unit than declared.
_COLDEST_SCENE_C, _HOTTEST_SCENE_C = -150.0, 2_500.0

#: What to do about a frame that cannot be in °C.
_ADVICE: Final[dict[TemperatureSource, str]] = {
    "matrix": "say with `matrix_unit` what the file holds; counts need a `scale`",
    "scale": "check the camera's `scale`, and that the image is the one it is for",
    "radiometric": "the file's calibration makes no sense",
}


class _Ends(NamedTuple):
    """Pixels at the ends of an integer type's codes, (H, W)."""

    highest: _Mask = _NOWHERE
    lowest: _Mask = _NOWHERE


_NO_ENDS: Final = _Ends()


def counts_frame(pixels: NDArray[Any], options: DecodeOptions, facts: About = _NO_FACTS) -> Frame:
    """Make a frame of counts, or of °C where `options.scale` is declared.

    `pixels` is (H, W) or (H, W, 3) BGR, of an integer type.

    Raises `ScaleCannotApply` for a colour picture with a scale, `ImpossibleUnit` if no scene has
    the temperatures that the scale gives, and `CorruptImage` if too few pixels hold a possible one.
    """
    bit_depth = 8 * pixels.dtype.itemsize
    scale = options.scale
    if scale is None:
        refuse_for_counts(options.parameters)
        grey = to_grey(pixels)
        ends = _ends_of(grey) if bit_depth > 8 else _NO_ENDS  # 8 bits were stretched to be seen
        return _frame(grey.astype(np.float32), "counts", None, facts, bit_depth, ends)
    if pixels.ndim == 3 and (pixels != pixels[..., :1]).any():
        raise ScaleCannotApply(
            "a colour picture: its colours are no measurement, and the `scale` that is declared "
            "for this camera cannot make them one. Export the thermogram, or remove the scale"
        )
    grey = to_grey(pixels)
    celsius = (grey * scale.gain + scale.offset).astype(np.float32)
    return _celsius_frame(celsius, "scale", options, facts, bit_depth, _ends_of(grey))


def temperature_frame(
    values: NDArray[Any],
    options: DecodeOptions,
    facts: About = _NO_FACTS,
    *,
    bit_depth: int = 32,
    named_unit: MatrixUnit | None = None,
) -> Frame:
    """Make a frame of (H, W) float values, as matrices hold them.

    Their unit is `options.matrix_unit`, else `named_unit`, which the file names, else °C.

    Raises `ImpossibleUnit` if no scene has these values, `ScaleCannotApply` if nothing says whether
    a declared scale is for them, and `CorruptImage` if too few pixels hold a possible value.
    """
    unit = options.matrix_unit or named_unit or "celsius"
    scale = options.scale
    if unit == "counts":
        if scale is None:
            refuse_for_counts(options.parameters)
            return _checked_frame(values, _COUNTS, "counts", None, options, facts, bit_depth)
        scaled = values.astype(np.float64) * scale.gain + scale.offset
        return _celsius_frame(scaled, "scale", options, facts, bit_depth)
    if scale is not None and options.matrix_unit is None:
        raise ScaleCannotApply(
            "the camera's `scale` is for counts, and nothing says whether the numbers in this file "
            'are counts: set matrix_unit = "counts", or the unit that they are in'
        )
    if unit == "kelvin":
        values = values.astype(np.float64) - ZERO_C_IN_K
    elif unit == "fahrenheit":
        values = (values.astype(np.float64) - 32) / 1.8
    return _celsius_frame(values, "matrix", options, facts, bit_depth)


def radiometric_frame(
    celsius: NDArray[Any],
    parameters: MeasurementParameters,
    options: DecodeOptions,
    facts: About = _NO_FACTS,
    *,
    bit_depth: int = 16,
) -> Frame:
    """Make a frame of the (H, W) °C that a file's own calibration gives with `parameters`.

    Raises `ScaleCannotApply` if the options declare a scale, `ImpossibleUnit` if no scene has
    these temperatures, and `CorruptImage` if too few pixels hold a possible one.
    """
    if options.scale is not None:
        raise ScaleCannotApply(
            "a radiometric file: its own calibration gives °C, so the camera's `scale` cannot "
            "apply. Remove it, or give this camera a section of its own without it"
        )
    _check_scene(celsius, "radiometric", _NO_ENDS)
    frame = _checked_frame(celsius, _CELSIUS, "celsius", "radiometric", options, facts, bit_depth)
    return replace(frame, parameters=parameters)


def _celsius_frame(
    celsius: NDArray[Any],
    source: TemperatureSource,
    options: DecodeOptions,
    facts: About,
    bit_depth: int,
    ends: _Ends = _NO_ENDS,
) -> Frame:
    _check_scene(celsius, source, ends)
    used = options.parameters
    celsius = corrected(celsius, used)
    frame = _checked_frame(celsius, _CELSIUS, "celsius", source, options, facts, bit_depth, ends)
    return frame if used == UNKNOWN else replace(frame, parameters=used)


def _check_scene(celsius: NDArray[Any], source: TemperatureSource, ends: _Ends) -> None:
    """Raise `ImpossibleUnit` for values that no scene has in °C, most of them in range."""
    # Written so that a single NaN makes it false.
    if celsius.min() >= _COLDEST_SCENE_C and celsius.max() <= _HOTTEST_SCENE_C:
        return
    measured = celsius[np.isfinite(celsius) & ~(ends.highest | ends.lowest)]
    if 2 * measured.size <= celsius.size:
        return
    median = float(np.median(measured))
    if not _COLDEST_SCENE_C <= median <= _HOTTEST_SCENE_C:
        raise ImpossibleUnit(
            f"the median would be {median:,.0f} °C, which no scene has: {_ADVICE[source]}"
        )


def _checked_frame(
    values: NDArray[Any],
    limits: _Limits,
    unit: Unit,
    source: TemperatureSource | None,
    options: DecodeOptions,
    facts: About,
    bit_depth: int,
    ends: _Ends = _NO_ENDS,
) -> Frame:
    """Make a frame of values that may be infinite, NaN or impossible."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: Values = values.astype(np.float32, copy=False)
        # Written so that a single NaN makes it false.
        if found.min() > limits.lowest and found.max() <= limits.highest:
            return _frame(found, unit, source, facts, bit_depth, ends)
        possible = found > limits.lowest
        under_range = np.isneginf(found) | (ends.lowest & possible)
        unusable = ~(possible | under_range)
        over_range = (found > limits.highest) | ends.highest
    finite = np.clip(found, *limits)
    unusable_px = int(np.count_nonzero(unusable))
    if unusable_px == finite.size or unusable_px > options.max_unusable_share * finite.size:
        raise CorruptImage(
            f"damaged: {unusable_px:,} of {finite.size:,} pixels hold no possible value, over the "
            f"limit `max_unusable_share` of {options.max_unusable_share:g}"
        )
    if unusable_px:
        finite[unusable] = np.median(finite[~unusable])
    ends = _Ends(over_range, under_range)
    return _frame(finite, unit, source, facts, bit_depth, ends, unusable_px)


def _frame(
    values: Values,
    unit: Unit,
    source: TemperatureSource | None,
    facts: About,
    bit_depth: int,
    ends: _Ends,
    unusable_px: int = 0,
) -> Frame:
    return Frame(
        values,
        unit,
        bit_depth,
        source,
        captured_at=facts.captured_at,
        captured_at_source=facts.captured_at_source,
        saturated_px=int(np.count_nonzero(ends.highest)),
        under_range_px=int(np.count_nonzero(ends.lowest)),
        unusable_px=unusable_px,
        metadata=facts.metadata,
    )


def _ends_of(grey: NDArray[Any]) -> _Ends:
    limits = np.iinfo(grey.dtype)
    if grey.max() < limits.max and grey.min() > limits.min:  # true of most frames
        return _NO_ENDS
    return _Ends(grey == limits.max, grey == limits.min)
