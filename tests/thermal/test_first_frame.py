"""The first frame of a camera may be flat, as with a closed shutter; that must not blind it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest

from tests.thermal.plates import train_on
from thermal import Content, Detector, Inspected, inspect
from thermal.threshold import Baseline, RollingThreshold, WindowConfig


def picture(number: int, *, spot: int = 0) -> bytes:
    """PNG of 80×64 px of 16 bits, hundredths of a kelvin: a warm body and noise, maybe a spot."""
    counts = np.full((64, 80), 29_500.0)
    counts[16:48, 20:60] += 700
    counts += np.random.default_rng(number).normal(0, 30, counts.shape)
    counts[30:36, 5:11] += spot
    return cv2.imencode(".png", counts.astype(np.uint16))[1].tobytes()


def scores(detector: Detector, images: list[bytes]) -> list[float]:
    found = inspect(map(Content, images), detector)
    return [each.scored.score for each in found if isinstance(each, Inspected)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number:02}.png") for number in range(40)]
        for number, path in enumerate(paths):
            path.write_bytes(picture(number))
        return Detector.from_bundle(train_on(paths, epochs=2), "cpu")


@pytest.mark.data
@pytest.mark.parametrize("learning", [False, True], ids=["known camera", "new camera"])
def test_the_threshold_is_back_within_20_frames_of_a_flat_first_one(
    shared_cases: Path, detector: Detector, learning: bool
) -> None:
    # to see it fail: in `RollingThreshold.decide`, let the body be the highest of the window
    config = WindowConfig()
    stream = RollingThreshold(config, Baseline.from_scores(detector.bundle.held_out_scores, config))
    if learning:
        stream.start_learning()
    level = stream.threshold
    flat = (shared_cases / "first-frame-flat" / "flat.png").read_bytes()
    normal = [picture(number) for number in range(100, 120)]
    first, *others, hot = scores(detector, [flat, *normal, picture(1000, spot=3000)])
    assert stream.decide(first).anomaly
    for score in others:
        stream.decide(score)
    assert stream.threshold < 1.5 * level
    assert stream.decide(hot).anomaly
