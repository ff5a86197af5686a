"""Hotspots: connected regions that are hotter than a threshold, and the numbers about them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.frame import Frame, Unit, Values

#: Hotspots listed one by one in a report, hottest first; count and area always cover all of them.
MAX_LISTED = 100

#: Normal distribution: standard deviation over median absolute deviation.
_SIGMA_PER_MAD = 1.4826

#: Least robust σ that is believed, in the unit of the frame: the noise of an uncooled sensor
#: (NETD ≈ 50 mK) and one quantisation step. A flat background has a spread of zero otherwise.
_LEAST_SIGMA: dict[Unit, float] = {"celsius": 0.05, "counts": 1.0}

#: Levels of the histogram in which Otsu's threshold is searched.
_OTSU_LEVELS = 65535


@dataclass(frozen=True)
class HotspotRule:
    """How the threshold of a frame is found, and which regions count.

    =============  ===================================================================
    method         threshold
    =============  ===================================================================
    ``absolute``   `value`, in the unit of the frame
    ``delta``      `value`, in the unit of the frame, over the frame's `reference`
    ``robust``     `value` robust σ over the frame's median, σ = 1.4826 MAD (Iglewicz and
                   Hoaglin, How to Detect and Handle Outliers, 1993)
    ``percentile`` the `value`-th percentile of the frame, linear interpolation
    ``otsu``       the best split in two classes (Otsu, 1979); it always finds a split, so it
                   suits scenes that always hold a hot object
    =============  ===================================================================
    """

    #: How the threshold of a frame is found.
    method: Literal["absolute", "delta", "robust", "percentile", "otsu"]
    #: In the frame's unit; σ for `robust`, percent for `percentile`; not given for `otsu`.
    value: float | None = None
    #: What `delta` is measured from.
    reference: Literal["median", "mean"] = "median"
    #: Smaller regions are noise and left out everywhere.
    min_area_px: int = 1

    def __post_init__(self) -> None:
        """Raises `ValueError` if the value does not fit the method."""
        if self.method == "otsu":
            if self.value is not None:
                raise ValueError("value: method 'otsu' takes no value")
        elif self.value is None or not math.isfinite(self.value):
            raise ValueError(f"value: method '{self.method}' needs a finite value")
        elif self.method == "percentile" and not 0 <= self.value <= 100:
            raise ValueError(
                f"value: a percentile should lie between 0 and 100, given {self.value:g}"
            )
        if self.min_area_px < 1:
            raise ValueError(f"min_area_px: should be at least 1, given {self.min_area_px}")


@dataclass(frozen=True)
class Hotspot:
    """One region, 8-connected. Temperatures are in the unit of the frame."""

    area_px: int
    bbox: tuple[int, int, int, int]  #: x, y, width, height in px
    centroid: tuple[float, float]  #: x, y in px; pixel centres are whole numbers
    peak: tuple[int, int]  #: x, y of the hottest pixel
    max: float
    mean: float
    std: float  #: population standard deviation


@dataclass(frozen=True)
class FrameStatistics:
    """Over all pixels, in the unit of the frame; std is the population standard deviation."""

    max: float
    mean: float
    min: float
    std: float


@dataclass(frozen=True, eq=False)
class HotspotReport:
    """What was measured on one frame."""

    threshold: float  #: a pixel is hot when it is above, in the unit of the frame
    hotspots: tuple[Hotspot, ...]  #: highest max first, at most `MAX_LISTED`
    hotspot_count: int  #: all hotspots, listed or not
    area_px: int  #: of all hotspots
    statistics: FrameStatistics
    mask: NDArray[np.bool_]  #: (H, W), true within hotspots


def default_rule(unit: Unit, bit_depth: int) -> HotspotRule:
    """Return the rule for a camera that has none of its own.

    °C: 10 °C over the median. 8-bit counts: 40 counts over the median, a sixth of what the
    format holds. Deeper counts say nothing about the range that the camera really uses, so there
    the frame's own spread is the measure: 6 robust σ over the median.
    """
    if unit == "celsius":
        return HotspotRule("delta", 10.0)
    if bit_depth <= 8:
        return HotspotRule("delta", 40.0)
    return HotspotRule("robust", 6.0)


def measure(frame: Frame, rule: HotspotRule) -> HotspotReport:
    """Find and measure the hotspots of a frame without NaN.

    The work is done per array, not per pixel or region: noise with twenty thousand regions costs
    little more than a frame without any.
    """
    values = frame.values
    threshold = _threshold(values, frame.unit, rule)
    hot = hotspot_mask(values, threshold)
    statistics = _statistics(values)
    if statistics.max <= threshold:  # most frames of most cameras
        return HotspotReport(threshold, (), 0, 0, statistics, hot)
    top, left, within = _crop(hot)
    _, found, boxes, centroids = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(hot[within]).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    boxes[:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]] += [left, top]
    centroids += [left, top]
    labels = np.asarray(found, np.int32)
    area = boxes[:, cv2.CC_STAT_AREA].astype(np.int64)
    counts = area >= rule.min_area_px
    counts[0] = False  # label 0 is the background
    regions = _measure_regions(values[within], labels, hot[within], area)
    regions.peak[:] += [left, top]
    hottest_first = np.lexsort((-area, -regions.max))
    listed = hottest_first[counts[hottest_first]][:MAX_LISTED]
    if rule.min_area_px > 1:
        hot[within] = counts[labels]
    return HotspotReport(
        threshold=threshold,
        hotspots=tuple(_hotspot(int(i), boxes[i], centroids[i], regions) for i in listed),
        hotspot_count=int(counts.sum()),
        area_px=int(area[counts].sum()),
        statistics=statistics,
        mask=hot,
    )


def _crop(hot: NDArray[np.bool_]) -> tuple[int, int, tuple[slice, slice]]:
    """The first row and column that hold anything hot, and the part of the frame that does."""
    rows, columns = np.flatnonzero(hot.any(1)), np.flatnonzero(hot.any(0))
    top, left = int(rows[0]), int(columns[0])
    return top, left, (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))


def _statistics(values: Values) -> FrameStatistics:
    mean, std = cv2.meanStdDev(values)  # in double precision
    return FrameStatistics(
        max=float(values.max()),
        mean=float(mean[0, 0]),
        min=float(values.min()),
        std=float(std[0, 0]),
    )


def hotspot_mask(values: Values, threshold: float) -> NDArray[np.bool_]:
    """Return (H, W) bool: strictly above the threshold, compared as float32 like the values."""
    return np.asarray(values > np.float32(threshold))


def _threshold(values: Values, unit: Unit, rule: HotspotRule) -> float:
    if rule.method == "otsu" or rule.value is None:
        return _otsu(values)
    if rule.method == "percentile":
        return float(np.percentile(values, rule.value))
    if rule.method == "absolute":
        return rule.value
    if rule.method == "delta" and rule.reference == "mean":
        return float(values.mean(dtype=np.float64)) + rule.value
    median, deviation = _median_and_deviation(values, deviates=rule.method == "robust")
    if rule.method == "delta":
        return median + rule.value
    return median + rule.value * max(_SIGMA_PER_MAD * deviation, _LEAST_SIGMA[unit])


def _median_and_deviation(values: Values, *, deviates: bool) -> tuple[float, float]:
    """Median and, if it is asked for, median absolute deviation from it.

    Those of many 16-bit counts are read off a histogram, which is a third of the work.
    """
    is_large = values.size > 65_536 and values.min() >= 0 and values.max() <= 65_535
    counts = values.astype(np.uint16) if is_large else None
    if counts is None or (counts != values).any():
        median = float(np.median(values))
        return median, float(np.median(np.abs(values - np.float32(median)))) if deviates else 0.0
    histogram = np.bincount(counts.ravel())
    at = np.arange(histogram.size)
    median = _median_of(at, histogram)
    if not deviates:
        return median, 0.0
    distance = np.abs(2 * at - round(2 * median))  # in half counts: the median may lie between two
    return median, _median_of(np.arange(distance.max() + 1), np.bincount(distance, histogram)) / 2


def _median_of(at: NDArray[np.int64], histogram: NDArray[Any]) -> float:
    """The median of whole numbers, each `at` present as often as the histogram says."""
    reached = np.cumsum(histogram)
    n = int(reached[-1])
    low, high = np.searchsorted(reached, [(n - 1) // 2, n // 2], side="right")
    return float(at[low] + at[high]) / 2


def _otsu(values: Values) -> float:
    """Return the hottest value of the colder of Otsu's two classes.

    The histogram has 65,536 levels over the value range, so it is exact for 8-bit counts.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return high  # one class: nothing is hot
    position = (values.astype(np.float64) - low) / (high - low)
    level = np.rint(position * _OTSU_LEVELS).astype(np.uint16)
    split, _ = cv2.threshold(level, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(values[level <= split].max())


@dataclass(frozen=True, eq=False)
class _Regions:
    """Per label, (count,) each; label 0 is the background and holds nothing of use."""

    max: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    peak: NDArray[np.int64]  #: (count, 2) x, y of the first pixel that holds the maximum


def _measure_regions(
    values: Values, labels: NDArray[np.int32], hot: NDArray[np.bool_], area: NDArray[np.int64]
) -> _Regions:
    at = np.flatnonzero(hot)
    label = labels.ravel()[at]
    value = values.ravel()[at].astype(np.float64)
    n = np.maximum(area, 1)  # the background is empty when the whole frame is hot
    mean = np.bincount(label, value, area.size) / n
    variance = np.bincount(label, np.square(value - mean[label]), area.size) / n
    highest = np.full(area.size, -np.inf)
    np.maximum.at(highest, label, value)
    is_peak = value == highest[label]
    peak_label, first = np.unique(label[is_peak], return_index=True)
    peak = np.zeros((area.size, 2), np.int64)
    rows, columns = np.divmod(at[is_peak][first], values.shape[1])
    peak[peak_label] = np.stack([columns, rows], axis=1)
    return _Regions(max=highest, mean=mean, std=np.sqrt(variance), peak=peak)


def _hotspot(
    label: int, box: NDArray[np.generic], centroid: NDArray[np.generic], regions: _Regions
) -> Hotspot:
    x, y, width, height, area_px = box.tolist()
    x_centroid, y_centroid = centroid.tolist()
    x_peak, y_peak = regions.peak[label].tolist()
    return Hotspot(
        area_px=area_px,
        bbox=(x, y, width, height),
        centroid=(x_centroid, y_centroid),
        peak=(x_peak, y_peak),
        max=float(regions.max[label]),
        mean=float(regions.mean[label]),
        std=float(regions.std[label]),
    )
