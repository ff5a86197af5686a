"""Scoring: from normalized images to signals, score and anomaly map, on tensors.

There are three signals. `residual` is the extreme of the anomaly map: what the autoencoder could
not reconstruct, in one place. `structure` is the fault classifier's log odds of a fault. `density`
is how far the whole image lies from the normal images most like it, relative to their own spacing.
Each signal is calibrated on held-out normal images: its evidence is e = −ln p, where p is its tail
probability among them. Beyond them e grows linearly, so that clear anomalies still get different
scores. The score is the quadratic mean of z = √(2e), about the standard deviations at which a
normal variable has that p: Fisher's method of combining tests (1925).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from thermal.detection.bundle import Architecture
from thermal.detection.density import LocalDensity
from thermal.detection.network import Autoencoder, FaultClassifier, fault_log_odds
from thermal.detection.score_config import ScoreConfig

#: The signals, in the order of all tensors that hold one number for each.
SIGNALS = ("residual", "structure", "density")


@dataclass(frozen=True, eq=False)
class Observation:
    """What the networks say about B images, before the signals are calibrated."""

    values: Tensor  #: (B, 3) in the order of `SIGNALS`, each in its own unit
    mse: Tensor  #: (B,) mean squared residual, spans²
    anomaly_map: Tensor  #: (B, H, W) σ, signed: positive is hotter than expected
    reconstruction: Tensor  #: (B, H, W) spans from the offset


@dataclass(frozen=True, eq=False)
class BatchScores:
    """Scores of B images with the evidence and observations behind them."""

    score: Tensor  #: (B,) σ, > 0
    evidence: Tensor  #: (B, 3) −ln p of each of `SIGNALS` among normal images, > 0
    observation: Observation


class Scorer(nn.Module):
    """Both networks and their calibration: every tensor of a model bundle."""

    residual_mean: Tensor
    residual_sigma: Tensor
    map_sigma: Tensor
    smooth_rows: Tensor
    smooth_columns: Tensor
    knots: Tensor
    knot_evidence: Tensor

    def __init__(
        self,
        architecture: Architecture,
        config: ScoreConfig,
        components: int = 1,
        references: int = 2,
    ) -> None:
        super().__init__()
        self.config = config
        height, width = architecture.height, architecture.width
        self.autoencoder = Autoencoder(architecture)
        self.fault_classifier = FaultClassifier(architecture)
        self.density = LocalDensity(
            architecture.fault_features + architecture.latent,
            components,
            references,
            config.neighbours,
        )
        for name in ("residual_mean", "residual_sigma", "map_sigma"):
            self.register_buffer(name, torch.ones(height, width))
        self.register_buffer("knots", torch.zeros(len(SIGNALS), config.body_knots + 1))
        self.register_buffer("knot_evidence", torch.zeros(config.body_knots + 1))
        for name, length in (("smooth_rows", height), ("smooth_columns", width)):
            matrix = gaussian_matrix(length, config.smoothing_px)
            self.register_buffer(name, matrix, persistent=False)

    def forward(self, image: Tensor) -> BatchScores:
        """(B, 1, H, W) normalized images → scores."""
        observation = self.observe(image)
        evidence = self.evidence(observation.values)
        return BatchScores(self.combine(evidence), evidence, observation)

    def describe(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, H, W) → the fault classifier's features (B, features) and codes (B, latent)."""
        code = self.autoencoder.encode(image)
        return self.fault_classifier.describe(image, self.autoencoder.decode(code)), code

    def observe(self, image: Tensor, own: Tensor | None = None) -> Observation:
        """(B, 1, H, W) normalized images → signals and maps; `own` as in `LocalDensity`."""
        code = self.autoencoder.encode(image)  # (B, latent)
        reconstruction = self.autoencoder.decode(code)  # (B, 1, H, W)
        residual = (image - reconstruction)[:, 0]  # (B, H, W)
        anomaly_map = self._map(residual)
        features = self.fault_classifier.describe(image, reconstruction)  # (B, features)
        values = [
            _extreme(anomaly_map),
            fault_log_odds(self.fault_classifier.classify(features)),
            self.density(torch.cat([features, code], 1), own),
        ]
        return Observation(
            values=torch.stack(values, 1),
            mse=residual.square().mean((1, 2)),
            anomaly_map=anomaly_map,
            reconstruction=reconstruction[:, 0],
        )

    def residual_signal(self, residual: Tensor) -> Tensor:
        """(B, H, W) residuals in spans → the signal `residual`, (B,) σ."""
        return _extreme(self._map(residual))

    def evidence(self, values: Tensor) -> Tensor:
        """(B, 3) signals → −ln p of each among held-out normal images, (B, 3), > 0."""
        x = values.T.contiguous()  # (3, B)
        upper = torch.searchsorted(self.knots, x).clamp(1, self.config.body_knots)
        left, right = self.knots.gather(1, upper - 1), self.knots.gather(1, upper)
        low, high = self.knot_evidence[upper - 1], self.knot_evidence[upper]
        line = low + (high - low) * (x - left) / (right - left)  # extrapolated beyond the last knot
        return line.clamp_min(self.config.least_evidence).T

    def combine(self, evidence: Tensor) -> Tensor:
        """(B, 3) evidence → scores, (B,) σ, > 0."""
        return (2 * evidence).mean(1).sqrt()

    def calibrate_map(self, residual: Tensor) -> None:
        """Estimate the statistics of each pixel from residuals (N, H, W) of held-out normals."""
        self.residual_mean.copy_(residual.mean(0))
        prior_images = self.config.sigma_prior_images
        self.residual_sigma.copy_(shrunk_sigma(residual, prior_images))
        self.map_sigma.copy_(shrunk_sigma(self._smooth(residual), prior_images))

    def calibrate_signals(self, values: Tensor) -> None:
        """Learn the distribution of each signal from those of held-out normal images, (N, 3)."""
        knots_in_body = self.config.body_knots
        tail = self.config.tail_of(len(values))
        levels = torch.linspace(0, 1 - tail, knots_in_body, device=values.device)
        body = values.quantile(levels, 0)  # (knots, 3)
        excess = (values - body[-1]).clamp_min(0).mean(0) / tail  # mean excess over the body
        knots = torch.cat([body, (body[-1] + excess)[None]]).T  # (3, knots + 1)
        step = 1e-5 * (knots[:, -1:] - knots[:, :1]) + 1e-6  # keeps equal knots apart
        self.knots.copy_(knots + step * torch.arange(knots_in_body + 1, device=values.device))
        self.knot_evidence[:-1] = -torch.log1p(-levels)
        self.knot_evidence[0] = self.config.least_evidence
        self.knot_evidence[-1] = self.knot_evidence[-2] + 1  # p falls by e each mean excess

    def _map(self, residual: Tensor) -> Tensor:
        return self._smooth(residual) / self.map_sigma

    def _smooth(self, residual: Tensor) -> Tensor:
        standard = (residual - self.residual_mean) / self.residual_sigma
        return self.smooth_rows @ standard @ self.smooth_columns.T


def _extreme(maps: Tensor) -> Tensor:
    return maps.abs().flatten(1).amax(1)


def shrunk_sigma(values: Tensor, prior_images: float) -> Tensor:
    """Per-pixel standard deviation of (N, H, W) values, shrunk towards that of all pixels.

    The image-wide variance counts as `prior_images` further observations, so that
    with a dozen calibration images no pixel gets a sigma near zero by chance.
    """
    count = values.shape[0]
    variance = values.var(0, correction=0)
    pooled = (count * variance + prior_images * variance.mean()) / (count + prior_images)
    return pooled.sqrt().clamp_min(1e-4)


def gaussian_matrix(length: int, smoothing_px: float) -> Tensor:
    """(length, length) matrix that smooths a row with a Gaussian of
    `smoothing_px`, normalized at the image's edges."""
    offsets = torch.arange(length)[:, None] - torch.arange(length)
    kernel = torch.exp(-0.5 * (offsets / smoothing_px) ** 2)
    return kernel / kernel.sum(1, keepdim=True)


def drivers(evidence: Tensor, share_at_least: float) -> list[tuple[str, ...]]:
    """Name the signals that give `share_at_least` of each image's evidence, strongest first.

    `evidence` is (B, 3). A share of at most a third names at least one signal.
    """
    share = evidence / evidence.sum(1, keepdim=True)
    order = share.argsort(1, descending=True).tolist()
    return [
        tuple(SIGNALS[i] for i in strongest if row[i] >= share_at_least)
        for strongest, row in zip(order, share.tolist(), strict=True)
    ]
