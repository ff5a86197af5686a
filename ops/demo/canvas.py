"""A canvas of temperatures, and the scene painted on it.

A scene is linear in its drivers, so a frame costs one weighted sum::

    °C(y, x) = ambient + Σ driver(t) · layer[driver](y, x)

`steady` is always 1, `sky` is the sky's apparent temperature relative to the air (K), `sun` is the
irradiance (0…1), and every other driver is the load (0…1) of some equipment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Size of a frame in pixels.
HEIGHT: Final = 120
WIDTH: Final = 160
#: Pixels drawn around the frame, which camera shake moves into view.
MARGIN: Final = 6
#: Drawing resolution as a multiple of the frame's, for anti-aliased edges.
_FINER: Final = 3


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of equipment as the camera sees it; `cover` is (H, W) float32 in 0…1."""

    driver: str  #: the load it follows
    cover: Plane


@dataclass(frozen=True)
class Joint:
    """A bolted connection, where contact resistance can rise."""

    name: str
    driver: str
    x: float  #: px in the frame
    y: float
    conductor: str  #: the part that carries the heat away


@dataclass(frozen=True, eq=False)
class Scene:
    """All that one camera sees. Planes are (HEIGHT + 2 MARGIN, WIDTH + 2 MARGIN) float32."""

    layers: Mapping[str, Plane]  #: K at a driver of 1
    parts: Mapping[str, Part]
    joints: tuple[Joint, ...]
    bodies: tuple[str, ...]  #: parts that overheat as a whole
    coolers: tuple[str, ...]  #: parts that go cold when blocked
    moving: tuple[str, ...] = ()  #: parts whose texture moves through the picture


class Canvas:
    """Paints shapes back to front; later ones hide earlier ones. Coordinates are frame pixels."""

    def __init__(self, seed: int, drivers: tuple[str, ...]) -> None:
        shape = ((HEIGHT + 2 * MARGIN) * _FINER, (WIDTH + 2 * MARGIN) * _FINER)
        rows, columns = np.indices(shape, dtype=np.float32)
        self.x: Plane = _plane((columns + 0.5) / _FINER - MARGIN)
        self.y: Plane = _plane((rows + 0.5) / _FINER - MARGIN)
        self._layers = {name: np.zeros(shape, np.float32) for name in drivers}
        self._parts: dict[str, tuple[str, Mask]] = {}
        self._rng = np.random.default_rng(seed)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Mask:
        return (self.x >= x0) & (self.x < x1) & (self.y >= y0) & (self.y < y1)

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Mask:
        return ((self.x - x) / rx) ** 2 + ((self.y - y) / ry) ** 2 <= 1

    def bar(self, x0: float, y0: float, x1: float, y1: float, width: float) -> Mask:
        """A straight bar with round ends."""
        dx, dy = x1 - x0, y1 - y0
        along = ((self.x - x0) * dx + (self.y - y0) * dy) / (dx * dx + dy * dy)
        along = np.clip(along, 0, 1)
        return np.hypot(self.x - x0 - along * dx, self.y - y0 - along * dy) <= width / 2

    def wire(self, x0: float, y0: float, x1: float, y1: float, *, sag: float, width: float) -> Mask:
        """A conductor hanging between two points."""
        along = (self.x - x0) / (x1 - x0)
        height = y0 + along * (y1 - y0) + 4 * sag * along * (1 - along)
        steep = np.hypot(1, ((y1 - y0) + 4 * sag * (1 - 2 * along)) / (x1 - x0))
        near = np.abs(self.y - height) <= width * steep / 2
        return np.asarray(near & (along >= 0) & (along <= 1), dtype=np.bool_)

    def round_x(self, x0: float, x1: float) -> Plane:
        """Apparent warmth across an upright cylinder: metal emits less at grazing angles."""
        u = np.clip(2 * (self.x - x0) / (x1 - x0) - 1, -1, 1)
        return _plane(1 - 0.45 * u**4)

    def round_y(self, y0: float, y1: float) -> Plane:
        u = np.clip(2 * (self.y - y0) / (y1 - y0) - 1, -1, 1)
        return _plane(1 - 0.45 * u**4)

    def ramp_y(self, y0: float, at_y0: float, y1: float, at_y1: float) -> Plane:
        """Linear in height, as from hot oil at the top to cooled oil at the bottom."""
        along = np.clip((self.y - y0) / (y1 - y0), 0, 1)
        return _plane(at_y0 + along * (at_y1 - at_y0))

    def ripple(self, along: Plane, period: float, low: float) -> Plane:
        """1 on ridges, `low` in grooves: fins, sheds, ribs."""
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * along / period)
        return _plane(low + (1 - low) * wave)

    def clutter(self, size_px: float) -> Plane:
        """Smooth random texture of unit variance: foliage, gravel, stained walls."""
        noise = self._rng.standard_normal(self.x.shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), size_px * _FINER)
        return _plane(smooth / smooth.std())

    def paint(
        self, mask: Mask, name: str = "", driver: str = "steady", **kelvin: Plane | float
    ) -> None:
        """Cover `mask` with material of `kelvin[driver]` K per driver, 0 where not given.

        With a `name` it becomes a part that can have faults; calls with the same name add up.
        """
        for layer, plane in self._layers.items():
            value = kelvin.get(layer, 0.0)
            plane[mask] = value[mask] if isinstance(value, np.ndarray) else value
        for other, (_, seen) in self._parts.items():
            if other != name:
                seen[mask] = False
        if name:
            _, seen = self._parts.get(name, ("", np.zeros_like(mask)))
            self._parts[name] = (driver, seen | mask)

    def layers(self) -> dict[str, Plane]:
        return {name: _coarse(plane) for name, plane in self._layers.items()}

    def parts(self) -> dict[str, Part]:
        return {
            name: Part(driver, _coarse(seen.astype(np.float32)))
            for name, (driver, seen) in self._parts.items()
        }


def _plane(values: NDArray[Any]) -> Plane:
    return np.asarray(values, dtype=np.float32)


def _coarse(plane: Plane) -> Plane:
    size = (plane.shape[1] // _FINER, plane.shape[0] // _FINER)
    return _plane(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))
