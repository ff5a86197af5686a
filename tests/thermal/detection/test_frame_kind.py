"""A frame of another unit, depth or shape than the model's is named as such and not scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thermal.decode import decode
from thermal.detection.frame_kind import FrameKind, commonest, mismatch
from thermal.frame import Frame, Unit

VGA = FrameKind(480, 640, 16)
QQVGA = FrameKind(120, 160, 16)


def reason(
    shape: tuple[int, int],
    kind: FrameKind | None,
    *,
    unit: Unit = "counts",
    bit_depth: int = 16,
    offset: float = 0.0,
) -> str | None:
    found = mismatch(
        Frame(np.zeros(shape, np.float32), unit, bit_depth), "counts", kind, offset=offset
    )
    return found.reason if found else None


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        ((480, 640), VGA, None),
        ((240, 320), VGA, None),  # the same scene at half the resolution
        ((960, 1280), VGA, None),
        ((120, 160), VGA, None),
        ((225, 300), FrameKind(450, 601, 16), None),  # half, rounded to whole pixels
        ((512, 640), VGA, "shape_mismatch"),  # 5:4, not 4:3
        ((482, 640), VGA, "shape_mismatch"),  # two rows of telemetry
        ((640, 480), VGA, "shape_mismatch"),  # turned
        ((60, 80), VGA, "shape_mismatch"),  # an eighth: a thumbnail
        ((1, 640), VGA, "shape_mismatch"),
        ((1, 1), VGA, "shape_mismatch"),
        ((9, 8), FrameKind(8, 8, 16), "shape_mismatch"),
        ((8, 8), FrameKind(8, 8, 16), None),
        ((31, 32), FrameKind(24, 32, 16), "shape_mismatch"),
    ],
)
def test_a_frame_must_have_the_proportions_of_the_training(
    shape: tuple[int, int], kind: FrameKind, expected: str | None
) -> None:
    assert reason(shape, kind) == expected


@pytest.mark.parametrize(
    ("model_bits", "bits", "expected"),
    [
        (16, 8, "unit_mismatch"),
        (8, 16, "unit_mismatch"),
        (8, 8, None),
        (16, 16, None),
        (16, 32, None),  # counts written as floats
    ],
)
def test_pictures_of_8_bits_and_measurements_are_not_mixed(
    model_bits: int, bits: int, expected: str | None
) -> None:
    assert reason((480, 640), FrameKind(480, 640, model_bits), bit_depth=bits) == expected


def test_a_model_that_tells_no_kind_judges_the_depth_by_its_values() -> None:
    assert reason((480, 640), None, bit_depth=8, offset=28_500) == "unit_mismatch"
    assert reason((480, 640), None, bit_depth=16, offset=28_500) is None
    assert reason((10, 10), None, bit_depth=8, offset=120) is None
    assert reason((10, 10), None, bit_depth=16, offset=120) is None


def test_the_unit_comes_first_and_the_detail_names_what_differs() -> None:
    frame = Frame(np.zeros((640, 480), np.float32), "celsius", 8)
    found = mismatch(frame, "counts", VGA)
    assert found is not None and found.reason == "unit_mismatch" and "celsius" in found.detail
    turned = mismatch(Frame(frame.values, "counts", 16), "counts", VGA)
    assert turned is not None
    assert "480×640 px" in turned.detail and "640×480 px" in turned.detail
    assert "turned" in turned.detail


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((960, 640), "as tall as 2 frames below one another"),
        ((2400, 640), "as tall as 5 frames"),
        ((482, 640), "2 more rows, as with a camera's telemetry"),
        ((512, 640), "resolution was changed to other proportions"),
        ((240, 640), "it was cropped"),
    ],
)
def test_the_message_says_what_became_of_the_frame(shape: tuple[int, int], words: str) -> None:
    found = mismatch(Frame(np.zeros(shape, np.float32), "counts", 16), "counts", VGA)
    assert found is not None and found.reason == "shape_mismatch" and words in found.detail


def test_the_commonest_kind_is_the_models() -> None:
    assert commonest([QQVGA, VGA, QQVGA]) == QQVGA


def test_frames_of_bug_reports_are_told_apart(shared_cases: Path) -> None:
    """Three normal frames of 160×120 px with 16 bits, and what became of that camera."""
    reasons = {
        path.name: found.reason if found else None
        for folder in ("shape-change", "depth-mix")
        for path in sorted((shared_cases / folder).iterdir())
        for found in [mismatch(decode(path.read_bytes()), "counts", QQVGA)]
    }
    assert reasons == {
        "00-n.png": None,
        "01-n.png": None,
        "02-n.png": None,
        "03-rot90.png": "shape_mismatch",
        "04-rot90.png": "shape_mismatch",
        "05-rot90.png": "shape_mismatch",
        "06-rot180.png": None,  # upside down: for the score to see
        "07-rot180.png": None,
        "08-double.png": None,  # the same scene at twice the resolution
        "09-double.png": None,
        "10-crop.png": "shape_mismatch",
        "11-crop.png": "shape_mismatch",
        "20-1xN.png": "shape_mismatch",
        "21-Nx1.png": "shape_mismatch",
        "22-1x1.png": "shape_mismatch",
        "000.png": None,
        "010.png": "unit_mismatch",
    }
