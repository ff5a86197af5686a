"""Normalization: fixed level, fixed span, fixed size."""

from __future__ import annotations

import numpy as np
import pytest

from thermal.detection.normalization import Normalization, choose_size, prepare
from thermal.errors import UnitMismatch
from thermal.frame import Frame, Unit


def frame_of(values: object, unit: Unit = "counts") -> Frame:
    return Frame(np.asarray(values, np.float32), unit, 8)


def test_values_become_spans_from_the_level() -> None:
    normalization = Normalization(height=1, width=3, offset=20.0, span=5.0, unit="celsius")
    prepared = prepare(frame_of([[15.0, 20.0, 35.0]], "celsius"), normalization)
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, [[-1.0, 0.0, 3.0]])


def test_uniform_overheating_stays_visible() -> None:
    normalization = Normalization(height=8, width=8, offset=20.0, span=5.0, unit="counts")
    cool, hot = (prepare(frame_of(np.full((8, 8), v)), normalization) for v in (20, 60))
    assert (hot - cool).min() == 8.0


def test_shrinking_takes_the_mean_of_the_area() -> None:
    normalization = Normalization(height=1, width=2, offset=0.0, span=1.0, unit="counts")
    values = [[0, 2, 10, 10], [4, 6, 20, 20]]  # two blocks of 2×2 with the means 3 and 15
    np.testing.assert_allclose(prepare(frame_of(values), normalization), [[3.0, 15.0]])


def test_enlarging_keeps_a_flat_image_flat() -> None:
    normalization = Normalization(height=16, width=16, offset=0.0, span=2.0, unit="counts")
    np.testing.assert_allclose(prepare(frame_of(np.full((5, 7), 6.0)), normalization), 3.0)


def test_a_frame_in_another_unit_is_refused() -> None:
    normalization = Normalization(height=2, width=2, offset=0.0, span=1.0, unit="celsius")
    with pytest.raises(UnitMismatch, match="counts"):
        prepare(frame_of(np.zeros((2, 2))), normalization)


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(40, 24)], (40, 24)),  # a small image keeps its size
        ([(512, 640)], (128, 160)),  # a large one is shrunk, with its aspect
        ([(240, 320)], (120, 160)),
        ([(41, 25)], (40, 24)),  # to the nearest multiple of 8
        ([(3, 500)], (16, 160)),  # never to nothing
        ([(512, 640), (40, 24), (40, 24)], (40, 24)),  # the commonest shape decides
    ],
)
def test_the_size_follows_the_data(
    shapes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    assert choose_size(shapes) == expected
