"""How well anomaly maps find the anomalous pixels, and how sure a measured figure is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

#: False positive rate up to which the per-region overlap is integrated.
MAX_FPR = 0.3
#: Points of the curve that is integrated.
_POINTS = 500

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def pixel_auroc(maps: Sequence[Map], masks: Sequence[Mask]) -> float:
    """Area under the ROC of all pixels: (H, W) maps, higher is more anomalous, and bool masks.

    Raises `ValueError` if there is no anomalous or no normal pixel, or shapes differ.
    """
    values, anomalous = _pixels(maps, masks)
    return auroc(values[~anomalous], values[anomalous])


def aupro(maps: Sequence[Map], masks: Sequence[Mask], max_fpr: float = MAX_FPR) -> float:
    """Area under the per-region-overlap curve up to `max_fpr`, divided by it, so in 0…1.

    Every connected region of a mask counts the same, whatever its size (Bergmann et al., "The
    MVTec Anomaly Detection Dataset", IJCV 2021, section 5.2).

    Raises `ValueError` as `pixel_auroc` does.
    """
    values, anomalous = _pixels(maps, masks)
    rates = np.linspace(0.0, max_fpr, _POINTS)
    # the threshold at which this share of the normal pixels lies above
    thresholds = np.quantile(values[~anomalous], 1.0 - rates)
    overlap = np.zeros(_POINTS)
    regions = 0
    for one_map, mask in zip(maps, masks, strict=True):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        for label in range(1, count):
            region = np.sort(one_map[np.asarray(labels) == label])
            above = len(region) - np.searchsorted(region, thresholds, side="right")
            overlap += above / len(region)
            regions += 1
    return float(np.trapezoid(overlap / regions, rates) / max_fpr)


def bootstrap_auroc(
    normal: NDArray[np.float64],
    anomalous: NDArray[np.float64],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the AUROC; both classes are drawn anew with replacement.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    rng = np.random.default_rng(seed)
    draws = [
        auroc(rng.choice(normal, len(normal)), rng.choice(anomalous, len(anomalous)))
        for _ in range(resamples)
    ]
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    return float(low), float(high)


def _pixels(
    maps: Sequence[Map], masks: Sequence[Mask]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if [one.shape for one in maps] != [one.shape for one in masks]:
        raise ValueError("every map needs a mask of its own shape")
    values = np.concatenate([one.ravel() for one in maps])
    anomalous = np.concatenate([one.ravel() for one in masks])
    if anomalous.all() or not anomalous.any():
        raise ValueError("the masks hold no anomalous or no normal pixel: nothing to measure")
    return values, anomalous


def auroc(normal: NDArray[np.floating], anomalous: NDArray[np.floating]) -> float:
    """Mann and Whitney's statistic: the share of pairs in the right order, ties as half."""
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, side="left")
    not_above = np.searchsorted(ordered, anomalous, side="right")
    return float((below + not_above).mean() / 2 / len(ordered))
