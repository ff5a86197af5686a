"""A PNG of 16 bits whose two bytes are exchanged is noise to a model, so it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode.samples import written
from thermal.decode import decode
from thermal.errors import UnsupportedImage

_Y, _X = np.mgrid[:60, :80]
#: (60, 80) °C: a gradient, a warm object and noise.
SCENE = (
    18
    + 0.1 * _X
    + 8 * np.exp(-((_X - 30.0) ** 2 + (_Y - 25.0) ** 2) / 200)
    + np.random.default_rng(6).normal(0, 0.05, (60, 80))
)
CENTIKELVIN: NDArray[np.uint16] = ((SCENE + 273.15) * 100).round().astype(np.uint16)
BROAD = (SCENE * 2000).astype(np.uint16)


@pytest.mark.parametrize("counts", [CENTIKELVIN, BROAD, CENTIKELVIN[:, :20], CENTIKELVIN[:8]])
def test_values_whose_bytes_are_exchanged_are_refused(counts: NDArray[np.uint16]) -> None:
    # to see it fail: in `read_png`, don't call `_refuse_exchanged_bytes`
    assert np.array_equal(decode(written(".png", counts)).values, counts)
    with pytest.raises(UnsupportedImage, match="the two bytes of its values are exchanged"):
        decode(written(".png", counts.byteswap()))


def with_outliers() -> NDArray[np.uint16]:
    counts = CENTIKELVIN.copy()
    counts[10, 10], counts[20, 20:24] = 0, 65_535
    return counts


def with_hot_pixels() -> NDArray[np.uint16]:
    """A scene in the low byte; what is hot differs from it in the high byte only."""
    counts: NDArray[np.uint16] = (SCENE * 4).astype(np.uint16)
    at = np.random.default_rng(3).choice(counts.size, 48, replace=False)
    counts.flat[at] += 256 * 5
    counts[20:23, 20:23] += 256 * 9
    return counts


@pytest.mark.parametrize(
    "counts",
    [
        np.random.default_rng(1).integers(0, 1 << 16, (60, 80), np.uint16),
        np.random.default_rng(1).normal(29_500, 4, (60, 80)).astype(np.uint16),
        np.random.default_rng(1).normal(29_696, 2, (60, 80)).astype(np.uint16),  # 116 · 256
        (SCENE * 4).astype(np.uint16),
        (SCENE * 4).astype(np.uint16) << 8,
        (SCENE * 4).astype(np.uint16) * 257,
        (SCENE * 40).astype(np.uint16) << 4,
        np.where(_X < 40, 255, 256).astype(np.uint16),
        np.full((60, 80), 29_500, np.uint16),
        with_outliers(),
        with_hot_pixels(),
    ],
    ids=[
        "noise", "flat scene", "around a carry", "8 bits", "8 bits on top", "8 bits twice",
        "12 bits on top", "two levels", "constant", "dead and saturated", "hot pixels",
    ],
)  # fmt: skip
def test_other_values_are_read_as_they_are(counts: NDArray[np.uint16]) -> None:
    assert np.array_equal(decode(written(".png", counts)).values, counts)
