"""The deviation is the height of the spot that deviates most, wherever and however small it is."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.thermal.plates import frames, plates, trained_bundle
from thermal.detection.detector import Detector
from thermal.detection.deviation import Deviation, strongest_deviation
from thermal.detection.normalization import resize
from thermal.frame import Frame

SIZE = (24, 32)  #: rows and columns that the model sees
NOISE_K = 0.1


def scene(scale: float, seed: int = 0) -> NDArray[np.float32]:
    """°C, `scale` times as large as the model's size: a ramp with noise."""
    height, width = (round(side * scale) for side in SIZE)
    ramp = np.linspace(18, 25, width) + np.zeros((height, 1))
    noise = np.random.default_rng(seed).normal(0, NOISE_K, (height, width))
    return np.asarray(ramp + noise, np.float32)


def measured(frame: Frame) -> Deviation | None:
    """The deviation from the ramp; the map has 1 σ for each tenth of a kelvin, smoothed."""
    expected = np.broadcast_to(np.linspace(18, 25, SIZE[1], dtype=np.float32), SIZE)
    residual = resize(frame.values, *SIZE) - expected
    return strongest_deviation(
        frame, cv2.GaussianBlur(residual, (0, 0), 0.7) / np.float32(NOISE_K), expected
    )


def celsius(values: NDArray[np.float32]) -> Frame:
    return Frame(values, "celsius", 16, "matrix")


@given(
    scale=st.sampled_from([0.5, 1.0, 2.0, 4.0]),
    side_px=st.integers(1, 12),
    kelvin=st.one_of(st.floats(25, 400), st.floats(-400, -25)),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 99),
)
def test_a_spot_of_any_size_and_place_is_measured_within_3_percent(
    scale: float, side_px: int, kelvin: float, place: tuple[float, float], seed: int
) -> None:
    # to see it fail: measure at the model's size, where a spot of 1 px is averaged away
    values = scene(scale, seed)
    top, left = (round(at * (side - side_px)) for at, side in zip(place, values.shape, strict=True))
    values[top : top + side_px, left : left + side_px] += np.float32(kelvin)
    found = measured(celsius(values))
    assert found is not None
    assert found.difference == pytest.approx(kelvin, rel=0.03)
    assert top <= found.y < top + side_px
    assert left <= found.x < left + side_px


def test_a_frame_that_deviates_nowhere_has_no_deviation() -> None:
    assert measured(celsius(scene(2))) is None


def test_the_stronger_of_two_spots_is_measured() -> None:
    values = scene(2)
    values[5:9, 5:9] += 10
    values[30:34, 40:44] -= 20
    found = measured(celsius(values))
    assert found is not None
    assert found.difference == pytest.approx(-20, rel=0.03)
    assert 40 <= found.x < 44 and 30 <= found.y < 34


def test_a_wide_and_weak_deviation_is_not_measured_by_a_strong_pixel_beside_it() -> None:
    # to see it fail: look for the strongest pixel in the whole region
    values = scene(1)
    values[4:20, 4:28] += 5
    values[4, 27] += 9
    expected = np.broadcast_to(np.linspace(18, 25, SIZE[1], dtype=np.float32), SIZE)
    anomaly_map = np.zeros(SIZE, np.float32)
    anomaly_map[4:20, 4:28] = 9  # as where normal frames are quiet
    anomaly_map[12, 16] = 10
    anomaly_map[4, 27] = 6  # and at an edge
    found = strongest_deviation(celsius(values), anomaly_map, expected)
    assert found is not None
    assert found.difference == pytest.approx(5, abs=0.1)


def test_pixels_out_of_range_are_not_measured() -> None:
    # to see it fail: take the end of the range for a temperature
    values = scene(2)
    values[5:9, 5:9] = 10_000
    assert measured(replace(celsius(values), saturated_px=16)) is None
    cold = scene(2)
    cold[5:9, 5:9] = -60
    assert measured(replace(celsius(cold), under_range_px=16)) is None
    assert measured(celsius(cold)) is not None


def test_pixels_out_of_range_elsewhere_do_not_hide_a_spot() -> None:
    values = scene(2)
    values[5:9, 5:9] -= 100
    values[40, 60] = 60
    found = measured(replace(celsius(values), saturated_px=1))
    assert found is not None and found.difference == pytest.approx(-100, rel=0.03)


def test_the_median_in_unusable_pixels_is_no_measurement() -> None:
    # to see it fail: call a block of dead pixels colder than expected
    values = scene(2)
    dead = (slice(20, 28), slice(56, 64))  # at the warm end of the ramp
    values[dead] = np.median(np.delete(values, range(56, 64), axis=1))
    assert measured(celsius(values)) is not None
    unusable = values.copy()
    unusable[dead] = np.nan
    unusable[dead] = np.nanmedian(unusable)
    assert measured(replace(celsius(unusable), unusable_px=64)) is None


def test_the_detector_measures_a_hot_and_a_cold_cell() -> None:
    # the plates have noise of 3 counts
    detector = Detector.from_bundle(trained_bundle(), "cpu")
    images = plates(20, seed=7).astype(np.float32)
    hot, cold = images.copy(), images.copy()
    hot[:, 3:7, 5:9] += 60
    cold[:, 16:18, 9:11] -= 60
    for values, height in ((hot, 60), (cold, -60)):
        kept = np.clip(values, 0, 255).astype(np.uint8)
        found = [one.deviation for one in detector.score(frames(kept))]
        shares = [one.difference / height for one in found if one]
        assert len(shares) == len(found)
        assert np.median(shares) == pytest.approx(1, abs=0.1)
        assert shares == pytest.approx([1] * len(shares), abs=0.25)


def test_what_normal_frames_leave_in_a_pixel_is_expected() -> None:
    # to see it fail: expect the reconstruction alone
    bundle = trained_bundle()
    image = plates(1, seed=7)
    image[0, 3:7, 5:9] += 90
    shifted = replace(
        bundle,
        weights={
            **bundle.weights,
            "residual_mean": bundle.weights["residual_mean"] + np.float32(0.2),
        },
    )
    before, after = (
        Detector.from_bundle(one, "cpu").score(frames(image))[0].deviation
        for one in (bundle, shifted)
    )
    assert before and after
    less = before.difference - after.difference
    assert less == pytest.approx(0.2 * bundle.normalization.span, rel=0.01)
