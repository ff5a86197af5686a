"""Calibration on held-out normal images: statistics of each pixel, each signal and the score.

Every held-out image is scored with statistics that exclude it (cross-fitting). Otherwise, with few
images, each would look normal to its own statistics, and thresholds would be too low.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thermal.detection.density import MAX_REFERENCES, LocalDensity
from thermal.detection.score import Scorer
from thermal.detection.score_config import ScoreConfig
from thermal.training.fit import device_of, in_parts

_FOLDS = 10
_QUANTILES = 1000  # scores of normal images that a bundle keeps


def calibrate_map(scorer: Scorer, held_out: Tensor) -> None:
    """Estimate the residual's statistics from held-out images, (N, 1, H, W) in spans."""
    with torch.inference_mode():
        scorer.calibrate_map(_residuals(scorer, held_out))


def calibrate_scores(
    scorer: Scorer, images: Tensor, held_out: Tensor, seed: int
) -> NDArray[np.float64]:
    """Fit the density and the signals' distributions; return all scores, (N,) in σ.

    `images` is (N, 1, H, W), `held_out` (N,) bool. All images serve as references of the density,
    held-out ones too; each is compared with the others only.
    """
    device = device_of(scorer)
    with torch.inference_mode():
        own = _fit_density(scorer, images, seed)
        parts = zip(in_parts(images, device), in_parts(own, device), strict=True)
        values = torch.cat([scorer.observe(part, mine).values for part, mine in parts])

        place = held_out.nonzero()[:, 0].to(device)  # of the held-out images among all
        residuals = _residuals(scorer, images[held_out])
        folds = [torch.from_numpy(fold) for fold in np.array_split(np.arange(len(place)), _FOLDS)]
        pairs = [(fold, _without(fold, len(place))) for fold in folds if len(fold)]
        for fold, others in pairs:
            scorer.calibrate_map(residuals[others])
            values[place[fold], 0] = scorer.residual_signal(residuals[fold])
        scorer.calibrate_map(residuals)

        scores = torch.empty(len(images), device=device)
        for fold, others in pairs:
            scorer.calibrate_signals(values[place[others]])
            scores[place[fold]] = scorer.combine(scorer.evidence(values[place[fold]]))
        scorer.calibrate_signals(values[place])
        trained = (~held_out).to(device)
        scores[trained] = scorer.combine(scorer.evidence(values[trained]))
    return scores.double().cpu().numpy()


def held_out_distribution(scores: NDArray[np.float64], config: ScoreConfig) -> NDArray[np.float64]:
    """Return a thousand ascending quantiles of normal images' scores.

    `scores` (n,) are those of held-out images. The highest of them are a poor estimate of
    the 99.5th percentile: a small set has no image there, and in a large one mislabelled faults lie
    there. So the body is kept as it is and gets an exponential tail in e = score² / 2, as in
    `thermal.detection.score`. The tail's scale is the median excess over the body divided by ln 2,
    which a few faults hardly move.
    """
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    tail = config.tail_of(len(scores))
    evidence = scores**2 / 2
    start = float(np.quantile(evidence, 1 - tail))
    scale = float(np.median(evidence[evidence >= start] - start)) / np.log(2)
    beyond = start + scale * np.log(tail / (1 - levels))
    body = np.quantile(evidence, levels)
    return np.asarray(np.sqrt(2 * np.where(levels > 1 - tail, beyond, body)), np.float64)


def _fit_density(scorer: Scorer, images: Tensor, seed: int) -> Tensor:
    """Give `scorer` its references; return which of them each image is, (N,), -1 for none."""
    device = device_of(scorer)
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen = chosen[:MAX_REFERENCES].sort().values
    blocks = [scorer.describe(part) for part in in_parts(images[chosen], device)]
    scorer.density = LocalDensity.fit(
        [torch.cat(block) for block in zip(*blocks, strict=True)], scorer.config.neighbours
    )
    own = torch.full((len(images),), -1)
    own[chosen] = torch.arange(len(chosen))
    return own


def _residuals(scorer: Scorer, images: Tensor) -> Tensor:
    """(N, H, W) residuals on the scorer's device."""
    parts = in_parts(images, device_of(scorer))
    return torch.cat([(part - scorer.autoencoder(part))[:, 0] for part in parts])


def _without(fold: Tensor, count: int) -> Tensor:
    """The indices below `count` that are not in `fold`."""
    kept = torch.ones(count, dtype=torch.bool)
    kept[fold] = False
    return kept.nonzero()[:, 0]
