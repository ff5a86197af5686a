"""Hotspots: thresholds and regions worked by hand, and the same by a slow, plain reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from thermal.frame import Frame, Unit
from thermal.hotspots import MAX_LISTED, HotspotRule, default_rule, measure

# Two regions over 50: three pixels that touch at their corners (left) and two (right).
GRID = [
    [20, 20, 20, 20, 20, 20],
    [20, 60, 20, 20, 20, 90],
    [20, 20, 70, 20, 20, 80],
    [20, 80, 20, 20, 20, 20],
]


def frame_of(rows: object, unit: Unit = "celsius", bit_depth: int = 16) -> Frame:
    values = np.asarray(rows, np.float32)
    return Frame(values=values, unit=unit, bit_depth=bit_depth)


@pytest.mark.parametrize(
    ("rule", "threshold", "count", "area_px"),
    [
        (HotspotRule("absolute", 50), 50.0, 2, 5),
        # strictly above: the pixel of 60 is not hot at 60, and the diagonal 70–80 stays connected
        (HotspotRule("absolute", 60), 60.0, 2, 4),
        (HotspotRule("absolute", 90), 90.0, 0, 0),
        # 19 of 24 pixels are 20, so the median is 20; 20 + 45 = 65
        (HotspotRule("delta", 45), 65.0, 2, 4),
        # sum = 19·20 + 60 + 90 + 70 + 80 + 80 = 760, mean = 760 / 24; + 45 = 76.67
        (HotspotRule("delta", 45, reference="mean"), 760 / 24 + 45, 2, 3),
        # sorted, 24 values: position 0.75·23 = 17.25, where all are 20
        (HotspotRule("percentile", 75), 20.0, 2, 5),
        # position 0.9·23 = 20.7: between values 20 (70) and 21 (80), 70 + 0.7·10
        (HotspotRule("percentile", 90), 77.0, 2, 3),
        (HotspotRule("percentile", 100), 90.0, 0, 0),
        # 19 pixels of 20 against five of 60 and more: no other split separates better
        (HotspotRule("otsu"), 20.0, 2, 5),
        # median absolute deviation 0: the least σ of 0.05 °C counts, 20 + 100·0.05
        (HotspotRule("robust", 100), 25.0, 2, 5),
        (HotspotRule("absolute", 50, min_area_px=3), 50.0, 1, 3),
        (HotspotRule("absolute", 50, min_area_px=4), 50.0, 0, 0),
    ],
)
def test_threshold_count_and_area_by_hand(
    rule: HotspotRule, threshold: float, count: int, area_px: int
) -> None:
    report = measure(frame_of(GRID), rule)
    assert report.threshold == pytest.approx(threshold, abs=1e-4)
    assert report.hotspot_count == len(report.hotspots) == count
    assert report.area_px == area_px == int(report.mask.sum())


def test_each_hotspot_has_its_numbers_and_the_hottest_comes_first() -> None:
    right, left = measure(frame_of(GRID), HotspotRule("absolute", 50)).hotspots
    assert (right.area_px, right.bbox, right.peak) == (2, (5, 1, 1, 2), (5, 1))
    assert right.centroid == (5.0, 1.5)
    assert (right.max, right.mean, right.std) == (90.0, 85.0, 5.0)
    assert (left.area_px, left.bbox, left.peak) == (3, (1, 1, 2, 3), (1, 3))
    assert left.centroid == pytest.approx(((1 + 2 + 1) / 3, 2.0))
    # deviations −10, 0, 10 from the mean of 70: variance 200 / 3
    assert (left.max, left.mean, left.std) == pytest.approx((80.0, 70.0, (200 / 3) ** 0.5))


def test_statistics_are_of_the_whole_frame() -> None:
    statistics = measure(frame_of([[0, 10], [20, 30]]), HotspotRule("absolute", 99)).statistics
    # deviations ±15 and ±5: variance (2·225 + 2·25) / 4 = 125
    assert (statistics.max, statistics.mean, statistics.min) == (30.0, 15.0, 0.0)
    assert statistics.std == pytest.approx(125**0.5)


def test_robust_sigma_is_the_scaled_median_absolute_deviation() -> None:
    # median 3, deviations 2 1 0 1 97: their median is 1, σ = 1.4826
    report = measure(frame_of([[1, 2, 3, 4, 100]], "counts"), HotspotRule("robust", 6))
    assert report.threshold == pytest.approx(3 + 6 * 1.4826)
    assert report.area_px == 1


@pytest.mark.parametrize("method", ["otsu", "percentile", "robust"])
def test_a_flat_frame_has_no_hotspot(method: str) -> None:
    rule = HotspotRule(method, None if method == "otsu" else 50)  # type: ignore[arg-type]
    report = measure(frame_of(np.full((5, 7), 21.5)), rule)
    assert (report.hotspot_count, report.area_px, report.hotspots) == (0, 0, ())


def test_a_frame_that_is_hot_all_over_is_one_hotspot() -> None:
    report = measure(frame_of(np.full((5, 7), 80.0)), HotspotRule("absolute", 50))
    assert report.hotspots[0].bbox == (0, 0, 7, 5)
    assert report.area_px == 35


def test_a_one_pixel_frame_is_measured() -> None:
    report = measure(frame_of([[80.0]]), HotspotRule("absolute", 50))
    assert (report.area_px, report.statistics.std) == (1, 0.0)


def test_otsu_separates_two_classes_that_are_close_in_a_wide_16_bit_range() -> None:
    # 100 and 103 counts with one pixel at each end of a narrow range: 8-bit histograms of the
    # full 16-bit scale would see one class
    cold, hot = np.full(60, 100.0), np.full(20, 103.0)
    report = measure(frame_of([[*cold, *hot]], "counts"), HotspotRule("otsu"))
    assert (report.threshold, report.area_px) == (100.0, 20)


def test_thousands_of_regions_are_counted_but_only_the_hottest_are_listed() -> None:
    values = np.zeros((200, 300), np.float32)
    values[::2, ::2] = np.arange(100 * 150).reshape(100, 150) + 1
    report = measure(frame_of(values, "counts"), HotspotRule("absolute", 0))
    assert report.hotspot_count == report.area_px == 15_000
    assert [spot.max for spot in report.hotspots] == list(range(15_000, 15_000 - MAX_LISTED, -1))


@pytest.mark.parametrize(
    ("unit", "bit_depth", "rule"),
    [
        ("celsius", 16, HotspotRule("delta", 10.0)),
        ("celsius", 8, HotspotRule("delta", 10.0)),
        ("counts", 8, HotspotRule("delta", 40.0)),
        ("counts", 16, HotspotRule("robust", 6.0)),
        ("counts", 14, HotspotRule("robust", 6.0)),
    ],
)
def test_default_rule_fits_unit_and_depth(unit: Unit, bit_depth: int, rule: HotspotRule) -> None:
    assert default_rule(unit, bit_depth) == rule


@pytest.mark.parametrize(
    ("method", "value", "min_area_px", "word"),
    [
        ("absolute", None, 1, "finite"),
        ("delta", float("nan"), 1, "finite"),
        ("robust", float("inf"), 1, "finite"),
        ("percentile", 101.0, 1, "between 0 and 100"),
        ("otsu", 5.0, 1, "no value"),
        ("otsu", None, 0, "at least 1"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    method: str, value: float | None, min_area_px: int, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        HotspotRule(method, value, min_area_px=min_area_px)  # type: ignore[arg-type]


# Few distinct values make many touching, tied and diagonal regions.
images = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.integers(0, 5).map(float),
)
rules = st.one_of(
    st.builds(
        HotspotRule,
        st.sampled_from(["absolute", "delta", "robust", "percentile"]),
        st.integers(0, 4).map(float),
        st.sampled_from(["median", "mean"]),
        st.integers(1, 4),
    ),
    st.builds(HotspotRule, st.just("otsu"), min_area_px=st.integers(1, 4)),
)


@given(images, rules)
def test_regions_agree_with_scipy(values: NDArray[np.float32], rule: HotspotRule) -> None:
    report = measure(frame_of(values, "counts"), rule)
    labels, _ = ndimage.label(values > report.threshold, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel())
    expected = [i for i in range(1, areas.size) if areas[i] >= rule.min_area_px]

    found = [int(labels[spot.peak[1], spot.peak[0]]) for spot in report.hotspots]
    assert sorted(found) == expected
    assert report.hotspot_count == len(expected)
    assert report.area_px == areas[expected].sum()
    assert np.array_equal(report.mask, np.isin(labels, expected))
    assert [spot.max for spot in report.hotspots] == sorted(
        (values[labels == i].max() for i in expected), reverse=True
    )
    for label, spot in zip(found, report.hotspots, strict=True):
        rows, columns = np.nonzero(labels == label)
        inside = values[labels == label].astype(np.float64)
        assert spot.area_px == inside.size
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert list(spot.bbox) == [columns.min(), rows.min(), width, height]
        assert spot.centroid == pytest.approx((columns.mean(), rows.mean()))
        assert values[spot.peak[1], spot.peak[0]] == spot.max == inside.max()
        assert (spot.mean, spot.std) == pytest.approx((inside.mean(), inside.std()))


def test_the_mean_leaves_out_pixels_that_are_out_of_range() -> None:
    # to see it fail: take the mean of all pixels, (10 + 20 + 30 + 10_000 - 273.15) / 5
    values = np.array([[10, 20, 30, 10_000, -273.15]], np.float32)
    frame = Frame(values, "celsius", 32, saturated_px=1, under_range_px=1)
    statistics = measure(frame, HotspotRule("absolute", 50)).statistics
    assert statistics.mean == 20
    assert statistics.std == pytest.approx(np.std([10, 20, 30]))
    assert statistics.max == 10_000
    assert statistics.min == pytest.approx(-273.15)


def test_a_frame_wholly_over_range_has_its_end_as_mean() -> None:
    frame = Frame(np.full((2, 2), 10_000, np.float32), "celsius", 32, saturated_px=4)
    assert measure(frame, HotspotRule("absolute", 50)).statistics.mean == 10_000
