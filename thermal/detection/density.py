"""How isolated an image is among the normal images, compared with its neighbours.

The local outlier factor (Breunig et al., SIGMOD 2000), in the simplified form with mean
distances: 1 for an image among its like, more if it is farther from the nearest normal images than
they are from each other. Sites and seasons that vary more, or have fewer images, are thus judged by
their own spacing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Most principal components of the description that are compared.
_MOST_COMPONENTS = 64

#: Most reference images that are kept.
MAX_REFERENCES = 8192


class LocalDensity(nn.Module):
    """Normal reference descriptions, in the main components of their variation."""

    mean: Tensor
    projection: Tensor
    references: Tensor
    spread: Tensor

    def __init__(self, dimensions: int, components: int, references: int, neighbours: int) -> None:
        super().__init__()
        if references < 2:
            raise ValueError("a density needs two references at least")
        self.neighbours = neighbours
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("projection", torch.zeros(dimensions, components))
        self.register_buffer("references", torch.zeros(references, components))
        #: mean distance of each reference to its neighbours
        self.register_buffer("spread", torch.ones(references))

    @classmethod
    def fit(cls, blocks: list[Tensor], neighbours: int) -> LocalDensity:
        """Learn from the descriptions of normal images, blocks of (N, dimensions of the block).

        All dimensions are standardized, and each block counts the same, however many dimensions it
        has. Each principal component is divided by the square root of its standard deviation: a
        compromise between letting the largest dominate (raw) and amplifying noise (whitened).
        Raises `ValueError` for fewer than two images.
        """
        scale = torch.cat([_inverse_deviation(b) / b.shape[1] ** 0.5 for b in blocks])
        descriptions = torch.cat(blocks, 1)
        mean = descriptions.mean(0)
        standard = ((descriptions - mean) * scale).double()
        count = len(standard)
        variance, directions = torch.linalg.eigh(standard.T @ standard / count)
        components = min(_MOST_COMPONENTS, len(scale), max(4, count // 8))
        variance, directions = variance[-components:], directions[:, -components:]
        weight = variance.clamp_min(1e-3 * float(variance[-1])) ** -0.25
        density = cls(len(scale), components, count, neighbours).to(scale.device)
        density.mean.copy_(mean)
        density.projection.copy_(scale[:, None] * directions * weight)
        density.references.copy_(density.project(descriptions))
        near = density._nearest(density.references, torch.arange(count, device=scale.device))[0]
        spread = near.mean(1)  # duplicates have distance 0; floor at 10 % of the median
        density.spread.copy_(spread.clamp_min(0.1 * float(spread.median()) + 1e-6))
        return density

    def project(self, descriptions: Tensor) -> Tensor:
        """(B, dimensions) → (B, components)."""
        return (descriptions - self.mean) @ self.projection

    def forward(self, descriptions: Tensor, own: Tensor | None = None) -> Tensor:
        """(B, dimensions) descriptions → outlier factors, (B,).

        `own` (B,) is the index of the reference made from each image, which is left out; -1 if the
        image is not a reference.
        """
        distances, neighbours = self._nearest(self.project(descriptions), own)
        return (distances / self.spread[neighbours]).mean(1)

    def _nearest(self, codes: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        """Distances to the nearest references and their indices, both (B, neighbours)."""
        a, b = codes.double(), self.references.double()  # cancellation: float32 is too coarse
        squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T  # (B, N)
        if own is not None:
            squared[own >= 0, own[own >= 0]] = torch.inf
        neighbours = min(self.neighbours, len(b) - 1)
        nearest = squared.topk(neighbours, largest=False)
        return nearest.values.clamp_min(0).sqrt().float(), nearest.indices


def _inverse_deviation(block: Tensor) -> Tensor:
    deviation = block.std(0)
    return 1 / deviation.clamp_min(1e-3 * float(deviation.max()) + 1e-12)
