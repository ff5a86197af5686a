"""Pixels out of the measuring range stay hottest or coldest; those that measure nothing do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode.samples import tiff, written
from thermal.decode import DecodeOptions, decode
from thermal.errors import CorruptImage
from thermal.frame import Frame, LinearScale

PLAIN = DecodeOptions()
TLINEAR = DecodeOptions(scale=LinearScale(0.01, -273.15))
ABSOLUTE_ZERO = float(np.float32(-273.15))


def of(values: NDArray[np.generic], options: DecodeOptions = PLAIN) -> Frame:
    return decode(written(".tif", values), options=options)


def counters(frame: Frame) -> tuple[int, int, int]:
    return frame.saturated_px, frame.under_range_px, frame.unusable_px


@pytest.mark.parametrize("reading", [np.inf, 10_001, 3e38])
def test_a_temperature_over_range_stays_the_hottest(reading: float) -> None:
    # to see it fail: count it among the unusable pixels
    frame = of(np.array([[10, 20, 30], [reading, 40, 50]], np.float32))
    assert frame.values.tolist() == [[10, 20, 30], [10_000, 40, 50]]
    assert counters(frame) == (1, 0, 0)


def test_a_temperature_under_range_stays_the_coldest() -> None:
    frame = of(np.array([[10, 20, 30], [-np.inf, 40, 50]], np.float32))
    assert frame.values.tolist() == [[10, 20, 30], [ABSOLUTE_ZERO, 40, 50]]
    assert counters(frame) == (0, 1, 0)


@pytest.mark.parametrize("reading", [np.nan, -273.2, -9999, -32768, -3.4e38])
def test_a_pixel_that_measures_nothing_gets_the_median_of_the_others(reading: float) -> None:
    frame = of(np.array([[10, 20, 30], [reading, 40, 50]], np.float32))
    assert frame.values.tolist() == [[10, 20, 30], [30, 40, 50]]
    assert counters(frame) == (0, 0, 1)


def test_zero_kelvin_measures_nothing() -> None:
    kelvin = DecodeOptions(matrix_unit="kelvin")
    frame = of(np.array([[283.15, 0, 303.15], [293.15, 313.15, 323.15]], np.float32), kelvin)
    assert frame.values[0, 1] == pytest.approx(30)
    assert counters(frame) == (0, 0, 1)


def test_pixels_over_range_are_part_of_the_median() -> None:
    frame = of(np.array([[np.nan, np.inf, np.inf], [np.inf, 20, 30]], np.float32))
    assert frame.values.tolist() == [[10_000, 10_000, 10_000], [10_000, 20, 30]]
    assert counters(frame) == (3, 0, 1)


def test_an_image_is_refused_whose_unusable_share_is_over_the_limit() -> None:
    values = np.array([[np.nan, np.nan, 20], [np.nan, 21, 22]], np.float32)
    assert of(values).unusable_share == 0.5
    with pytest.raises(CorruptImage, match=r"3 of 6 pixels.*`max_unusable_share` of 0.4"):
        of(values, DecodeOptions(max_unusable_share=0.4))


def test_an_image_without_any_measurement_is_refused_whatever_the_limit() -> None:
    with pytest.raises(CorruptImage, match="6 of 6 pixels"):
        of(np.full((2, 3), np.nan, np.float32), DecodeOptions(max_unusable_share=1.0))


def test_saturated_counts_with_a_scale_stay_the_hottest() -> None:
    frame = of(np.array([[29_000, 65_535], [29_100, 29_200]], np.uint16), TLINEAR)
    assert frame.values[0, 1] == frame.values.max() == pytest.approx(382.2)
    assert counters(frame) == (1, 0, 0)


def test_counts_whose_scale_gives_no_possible_temperature_measure_nothing() -> None:
    # a dead pixel of many cameras is 0, which their scale makes 0 K
    frame = of(np.array([[29_000, 0], [29_100, 65_535]], np.uint16), TLINEAR)
    assert frame.values[0, 1] == frame.values[1, 0]
    assert counters(frame) == (1, 0, 1)
    signed = DecodeOptions(scale=LinearScale(0.1, 0.0))
    frame = of_signed(np.array([[200, -32_768], [210, 220]], np.int16), signed)
    assert frame.values[0, 1] == 21
    assert counters(frame) == (0, 0, 1)


def of_signed(counts: NDArray[np.int16], options: DecodeOptions) -> Frame:
    height, width = counts.shape
    data = tiff([counts.astype("<i2").tobytes()], width, height, 16, tags={339: 2})
    return decode(data, options=options)


def test_the_lowest_code_of_a_scale_is_under_range_where_it_is_a_temperature() -> None:
    wide = DecodeOptions(scale=LinearScale(0.04, -100.0))
    frame = of(np.array([[3000, 0], [3010, 3020]], np.uint16), wide)
    assert frame.values[0, 1] == -100
    assert counters(frame) == (0, 1, 0)


def test_the_ends_of_16_bit_counts_are_out_of_range_and_keep_their_values() -> None:
    frame = of(np.array([[0, 65_535], [30_000, 65_535]], np.uint16))
    assert frame.values.tolist() == [[0, 65_535], [30_000, 65_535]]
    assert counters(frame) == (2, 1, 0)


def test_the_ends_of_8_bit_counts_mean_nothing_because_pictures_are_stretched() -> None:
    frame = decode(cv2.imencode(".png", np.array([[0, 255], [7, 255]], np.uint8))[1].tobytes())
    assert counters(frame) == (0, 0, 0)


def test_frames_within_range_are_untouched() -> None:
    values = np.array([[-273.1, 9_999], [0, 20]], np.float32)
    frame = of(values)
    assert np.array_equal(frame.values, values)
    assert counters(frame) == (0, 0, 0)
