"""What is too hot to be measured is an anomaly, however the file says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.plates import train_on
from thermal import Content, DecodeOptions, Detector, Inspected, LinearScale, inspect
from thermal.decode import decode

SCALED = DecodeOptions(scale=LinearScale(0.01, -273.15))
SPOT = (slice(7, 10), slice(20, 23))  # rows, columns
BOX = (20, 7, 3, 3)  # x, y, width, height


def scene(number: int) -> NDArray[np.float32]:
    """(24, 32) °C: a warm body on a cool ground, with noise."""
    noise = np.random.default_rng(number)
    celsius = np.full((24, 32), 18.0)
    celsius[6:18, 8:24] += 7  # less than makes a hotspot
    return (celsius + noise.normal(0, 0.3, celsius.shape)).astype(np.float32)


def with_spot(spot: float) -> NDArray[np.float32]:
    celsius = scene(1000)
    celsius[SPOT] = spot
    return celsius


def as_counts(celsius: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.rint((celsius.astype(np.float64) + 273.15) * 100).astype(np.uint16)


def saturated() -> NDArray[np.uint16]:
    counts = as_counts(scene(1000))
    counts[SPOT] = 65_535
    return counts


def coded(suffix: str, pixels: NDArray[np.float32] | NDArray[np.uint16]) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def text(celsius: NDArray[np.float32]) -> bytes:
    return "".join(";".join(f"{v:.2f}" for v in row) + "\n" for row in celsius).encode()


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number:02}.tif") for number in range(60)]
        for number, path in enumerate(paths):
            path.write_bytes(coded(".tif", scene(number)))
        yield Detector.from_bundle(train_on(paths, epochs=3), "cpu")


@pytest.mark.parametrize(
    ("content", "saturated_px"),
    [
        (Content(coded(".tif", with_spot(160))), 0),
        (Content(coded(".tif", with_spot(np.inf))), 9),
        (Content(coded(".tif", with_spot(1e30))), 9),
        (Content(text(with_spot(np.inf)), suffix=".csv"), 9),
        (Content(coded(".png", as_counts(with_spot(160))), options=SCALED), 0),
        (Content(coded(".png", saturated()), options=SCALED), 9),
    ],
    ids=["160", "inf", "1e30", "inf in text", "160 by a scale", "65535 by a scale"],
)
def test_a_spot_of_160_degrees_or_more_is_an_anomaly_and_marked(
    detector: Detector, content: Content, saturated_px: int
) -> None:
    # to see it fail: give pixels over range the median of the others
    [found] = inspect([content], detector)
    assert isinstance(found, Inspected)
    assert found.frame.saturated_px == saturated_px
    assert found.scored.score > 2 * detector.bundle.held_out_scores.max()
    assert found.report.hotspots[0].bbox == BOX
    anomaly_map = found.scored.anomaly_map
    assert (anomaly_map[SPOT] > 5).all()
    row, column = np.unravel_index(np.abs(anomaly_map).argmax(), anomaly_map.shape)
    assert 7 <= row < 10 and 20 <= column < 23


def test_a_spot_under_range_is_an_anomaly_and_cold(detector: Detector) -> None:
    [found] = inspect([Content(coded(".tif", with_spot(-np.inf)))], detector)
    assert isinstance(found, Inspected)
    assert found.frame.under_range_px == 9
    assert found.scored.score > 2 * detector.bundle.held_out_scores.max()
    assert (found.scored.anomaly_map[SPOT] < -5).all()


def test_the_frame_without_a_spot_is_normal(detector: Detector) -> None:
    [found] = inspect([Content(coded(".tif", scene(1000)))], detector)
    assert isinstance(found, Inspected)
    assert found.scored.score < 1.5 * detector.bundle.held_out_scores.max()


def test_the_spot_of_a_bug_report_is_as_hot_as_where_it_was_measured(shared_cases: Path) -> None:
    over, measured = (
        decode((shared_cases / "over-range" / name).read_bytes(), suffix=".tif")
        for name in ("inf.tif", "true160.tif")
    )
    hottest = over.values == over.values.max()
    assert over.saturated_px == np.count_nonzero(hottest) == 36
    assert (measured.values[hottest] == 160).all()
    assert np.array_equal(over.values[~hottest], measured.values[~hottest])
