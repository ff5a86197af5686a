"""Hotspots: connected regions hotter than a threshold, and their measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.frame import Frame, Unit, Values

#: Most hotspots listed in a report, hottest first; count and area cover all of them.
MAX_LISTED = 100

#: Standard deviation divided by median absolute deviation (MAD), of a normal distribution.
_SIGMA_PER_MAD = 1.4826

#: Lower limit of the robust σ, in the unit of the frame: the noise of an uncooled sensor
#: (NETD ≈ 50 mK), and one quantization step. The MAD of a flat background is 0.
_LEAST_SIGMA: dict[Unit, float] = {"celsius": 0.05, "counts": 1.0}

#: Highest level of the histogram on which Otsu's threshold is computed.
_OTSU_LEVELS = 65535


@dataclass(frozen=True)
class HotspotRule:
    """How a frame's threshold is computed, and which regions count.

    =============  ===================================================================
    method         threshold
    =============  ===================================================================
    ``absolute``   `value`, in the unit of the frame
    ``delta``      `value`, in the unit of the frame, above the frame's `reference`
    ``robust``     `value` robust σ above the frame's median, σ = 1.4826 MAD (Iglewicz and
                   Hoaglin, How to Detect and Handle Outliers, 1993)
    ``percentile`` the `value`-th percentile of the frame, linearly interpolated
    ``otsu``       the best split into two classes (Otsu, 1979); it always finds one, so it
                   suits scenes that always contain a hot object
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
        """Raise `ValueError` if the value does not fit the method."""
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
    """One 8-connected region. `max`, `mean` and `std` are in the unit of the frame."""

    area_px: int
    bbox: tuple[int, int, int, int]  #: x, y, width, height in px
    centroid: tuple[float, float]  #: x, y in px; the centre of the first pixel is (0, 0)
    peak: tuple[int, int]  #: x, y of the hottest pixel
    max: float
    mean: float
    std: float  #: population standard deviation


@dataclass(frozen=True)
class FrameStatistics:
    """In the unit of the frame. `mean` and `std` are of the pixels within the measuring range.

    `std` is the population standard deviation. A frame without a pixel in range counts whole.
    """

    max: float
    mean: float
    min: float
    std: float


@dataclass(frozen=True, eq=False)
class HotspotReport:
    """The measurements of one frame."""

    threshold: float  #: pixels above it are hot; in the unit of the frame
    hotspots: tuple[Hotspot, ...]  #: highest max first, at most `MAX_LISTED`
    hotspot_count: int  #: all hotspots, listed or not
    area_px: int  #: of all hotspots
    statistics: FrameStatistics
    mask: NDArray[np.bool_]  #: (H, W), true in hotspots


def default_rule(unit: Unit, bit_depth: int) -> HotspotRule:
    """Return the rule for a camera without one of its own.

    °C: 10 °C above the median. 8-bit counts: 40 counts above the median, a sixth of the range.
    With more bits, the range that a camera really uses is unknown, so the limit follows the
    frame's own spread: 6 robust σ above the median.
    """
    if unit == "celsius":
        return HotspotRule("delta", 10.0)
    if bit_depth <= 8:
        return HotspotRule("delta", 40.0)
    return HotspotRule("robust", 6.0)


def measure(frame: Frame, rule: HotspotRule) -> HotspotReport:
    """Find and measure the hotspots of a frame, which must not contain NaN.

    Works on whole arrays, so noise with twenty thousand regions takes little longer than a frame
    without any.
    """
    values = frame.values
    threshold = _threshold(values, frame.unit, rule)
    hot = hotspot_mask(values, threshold)
    statistics = _statistics(frame)
    if statistics.max <= threshold:  # true of most frames
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
    """The first row and column with a hot pixel, and the slices that contain all of them."""
    rows, columns = np.flatnonzero(hot.any(1)), np.flatnonzero(hot.any(0))
    top, left = int(rows[0]), int(columns[0])
    return top, left, (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))


def _statistics(frame: Frame) -> FrameStatistics:
    values = frame.values
    low, high = float(values.min()), float(values.max())
    within = None
    if frame.saturated_px or frame.under_range_px:
        in_range = frame.in_range
        within = in_range.view(np.uint8) if in_range.any() else None
    mean, std = cv2.meanStdDev(values, mask=within)  # in double precision
    return FrameStatistics(max=high, mean=float(mean[0, 0]), min=low, std=float(std[0, 0]))


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
    """Median and, with `deviates`, median absolute deviation (otherwise 0).

    Large frames of 16-bit counts use a histogram, which takes a third of the time.
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
    distance = np.abs(2 * at - round(2 * median))  # in half counts, as the median may be
    return median, _median_of(np.arange(distance.max() + 1), np.bincount(distance, histogram)) / 2


def _median_of(at: NDArray[np.int64], histogram: NDArray[Any]) -> float:
    """The median of a histogram: `histogram[i]` is how often the number `at[i]` occurs."""
    reached = np.cumsum(histogram)
    n = int(reached[-1])
    low, high = np.searchsorted(reached, [(n - 1) // 2, n // 2], side="right")
    return float(at[low] + at[high]) / 2


def _otsu(values: Values) -> float:
    """Return the hottest value of the colder one of Otsu's two classes.

    The histogram has 65,536 levels over the range of values, so it is exact for 8-bit counts.
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
    """Arrays with one entry per label; the entry of label 0, the background, is meaningless."""

    max: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    peak: NDArray[np.int64]  #: (count, 2): x, y of the first pixel with the maximum


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
