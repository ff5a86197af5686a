"""What held-out normal images say: statistics of each pixel, of each signal, of the score.

Every held-out image is judged by statistics that it has no part in (cross-fitting): with few of
them, an image would otherwise excuse itself, and the scores that thresholds rest on would be low.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thermal.bundle import MAX_HELD_OUT_SCORES
from thermal.density import MAX_REFERENCES, LocalDensity
from thermal.fit import device_of, in_parts
from thermal.score import Scorer, tail_share

_FOLDS = 10
_SPEAK_FOR_THEMSELVES = 1000  # held-out images


def calibrate_map(scorer: Scorer, held_out: Tensor) -> None:
    """Estimate the residual's statistics from held-out images (N, 1, H, W)."""
    with torch.inference_mode():
        scorer.calibrate_map(_residuals(scorer, held_out))


def calibrate_scores(
    scorer: Scorer, images: Tensor, held_out: Tensor, seed: int
) -> NDArray[np.float64]:
    """Fit the density and the signals' distributions; return the scores of all images, (N,).

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
            values[place[fold], 0] = scorer.hotspot(residuals[fold])
        scorer.calibrate_map(residuals)

        scores = torch.empty(len(images), device=device)
        for fold, others in pairs:
            scorer.calibrate_signals(values[place[others]])
            scores[place[fold]] = scorer.combine(scorer.evidence(values[place[fold]]))
        scorer.calibrate_signals(values[place])
        trained = (~held_out).to(device)
        scores[trained] = scorer.combine(scorer.evidence(values[trained]))
    return scores.double().cpu().numpy()


def held_out_distribution(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ascending scores with the distribution of normal images' scores.

    `scores` (n,) are those of held-out images. A thousand of them speak for themselves (2000 are
    kept). Of fewer, the highest would have to stand for the 99.5th percentile, which they cannot
    reach; so a thousand quantiles are kept, above the body those of an exponential tail of
    e = score² / 2, as `thermal.score` defines it, with the mean excess of the images there.
    """
    ordered = np.sort(scores)
    if len(ordered) >= _SPEAK_FOR_THEMSELVES:
        kept = min(len(ordered), MAX_HELD_OUT_SCORES)  # evenly spaced ranks keep every quantile
        ranks = np.linspace(0, len(ordered) - 1, kept).round().astype(int)
        return np.asarray(ordered[ranks])
    levels = (np.arange(_SPEAK_FOR_THEMSELVES) + 0.5) / _SPEAK_FOR_THEMSELVES
    tail = tail_share(len(ordered))
    evidence = ordered**2 / 2
    start = float(np.quantile(evidence, 1 - tail))
    excess = float(np.maximum(evidence - start, 0).mean()) / tail
    beyond = start + excess * np.log(tail / (1 - levels))
    body = np.quantile(evidence, levels)
    return np.asarray(np.sqrt(2 * np.where(levels > 1 - tail, beyond, body)), np.float64)


def _fit_density(scorer: Scorer, images: Tensor, seed: int) -> Tensor:
    """Give `scorer` its references; return which of them each image is, (N,), -1 for none."""
    device = device_of(scorer)
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen = chosen[:MAX_REFERENCES].sort().values
    blocks = [scorer.describe(part) for part in in_parts(images[chosen], device)]
    scorer.density = LocalDensity.fit([torch.cat(block) for block in zip(*blocks, strict=True)])
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
