"""Signals, evidence and score."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from thermal.detection.bundle import Architecture
from thermal.detection.score import SIGNALS, Scorer, drivers, gaussian_matrix, shrunk_sigma
from thermal.detection.score_config import ScoreConfig

ARCHITECTURE = Architecture(height=16, width=16, channels=(4,), latent=2)


def calibrated(values: torch.Tensor) -> Scorer:
    """A scorer that has seen (N,) values of every signal on normal images."""
    scorer = Scorer(ARCHITECTURE, ScoreConfig())
    scorer.calibrate_signals(values[:, None].expand(-1, 3))
    return scorer


def evidence_of(scorer: Scorer, *values: float) -> list[float]:
    rows = scorer.evidence(torch.tensor([[value] * 3 for value in values]))
    assert (rows == rows[:, :1]).all()
    return [float(row[0]) for row in rows]


def test_evidence_is_minus_log_p_among_normal_images() -> None:
    scorer = calibrated(torch.linspace(0, 1, 1001))
    found = evidence_of(scorer, 0.5, 0.8, 0.9)
    assert found == pytest.approx([-math.log(p) for p in (0.5, 0.2, 0.1)], abs=0.01)


def test_evidence_goes_on_beyond_all_normal_images() -> None:
    # Exponential scores: p = exp(-x), so the evidence is x itself, far into the tail.
    normal = -torch.log1p(-torch.linspace(0, 0.9999, 5000))
    found = evidence_of(calibrated(normal), 2.0, 6.0, 20.0, 500.0)
    assert found == pytest.approx([2, 6, 20, 500], rel=0.1)


@pytest.mark.parametrize("count", [5, 20, 3000])
def test_evidence_rises_with_the_signal_and_is_positive(count: int) -> None:
    scorer = calibrated(torch.randn(count, generator=torch.Generator().manual_seed(0)))
    found = np.array(evidence_of(scorer, *np.linspace(-5, 50, 300)))
    assert (found > 0).all()
    assert (np.diff(found) >= 0).all()
    assert (np.diff(found[60:]) > 0).all()


def test_a_signal_that_never_varied_does_not_break_the_evidence() -> None:
    found = evidence_of(calibrated(torch.full((50,), 2.0)), 1.0, 2.0, 3.0)
    assert np.isfinite(found).all()
    assert found[0] < found[2]


def test_the_score_is_the_quadratic_mean_of_sigmas() -> None:
    # z = 1, 2, 3 means e = z²/2; (1 + 4 + 9) / 3.
    score = Scorer(ARCHITECTURE, ScoreConfig()).combine(torch.tensor([[0.5, 2.0, 4.5]]))
    assert float(score) == pytest.approx(math.sqrt(14 / 3))


def test_drivers_are_the_signals_with_a_third_of_the_score() -> None:
    assert SIGNALS == ("residual", "structure", "density")
    evidence = torch.tensor([[8.0, 1.0, 1.0], [0.0, 2.0, 9.0], [1.0, 5.0, 5.5]])
    assert drivers(evidence, 0.333) == [("residual",), ("density",), ("density", "structure")]


def test_smoothing_keeps_a_flat_map_flat_up_to_the_edge() -> None:
    matrix = gaussian_matrix(9, 0.7)
    torch.testing.assert_close(matrix @ torch.ones(9, 1), torch.ones(9, 1))
    assert matrix[4].argmax() == 4


def test_few_images_do_not_give_a_pixel_a_sigma_of_nothing() -> None:
    values = torch.randn(6, 8, 8, generator=torch.Generator().manual_seed(0))
    values[:, 3, 3] = 0.5
    sigma = shrunk_sigma(values, 10.0)
    assert sigma[3, 3] > 0.5
    many = torch.randn(4000, 8, 8, generator=torch.Generator().manual_seed(0))
    many[:, 3, 3] *= 0.1
    assert shrunk_sigma(many, 10.0)[3, 3] == pytest.approx(0.1, rel=0.25)
