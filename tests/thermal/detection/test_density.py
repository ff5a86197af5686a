"""The local outlier factor, with numbers worked by hand."""

from __future__ import annotations

import pytest
import torch

from thermal.detection.density import LocalDensity


def two_groups() -> torch.Tensor:
    """(400, 2) normal descriptions: 200 close together around 0, 200 ten times wider around 100."""
    generator = torch.Generator().manual_seed(0)
    tight = torch.randn(200, 2, generator=generator)
    wide = 10 * torch.randn(200, 2, generator=generator) + 100
    return torch.cat([tight, wide])


def test_the_factor_is_the_mean_ratio_to_the_neighbours_own_spread() -> None:
    density = LocalDensity(dimensions=1, components=1, references=4, neighbours=15)
    density.projection.fill_(1.0)
    density.references.copy_(torch.tensor([[0.0], [1.0], [2.0], [4.0]]))
    density.spread.copy_(torch.tensor([1.0, 1.0, 2.0, 2.0]))
    # Three neighbours of 3 (one fewer than there are references): 2, 4 and 1, at the distances
    # 1, 1 and 2; divided by the spreads 2, 2 and 1: (1/2 + 1/2 + 2) / 3.
    assert float(density(torch.tensor([[3.0]]))) == pytest.approx(1.0)
    # 7 lies 3, 5 and 6 from 4, 2 and 1: (3/2 + 5/2 + 6) / 3.
    assert float(density(torch.tensor([[7.0]]))) == pytest.approx(10 / 3)


def test_an_image_is_not_its_own_neighbour() -> None:
    descriptions = two_groups()
    density = LocalDensity.fit([descriptions], 15)
    own = density(descriptions, torch.arange(400))
    assert own.median() == pytest.approx(1.0, abs=0.15)
    assert (density(descriptions) < own).all()
    torch.testing.assert_close(density(descriptions, torch.full((400,), -1)), density(descriptions))


def test_every_group_is_judged_by_its_own_measure() -> None:
    density = LocalDensity.fit([two_groups()], 15)
    off_tight, off_wide = density(torch.tensor([[8.0, 0.0], [108.0, 100.0]]))
    assert off_tight > 3  # eight standard deviations away
    assert off_wide < 1.5  # less than one


def test_the_factor_does_not_depend_on_the_batch() -> None:
    descriptions = two_groups()
    density = LocalDensity.fit([descriptions], 15)
    queries = descriptions + 0.3
    alone = torch.cat([density(query[None]) for query in queries])
    torch.testing.assert_close(density(queries), alone, rtol=1e-5, atol=0)


def test_copies_of_one_image_do_not_make_all_others_outliers() -> None:
    descriptions = torch.cat([torch.zeros(100, 2), two_groups()[:200]])
    density = LocalDensity.fit([descriptions], 15)
    assert torch.isfinite(density(descriptions + 0.01)).all()
    assert float(density(torch.tensor([[0.05, 0.05]]))) < 10


def test_far_outliers_are_still_told_apart() -> None:
    density = LocalDensity.fit([two_groups()], 15)
    far = density(torch.tensor([[1e3, 0.0], [2e3, 0.0], [1e5, 0.0]]))
    assert (far.diff() > 0).all()
