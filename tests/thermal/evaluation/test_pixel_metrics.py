"""Pixel metrics against numbers worked by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from thermal.evaluation.pixel_metrics import aupro, bootstrap_auroc, pixel_auroc


def image(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_a_perfect_map_scores_one() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3:6, 4:9] = True
    assert pixel_auroc([mask.astype(np.float32)], [mask]) == 1.0
    assert aupro([mask.astype(np.float32)], [mask]) == pytest.approx(1.0, abs=0.01)


def test_every_region_counts_the_same_whatever_its_size() -> None:
    # a found region of 1 px and a missed one of 9 px: half the regions, a tenth of the pixels
    mask = np.zeros((40, 40), bool)
    mask[5, 5] = True
    mask[20:23, 20:23] = True
    found = np.zeros((40, 40), np.float32)
    found[5, 5] = 10.0
    found[20:23, 20:23] = -10.0
    assert aupro([found], [mask]) == pytest.approx(0.5, abs=0.01)


def test_regions_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((10, 10), bool)
    mask[2, 2] = mask[3, 3] = True
    found = np.zeros((10, 10), np.float32)
    found[2, 2] = 1.0
    found[3, 3] = -1.0
    assert aupro([found], [mask]) == pytest.approx(0.5, abs=0.01)


@given(st.integers(0, 2**32 - 1))
def test_pixel_auroc_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = [rng.integers(0, 5, (6, 7)).astype(np.float32) for _ in range(3)]
    masks = [rng.random((6, 7)) < 0.3 for _ in range(3)]
    masks[0][0, 0], masks[0][0, 1] = True, False
    labels = np.concatenate([mask.ravel() for mask in masks])
    values = np.concatenate([one.ravel() for one in maps])
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(labels, values))


def test_masks_without_anomaly_or_of_another_shape_are_refused() -> None:
    empty = np.zeros((2, 2), bool)
    with pytest.raises(ValueError, match="nothing to measure"):
        aupro([image([1.0, 2.0], [3.0, 4.0])], [empty])
    with pytest.raises(ValueError, match="shape"):
        pixel_auroc([image([1.0])], [empty])


def test_the_bootstrap_interval_holds_the_truth_and_narrows_with_more_images() -> None:
    rng = np.random.default_rng(1)
    # two normals, means one sigma apart: the true AUROC is Phi(1 / sqrt 2) = 0.7602
    few = bootstrap_auroc(rng.normal(0, 1, 100), rng.normal(1, 1, 100), resamples=300)
    many = bootstrap_auroc(rng.normal(0, 1, 2000), rng.normal(1, 1, 2000), resamples=300)
    assert few[0] < 0.7602 < few[1]
    assert many[0] < 0.7602 < many[1]
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])
