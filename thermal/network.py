"""The convolutional autoencoder, readable top to bottom.

It learns to redraw normal images only. The bottleneck is real: the whole image passes through
`latent` numbers, so it cannot copy its input, and what it has never seen it cannot redraw.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from thermal.bundle import Architecture


class Autoencoder(nn.Module):
    """Image → code → image, all in prepared units (spans from the level)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels = architecture.channels  # one entry a halving, e.g. (16, 32, 64)
        halvings = len(channels)
        self.grid = (architecture.height >> halvings, architecture.width >> halvings)
        cells = self.grid[0] * self.grid[1]

        down: list[nn.Module] = []
        for before, after in zip((1, *channels), channels, strict=False):
            down += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.1),
            ]
        self.down = nn.Sequential(*down)
        self.to_code = nn.Linear(channels[-1] * cells, architecture.latent)
        self.from_code = nn.Linear(architecture.latent, channels[-1] * cells)

        up: list[nn.Module] = []
        for before, after in zip(channels[::-1], channels[-2::-1], strict=False):
            up += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.1),
            ]
        up.append(nn.ConvTranspose2d(channels[0], 1, 4, stride=2, padding=1))
        self.up = nn.Sequential(*up)

    def encode(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) → (B, latent)."""
        features = self.down(image)  # (B, channels[-1], H >> halvings, W >> halvings)
        code: Tensor = self.to_code(features.flatten(1))  # (B, latent)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """(B, latent) → (B, 1, H, W)."""
        features = self.from_code(code).unflatten(1, (-1, *self.grid))
        image: Tensor = self.up(features)  # (B, 1, H, W)
        return image

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) → the reconstruction, (B, 1, H, W)."""
        return self.decode(self.encode(image))


def seed_everything(seed: int) -> torch.Generator:
    """Seed torch's global generator (weights) and return an own one (order, augmentation)."""
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
