"""Faults painted on normal images."""

from __future__ import annotations

import pytest
import torch

from thermal.training.synthetic import FAULTS, paint_faults

SIZES = [(40, 24), (16, 16), (120, 160)]


def painted(count: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Faults on flat images of 0 with noise of 1; (count, H, W) and labels."""
    torch.manual_seed(0)
    images, labels = paint_faults(torch.zeros(count, 1, height, width), 1.0)
    return images[:, 0], labels


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_kind_of_fault_is_visible_in_every_image_that_has_it(height: int, width: int) -> None:
    images, labels = painted(600, height, width)
    assert set(labels.tolist()) == set(range(len(FAULTS) + 1))
    strongest = images.abs().flatten(1).amax(1)
    assert (strongest[labels > 0] > 0.5).float().mean() > 0.95
    assert strongest.max() < 31


def test_images_labelled_normal_are_left_alone() -> None:
    images, labels = painted(400, 40, 24)
    assert (images[labels == 0] == 0).all()
    assert 0.4 < (labels == 0).float().mean() < 0.6


def test_most_faults_are_hot_and_some_are_cold() -> None:
    images, labels = painted(600, 40, 24)
    hot = (images[labels > 0].flatten(1).sum(1) > 0).float().mean()
    assert 0.75 < hot < 0.95


def test_a_spot_is_small_and_a_whole_component_is_not() -> None:
    images, labels = painted(800, 40, 24)
    kinds = list(FAULTS)
    area = (images.abs() > 0.5 * images.abs().amax((1, 2), keepdim=True)).float().mean((1, 2))
    assert area[labels == 1 + kinds.index("spot")].median() < 0.05
    assert area[labels == 1 + kinds.index("whole")].min() > 0.5
    third = area[labels == 1 + kinds.index("third")]
    assert 0.25 < third.median() < 0.42
