"""The one scoring path: from prepared images to signals, score and anomaly map, on tensors.

Three signals complement one another. `hotspot` is the extreme of the calibrated residual map: what
the autoencoder could not redraw, in one place. `structure` is the inspector's log odds of a fault.
`level` is how far the image as a whole lies from the normal images most like it. Each is turned
into what it means among held-out normal images: its evidence e = −ln p of its tail probability p,
continued linearly beyond them, so that the scores of clear anomalies still differ. The score is
the quadratic mean of z = √(2e), about the standard deviations that a normal variable has at that
p: Fisher's method of combining tests (1925).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from thermal.detection.bundle import Architecture
from thermal.detection.density import LocalDensity
from thermal.detection.network import FEATURES, Autoencoder, Inspector, fault_log_odds

#: The signals, in the order of all tensors that hold one number for each.
SIGNALS = ("hotspot", "structure", "level")

#: Standard deviation of the Gaussian that smooths the residual, px of the network's input.
_SMOOTHING_PX = 0.7

#: Points at which a signal's distribution on normal images is kept, below its tail.
_BODY_KNOTS = 10

#: The tail is this share of the held-out images, or so many if that is more, at most a half.
_TAIL_SHARE, _TAIL_IMAGES = 0.1, 10

#: Share of all evidence from which a signal is named: a third, and a little less for rounding.
_DRIVING_SHARE = 0.333

#: Evidence of the least remarkable image; above zero, because scores are compared as ratios.
_LEAST_EVIDENCE = 0.01


@dataclass(frozen=True, eq=False)
class Observation:
    """What the networks see in B images, before calibration of the signals."""

    values: Tensor  #: (B, 3) in the order of `SIGNALS`, in units of their own
    mse: Tensor  #: (B,) mean squared residual, spans²
    anomaly_map: Tensor  #: (B, H, W) σ, signed: positive is hotter than expected
    reconstruction: Tensor  #: (B, H, W) spans from the level


@dataclass(frozen=True, eq=False)
class BatchScores:
    """Scores of B images, and what they rest on."""

    score: Tensor  #: (B,) σ, > 0
    evidence: Tensor  #: (B, 3) −ln p of each of `SIGNALS` among normal images, > 0
    observation: Observation


class Scorer(nn.Module):
    """Both networks with their calibration: all that a model bundle holds as tensors."""

    residual_mean: Tensor
    residual_sigma: Tensor
    map_sigma: Tensor
    smooth_rows: Tensor
    smooth_columns: Tensor
    knots: Tensor
    knot_evidence: Tensor

    def __init__(
        self, architecture: Architecture, components: int = 1, references: int = 2
    ) -> None:
        super().__init__()
        height, width = architecture.height, architecture.width
        self.autoencoder = Autoencoder(architecture)
        self.inspector = Inspector()
        self.density = LocalDensity(FEATURES + architecture.latent, components, references)
        for name in ("residual_mean", "residual_sigma", "map_sigma"):
            self.register_buffer(name, torch.ones(height, width))
        self.register_buffer("knots", torch.zeros(len(SIGNALS), _BODY_KNOTS + 1))
        self.register_buffer("knot_evidence", torch.zeros(_BODY_KNOTS + 1))
        self.register_buffer("smooth_rows", gaussian_matrix(height), persistent=False)
        self.register_buffer("smooth_columns", gaussian_matrix(width), persistent=False)

    def forward(self, image: Tensor) -> BatchScores:
        """(B, 1, H, W) prepared images → scores."""
        observation = self.observe(image)
        evidence = self.evidence(observation.values)
        return BatchScores(self.combine(evidence), evidence, observation)

    def describe(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, H, W) → the inspector's features (B, FEATURES) and the code (B, latent)."""
        code = self.autoencoder.encode(image)
        return self.inspector.describe(image, self.autoencoder.decode(code)), code

    def observe(self, image: Tensor, own: Tensor | None = None) -> Observation:
        """(B, 1, H, W) prepared images → signals and maps; `own` as in `LocalDensity`."""
        code = self.autoencoder.encode(image)  # (B, latent)
        reconstruction = self.autoencoder.decode(code)  # (B, 1, H, W)
        residual = (image - reconstruction)[:, 0]  # (B, H, W)
        anomaly_map = self._map(residual)
        features = self.inspector.describe(image, reconstruction)  # (B, FEATURES)
        values = [
            _extreme(anomaly_map),
            fault_log_odds(self.inspector.classify(features)),
            self.density(torch.cat([features, code], 1), own),
        ]
        return Observation(
            values=torch.stack(values, 1),
            mse=residual.square().mean((1, 2)),
            anomaly_map=anomaly_map,
            reconstruction=reconstruction[:, 0],
        )

    def hotspot(self, residual: Tensor) -> Tensor:
        """(B, H, W) residuals → the first signal, (B,) σ."""
        return _extreme(self._map(residual))

    def evidence(self, values: Tensor) -> Tensor:
        """(B, 3) signals → −ln p of each among held-out normal images, (B, 3), > 0."""
        x = values.T.contiguous()  # (3, B)
        upper = torch.searchsorted(self.knots, x).clamp(1, _BODY_KNOTS)
        left, right = self.knots.gather(1, upper - 1), self.knots.gather(1, upper)
        low, high = self.knot_evidence[upper - 1], self.knot_evidence[upper]
        line = low + (high - low) * (x - left) / (right - left)  # the last segment has no end
        return line.clamp_min(_LEAST_EVIDENCE).T

    def combine(self, evidence: Tensor) -> Tensor:
        """(B, 3) evidence → scores, (B,) σ, > 0."""
        return (2 * evidence).mean(1).sqrt()

    def calibrate_map(self, residual: Tensor) -> None:
        """Estimate the statistics of each pixel from residuals (N, H, W) of held-out normals."""
        self.residual_mean.copy_(residual.mean(0))
        self.residual_sigma.copy_(shrunk_sigma(residual))
        self.map_sigma.copy_(shrunk_sigma(self._smooth(residual)))

    def calibrate_signals(self, values: Tensor) -> None:
        """Learn what the signals (N, 3) of held-out normal images say about a new image's."""
        tail = tail_share(len(values))
        levels = torch.linspace(0, 1 - tail, _BODY_KNOTS, device=values.device)
        body = values.quantile(levels, 0)  # (knots, 3)
        excess = (values - body[-1]).clamp_min(0).mean(0) / tail  # mean excess over the body
        knots = torch.cat([body, (body[-1] + excess)[None]]).T  # (3, knots + 1)
        step = 1e-5 * (knots[:, -1:] - knots[:, :1]) + 1e-6  # equal values make no knot vanish
        self.knots.copy_(knots + step * torch.arange(_BODY_KNOTS + 1, device=values.device))
        self.knot_evidence[:-1] = -torch.log1p(-levels)
        self.knot_evidence[0] = _LEAST_EVIDENCE
        self.knot_evidence[-1] = self.knot_evidence[-2] + 1  # p falls by e each mean excess

    def _map(self, residual: Tensor) -> Tensor:
        return self._smooth(residual) / self.map_sigma

    def _smooth(self, residual: Tensor) -> Tensor:
        standard = (residual - self.residual_mean) / self.residual_sigma
        return self.smooth_rows @ standard @ self.smooth_columns.T


def tail_share(count: int) -> float:
    """Share of `count` held-out values that make up the tail of their distribution."""
    return min(0.5, max(_TAIL_SHARE, _TAIL_IMAGES / count))


def _extreme(maps: Tensor) -> Tensor:
    return maps.abs().flatten(1).amax(1)


def shrunk_sigma(values: Tensor, prior_images: float = 10.0) -> Tensor:
    """Per-pixel standard deviation of (N, H, W) values, drawn towards the one of all pixels.

    The image-wide variance counts as `prior_images` further observations, so that a dozen
    calibration images do not give some pixel a sigma of almost nothing by chance.
    """
    count = values.shape[0]
    variance = values.var(0, correction=0)
    pooled = (count * variance + prior_images * variance.mean()) / (count + prior_images)
    return pooled.sqrt().clamp_min(1e-4)


def gaussian_matrix(length: int) -> Tensor:
    """(length, length) matrix that smooths a row with a Gaussian, cut off at the image's edge."""
    offsets = torch.arange(length)[:, None] - torch.arange(length)
    kernel = torch.exp(-0.5 * (offsets / _SMOOTHING_PX) ** 2)
    return kernel / kernel.sum(1, keepdim=True)


def drivers(evidence: Tensor) -> list[tuple[str, ...]]:
    """Name the signals that make up a third or more of each score, strongest first.

    `evidence` is (B, 3); with three signals there is always one.
    """
    share = evidence / evidence.sum(1, keepdim=True)
    order = share.argsort(1, descending=True).tolist()
    return [
        tuple(SIGNALS[i] for i in strongest if row[i] >= _DRIVING_SHARE)
        for strongest, row in zip(order, share.tolist(), strict=True)
    ]
