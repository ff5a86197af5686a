"""Synthetic faults painted on normal images, from which the fault classifier learns.

They look and are sized like thermal faults: a hot spot, hot cells, a string, a bypassed third of
a module, a whole component hotter or colder, a shade or gradient, an irregular patch (soiling,
growth). Each is added to the image, so its texture and noise stay, and is hot more often than
cold. Amplitudes are in the noise that the autoencoder leaves on normal images, so that the same
faults suit a 24×40 px crop and a 160×128 px scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

#: Smallest and largest amplitude of a fault, in standard deviations of the residual's noise.
_AMPLITUDE = (2.0, 30.0)
_HOT_SHARE = 0.85  #: of the faults; the others are colder than they should be
_MOST_PIECES = 4  #: spots, cells or strings in an image


@dataclass(frozen=True)
class _Canvas:
    """Pixel centres, and random numbers for `count` images."""

    count: int
    y: Tensor  #: (1, H, 1) 0…1
    x: Tensor  #: (1, 1, W) 0…1
    height: int
    width: int
    device: torch.device

    def uniform(self, low: float, high: float) -> Tensor:
        """(count, 1, 1) random numbers."""
        return low + (high - low) * torch.rand(self.count, 1, 1, device=self.device)

    def log_uniform(self, low: float, high: float) -> Tensor:
        """(count, 1, 1) random numbers, each octave as likely as the next."""
        return self.uniform(math.log(low), math.log(max(low, high))).exp()

    def soft(self, inside_px: Tensor) -> Tensor:
        """Mask from the distance to the edge in px, positive inside; 0.3…1.2 px soft."""
        return torch.sigmoid(2 * inside_px / self.log_uniform(0.3, 1.2))


def paint_faults(
    images: Tensor, noise: float, *, share: float = 0.5, kinds: Sequence[str] | None = None
) -> tuple[Tensor, Tensor]:
    """Paint faults of `kinds` (None: all) on about a `share` (0…1) of the images.

    `images` is (B, 1, H, W) in spans, `noise` the standard deviation of the residual on normal
    images in the same unit. Returns the images and their labels, (B,) int64: 0 for none, else
    1 + the index in `FAULTS`. Random numbers come from torch's global generator.
    """
    count, _, height, width = images.shape
    device = images.device
    canvas = _Canvas(
        count=count,
        y=((torch.arange(height, device=device) + 0.5) / height).view(1, -1, 1),
        x=((torch.arange(width, device=device) + 0.5) / width).view(1, 1, -1),
        height=height,
        width=width,
        device=device,
    )
    numbers = [1 + place for place, name in enumerate(FAULTS) if kinds is None or name in kinds]
    drawn = torch.randint(len(numbers), (count,), device=device)
    labels = torch.tensor(numbers, device=device)[drawn]
    labels[torch.rand(count, device=device) >= share] = 0
    mask = torch.zeros(count, height, width, device=device)
    for label, paint in enumerate(FAULTS.values(), start=1):
        mine = labels == label
        if mine.any():
            mask[mine] = paint(replace_count(canvas, int(mine.sum())))
    amplitude = noise * canvas.log_uniform(*_AMPLITUDE)
    sign = torch.where(canvas.uniform(0, 1) < _HOT_SHARE, 1.0, -1.0)
    return images + (amplitude * sign * mask)[:, None], labels


def replace_count(canvas: _Canvas, count: int) -> _Canvas:
    """The same canvas for another number of images."""
    return _Canvas(count, canvas.y, canvas.x, canvas.height, canvas.width, canvas.device)


def _spots(canvas: _Canvas) -> Tensor:
    """Round hot spots of 0.8 px up to an eighth of the shorter side."""
    side = min(canvas.height, canvas.width)

    def spot() -> Tensor:
        radius = canvas.log_uniform(0.8, 0.12 * side)
        ry, rx = radius * canvas.log_uniform(0.7, 1.4), radius * canvas.log_uniform(0.7, 1.4)
        dy = (canvas.y - canvas.uniform(0, 1)) * canvas.height / ry
        dx = (canvas.x - canvas.uniform(0, 1)) * canvas.width / rx
        return canvas.soft((1 - (dy**2 + dx**2).sqrt()) * torch.minimum(ry, rx))

    return _several(canvas, spot)


def _cells(canvas: _Canvas) -> Tensor:
    """Rectangles of a tenth to a third of each side."""
    return _several(
        canvas,
        lambda: _box(
            canvas,
            centre=(canvas.uniform(0, 1), canvas.uniform(0, 1)),
            half=(canvas.uniform(0.04, 0.17), canvas.uniform(0.04, 0.17)),
        ),
    )


def _strings(canvas: _Canvas) -> Tensor:
    """Bands over the whole image, along or across, 4 to 24 % wide."""
    along = canvas.uniform(0, 1) < 0.5
    return _several(
        canvas, lambda: _band(canvas, along, canvas.uniform(0, 1), canvas.uniform(0.02, 0.12))
    )


def _third(canvas: _Canvas) -> Tensor:
    """One of the three substrings of a module, as its bypass diode leaves it."""
    place = (canvas.uniform(0, 3).floor() + 0.5) / 3
    along = canvas.uniform(0, 1) < 0.5
    return _band(canvas, along, place, canvas.uniform(0.8, 1.2) / 6)


def _whole(canvas: _Canvas) -> Tensor:
    """A component that fills most of the image, or all of it."""
    return _box(
        canvas,
        centre=(canvas.uniform(0.45, 0.55), canvas.uniform(0.45, 0.55)),
        half=(canvas.uniform(0.4, 0.6), canvas.uniform(0.4, 0.6)),
    )


def _shade(canvas: _Canvas) -> Tensor:
    """One side of a line in any direction, with an edge from sharp to as wide as the image."""
    side = min(canvas.height, canvas.width)
    angle = canvas.uniform(0, 2 * math.pi)
    across = (canvas.y - 0.5) * canvas.height * angle.sin()
    across = across + (canvas.x - 0.5) * canvas.width * angle.cos()
    offset = canvas.uniform(-0.3, 0.3) * side
    return torch.sigmoid((across + offset) / canvas.log_uniform(0.5, 0.5 * side))


def _patches(canvas: _Canvas) -> Tensor:
    """Irregular patches: the higher parts of smooth random hills."""
    rows, columns = max(2, canvas.height // 8), max(2, canvas.width // 8)
    size = (canvas.height, canvas.width)

    def hills(fineness: int) -> Tensor:
        shape = (canvas.count, 1, fineness * rows + 1, fineness * columns + 1)
        coarse = torch.randn(shape, device=canvas.device)
        return F.interpolate(coarse, size, mode="bicubic", align_corners=True)[:, 0]

    height = hills(1) + 0.5 * hills(2)
    return torch.sigmoid((height - canvas.uniform(0.3, 1.5)) * canvas.log_uniform(3, 12))


def _several(canvas: _Canvas, piece: Callable[[], Tensor]) -> Tensor:
    """One piece in half of the images, up to `_MOST_PIECES` in the others."""
    wanted = canvas.uniform(1, 1 + _MOST_PIECES).floor()
    wanted = torch.where(canvas.uniform(0, 1) < 0.5, 1.0, wanted)
    mask = piece()
    for index in range(1, _MOST_PIECES):
        mask = torch.where(wanted > index, torch.maximum(mask, piece()), mask)
    return mask


def _band(canvas: _Canvas, along: Tensor, place: Tensor, half: Tensor) -> Tensor:
    """A band along the columns or across them; `place` and half width in parts of the side."""
    middle, everything = torch.full_like(place, 0.5), torch.full_like(half, 2.0)
    return _box(
        canvas,
        centre=(torch.where(along, middle, place), torch.where(along, place, middle)),
        half=(torch.where(along, everything, half), torch.where(along, half, everything)),
    )


def _box(canvas: _Canvas, centre: tuple[Tensor, Tensor], half: tuple[Tensor, Tensor]) -> Tensor:
    """A soft rectangle; centre and half sides (y, x) in parts of the image."""
    dy = (half[0] - (canvas.y - centre[0]).abs()) * canvas.height  # px inside
    dx = (half[1] - (canvas.x - centre[1]).abs()) * canvas.width
    return canvas.soft(torch.minimum(dy, dx) + 0.5)  # at least one pixel wide


#: Kinds of faults by name; each paints a mask (B, H, W) in 0…1.
FAULTS: dict[str, Callable[[_Canvas], Tensor]] = {
    "spot": _spots,
    "cell": _cells,
    "string": _strings,
    "third": _third,
    "whole": _whole,
    "shade": _shade,
    "patch": _patches,
}
#: Local faults, which stand out from their surroundings. A uniform offset or a soft shade over the
#: whole image may also be normal at another time of day.
LOCAL_FAULTS = ("spot", "cell", "string", "third", "patch")
