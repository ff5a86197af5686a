"""Calibration: what held-out images say about images that nobody has seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thermal.detection.bundle import Architecture
from thermal.detection.score import Scorer
from thermal.detection.score_config import ScoreConfig
from thermal.training.calibrate import calibrate_scores, held_out_distribution


def test_many_scores_keep_their_body_and_the_tail_that_most_of_them_have() -> None:
    scores = np.sqrt(2 * np.random.default_rng(0).exponential(1, 20_000))
    kept = held_out_distribution(scores, ScoreConfig())
    assert len(kept) == 1000
    for level in (0.1, 0.5, 0.9, 0.99, 0.995):
        assert np.quantile(kept, level) == pytest.approx(np.quantile(scores, level), rel=0.02)


def test_a_few_faults_among_the_held_out_images_hardly_move_the_tail() -> None:
    scores = np.sqrt(2 * np.random.default_rng(0).exponential(1, 1500))
    with_faults = np.concatenate([scores, np.full(20, 50.0)])
    clean, moved = (
        np.quantile(held_out_distribution(s, ScoreConfig()), 0.995) for s in (scores, with_faults)
    )
    assert moved == pytest.approx(clean, rel=0.1)


def test_few_scores_are_continued_beyond_their_highest() -> None:
    # e = score² / 2 is exponential, so 0.5 % of all scores are above √(2 ln 200) = 3.26. The
    # highest of 40 is near 2.7; over many draws the continued tail must come out right.
    random = np.random.default_rng(0)
    found = []
    for _ in range(200):
        kept = held_out_distribution(np.sqrt(2 * random.exponential(1, 40)), ScoreConfig())
        assert (np.diff(kept) >= 0).all()
        found.append(np.quantile(kept, 0.995))
    assert np.mean(found) == pytest.approx(3.26, rel=0.05)


def test_the_body_of_few_scores_is_their_own() -> None:
    scores = np.random.default_rng(0).gamma(4, 0.5, 60)
    kept = held_out_distribution(scores, ScoreConfig())
    assert np.median(kept) == pytest.approx(np.median(scores), rel=0.01)


def test_an_odd_held_out_image_does_not_excuse_itself() -> None:
    torch.manual_seed(0)
    scorer = Scorer(Architecture(16, 16, (4,), latent=2), ScoreConfig()).eval()
    images = torch.randn(40, 1, 16, 16)
    images[37, 0, 4:8, 4:8] += 30
    held_out = torch.arange(40) >= 20
    scores = calibrate_scores(scorer, images, held_out, seed=0)
    assert scores.argmax() == 37
    assert scores[37] > 3 * np.sort(scores[20:])[-2]
