"""The one path of an image: scores, hotspots and refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.scene import picture
from thermal import Content, DecodeOptions, Detector, Inspected, LinearScale, Refusal, inspect
from thermal.decode import decode
from thermal.detection.bundle import Bundle
from thermal.hotspots import HotspotRule
from thermal.inspection import GROUP_FILES


@pytest.fixture(scope="module")
def detector(bundle: Bundle) -> Detector:
    return Detector.from_bundle(bundle, "cpu")


def test_an_image_is_scored_and_measured(detector: Detector) -> None:
    [found] = inspect([Content(picture(1))], detector)
    assert isinstance(found, Inspected)
    [alone] = detector.score([decode(picture(1))])
    assert found.scored.score == alone.score
    assert found.report.statistics.max == found.frame.values.max()


def test_results_come_in_the_order_of_the_images(detector: Detector) -> None:
    found = inspect([Content(picture(1)), Content(b""), Content(picture(2))], detector)
    assert [type(item) for item in found] == [Inspected, Refusal, Inspected]
    assert isinstance(found[2], Inspected)
    assert np.array_equal(found[2].frame.values, decode(picture(2)).values)


CENTIKELVIN = DecodeOptions(scale=LinearScale(0.01, -273.15))


def coded(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Content(b""), "empty"),
        (Content(picture(1)[:-30]), "corrupt"),
        (Content(b"GIF89a no image"), "unsupported"),
        (Content(picture(1), options=DecodeOptions(max_pixels=10)), "too_large"),
        (Content(b"20.5,21.0\n20.7,21.2\n", suffix=".csv"), "unit_mismatch"),
        (Content(coded(np.full((24, 32), 20_000, np.uint16))), "unit_mismatch"),
        (Content(coded(np.full((32, 24), 90, np.uint8))), "shape_mismatch"),
        (Content(coded(np.full((24, 32), 90, np.uint8)), options=CENTIKELVIN), "unit_mismatch"),
    ],
)
def test_an_image_that_cannot_be_scored_is_refused_with_a_reason(
    detector: Detector, content: Content, reason: str
) -> None:
    [found] = inspect([content], detector)
    assert isinstance(found, Refusal)
    assert found.reason == reason
    assert found.detail


def test_a_unit_mismatch_is_never_blamed_on_an_unfinished_upload(detector: Detector) -> None:
    scaled = DecodeOptions(scale=LinearScale(0.1, -20.0))
    [found] = inspect([Content(picture(1), options=scaled)], detector)
    assert isinstance(found, Refusal) and found.reason == "unit_mismatch"
    assert not found.may_be_incomplete


def test_a_given_hotspot_rule_replaces_the_default(detector: Detector) -> None:
    [found] = inspect([Content(picture(1), hotspot=HotspotRule("absolute", 1.0))], detector)
    assert isinstance(found, Inspected)
    assert found.report.threshold == 1.0


def test_files_are_read_group_by_group_and_each_step_is_reported(detector: Detector) -> None:
    events: list[str] = []

    def contents() -> Iterator[Content]:
        for number in range(GROUP_FILES + 2):
            events.append("read")
            yield Content(picture(number))

    inspect(contents(), detector, progress=lambda: events.append("step"))
    start = ["read"] * (GROUP_FILES + 1)  # the first of the next group ends this one
    assert events[: GROUP_FILES + 3] == [*start, "read", "step"]
    assert events.count("step") == 2 * (GROUP_FILES + 2) + 1


def test_a_score_that_is_not_a_number_raises(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Detector.from_bundle(bundle, "cpu")
    (scored,) = broken.score([decode(picture(1))])
    monkeypatch.setattr(broken, "score", lambda _frames: [replace(scored, score=np.nan)])
    with pytest.raises(FloatingPointError):
        inspect([Content(picture(1))], broken)


def test_importing_thermal_loads_neither_torch_nor_opencv() -> None:
    code = "import sys, thermal; print({'torch', 'cv2', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
