"""From an image and its reconstruction to the anomaly map and the score, on tensors.

Published ideas used: per-pixel standardised residuals, smoothed, with the extreme as image score
(Bergmann et al., "Improving unsupervised defect segmentation by applying structural similarity
to autoencoders", 2018, compares such maps).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thermal.bundle import Architecture
from thermal.network import Autoencoder

#: Standard deviation of the Gaussian that smooths the residual, px of the network's input.
SMOOTHING_PX = 1.0

#: Lowest score; scores are ratios to the rolling threshold's body and must stay above zero.
_MIN_SCORE = 1e-6


@dataclass(frozen=True, eq=False)
class BatchScores:
    """What the scorer says about B prepared images."""

    score: Tensor  #: (B,) σ, > 0
    mse: Tensor  #: (B,) mean squared residual, spans²
    anomaly_map: Tensor  #: (B, H, W) σ, signed: positive is hotter than expected
    reconstruction: Tensor  #: (B, H, W) spans from the level


class Scorer(nn.Module):
    """The autoencoder with its calibration: all that a model bundle holds as tensors."""

    residual_mean: Tensor
    residual_sigma: Tensor
    map_sigma: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        shape = (architecture.height, architecture.width)
        self.autoencoder = Autoencoder(architecture)
        self.register_buffer("residual_mean", torch.zeros(shape))
        self.register_buffer("residual_sigma", torch.ones(shape))
        self.register_buffer("map_sigma", torch.ones(shape))

    def forward(self, image: Tensor) -> BatchScores:
        """(B, 1, H, W) prepared images → scores and maps."""
        reconstruction = self.autoencoder(image)
        residual = (image - reconstruction)[:, 0]  # (B, H, W)
        anomaly_map = self._smoothed(residual) / self.map_sigma  # (B, H, W)
        return BatchScores(
            score=anomaly_map.abs().flatten(1).amax(1).clamp_min(_MIN_SCORE),
            mse=residual.square().mean((1, 2)),
            anomaly_map=anomaly_map,
            reconstruction=reconstruction[:, 0],
        )

    def calibrate(self, residual: Tensor) -> None:
        """Estimate the per-pixel statistics from the residuals (N, H, W) of held-out normals."""
        self.residual_mean.copy_(residual.mean(0))
        self.residual_sigma.copy_(shrunk_sigma(residual))
        self.map_sigma.copy_(shrunk_sigma(self._smoothed(residual)))

    def _smoothed(self, residual: Tensor) -> Tensor:
        standard = (residual - self.residual_mean) / self.residual_sigma
        return smooth(standard, SMOOTHING_PX)


def shrunk_sigma(values: Tensor, prior_images: float = 10.0) -> Tensor:
    """Per-pixel standard deviation of (N, H, W) values, drawn towards the one of all pixels.

    The image-wide variance counts as `prior_images` further observations, so that a dozen
    calibration images do not give some pixel a sigma of almost nothing by chance.
    """
    count = values.shape[0]
    variance = values.var(0, correction=0)
    pooled = (count * variance + prior_images * variance.mean()) / (count + prior_images)
    return pooled.sqrt().clamp_min(1e-4)


def smooth(maps: Tensor, sigma_px: float) -> Tensor:
    """Smooth (B, H, W) maps with a Gaussian; the edge pixels are repeated outwards."""
    radius = max(1, round(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(rows, kernel.view(1, 1, 1, -1))[:, 0]
