"""A simulated plant: two thermal cameras, their normal scenes, and faults with known truth.

Used by ``thermalwatch demo`` and the tests. Frames are 16-bit radiometric counts. The scene is
linear in a few drivers (see `ops.demo.canvas`), which follow weather and load. The camera adds
shake, lens blur, vignetting, fixed-pattern noise that grows until the shutter closes, and temporal
noise (NETD), as real ones do. The seed determines everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ops.demo.canvas import HEIGHT, MARGIN, WIDTH, Part, Plane, Scene
from ops.demo.scenes import SCENES
from thermal.frame import LinearScale

Counts = NDArray[np.uint16]
FaultKind = Literal["hot joint", "overheating", "blocked cooling"]

#: Hundredths of a kelvin, the output of many radiometric camera cores.
SCALE: Final = LinearScale(gain=0.01, offset=-273.15)
CAMERAS: Final = tuple(SCENES)

#: Time between two frames of a stream.
INTERVAL_S: Final = 600.0
#: Training frames cover this time before the stream, so every hour in every weather.
TRAINING_S: Final = 30 * 86_400.0
_START_H: Final = 8.0  # a stream starts in the morning

NETD_K: Final = 0.05
_SHAKE_PX: Final = 0.2  # standard deviation of the camera shake in each direction
_BLUR_PX: Final = 0.6  # standard deviation of the lens's point-spread function
_VIGNETTE_K: Final = 0.8  # how much colder the corners read
_SHUTTER_S: Final = 1020.0  # the shutter corrects the fixed pattern this often
_FAULTS: Final[tuple[FaultKind, ...]] = (
    "hot joint",
    "overheating",
    "hot joint",
    "blocked cooling",
)


@dataclass(frozen=True)
class Fault:
    """A simulated fault as it appears in the frame.

    `delta_k` is the largest difference from the same frame without the fault, at pixel (`x`, `y`);
    `area_px` is the number of pixels that differ by at least half of it.
    """

    kind: FaultKind
    component: str
    x: int
    y: int
    delta_k: float
    area_px: int


@dataclass(frozen=True, eq=False)
class PlantFrame:
    """One frame of a camera's stream; `counts` is (120, 160) uint16 in `SCALE`."""

    camera: str
    index: int
    counts: Counts
    truth: Fault | None

    @property
    def file_name(self) -> str:
        return f"{self.camera}-{self.index:06d}.png"


class Plant:
    """Frames of each camera (`CAMERAS`); the same seed gives the same pixels."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._cameras = {
            name: _Camera(scene(seed), [seed, number])
            for number, (name, scene) in enumerate(SCENES.items())
        }

    def training_frames(self, camera: str, n: int) -> Iterator[Counts]:
        """`n` normal frames from the days before the stream."""
        for i in range(n):
            rng = np.random.default_rng([self._seed, 1, CAMERAS.index(camera), i])
            time_s = -TRAINING_S * (n - i - rng.random()) / n
            yield self._cameras[camera].take(_drivers(self._seed, time_s, rng), time_s, rng)

    def stream(self, camera: str, n: int, anomaly_share: float = 0.02) -> Iterator[PlantFrame]:
        """`n` frames, `INTERVAL_S` apart; ``round(n * anomaly_share)`` of them show a fault."""
        schedule = np.random.default_rng([self._seed, 2, CAMERAS.index(camera)])
        faulty = schedule.permutation(n)[: round(n * anomaly_share)]
        kinds = {int(i): _FAULTS[k % len(_FAULTS)] for k, i in enumerate(faulty)}
        view = self._cameras[camera]
        for i in range(n):
            rng = np.random.default_rng([self._seed, 3, CAMERAS.index(camera), i])
            drivers = _drivers(self._seed, i * INTERVAL_S, rng)
            if i in kinds:
                counts, truth = view.take_faulty(kinds[i], drivers, i * INTERVAL_S, rng)
                yield PlantFrame(camera, i, counts, truth)
            else:
                yield PlantFrame(camera, i, view.take(drivers, i * INTERVAL_S, rng), None)


def encode_png(counts: Counts) -> bytes:
    """A 16-bit PNG file."""
    # level 1: three times as fast, and thermal noise hardly compresses anyway
    done, data = cv2.imencode(".png", counts, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"cannot be encoded as PNG: {counts.dtype} {counts.shape}")
    return data.tobytes()


class _Camera:
    """One camera in front of its scene, with the noise of its own sensor."""

    def __init__(self, scene: Scene, seed: list[int]) -> None:
        self._scene = scene
        rng = np.random.default_rng(seed)
        pixels = rng.normal(0, 0.12, (HEIGHT, WIDTH))
        columns = rng.normal(0, 0.08, (1, WIDTH))
        self._pattern = (pixels + columns).astype(np.float32)
        rows, cols = np.indices((HEIGHT, WIDTH), dtype=np.float32)
        radius = np.hypot(rows - HEIGHT / 2, cols - WIDTH / 2) / math.hypot(HEIGHT / 2, WIDTH / 2)
        self._vignette = (_VIGNETTE_K * radius**2).astype(np.float32)
        height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
        white = rng.standard_normal((height, 4 * width)).astype(np.float32)
        lumps = cv2.GaussianBlur(white, (0, 0), 2.0)
        self._lumps: Plane = np.asarray(0.6 * lumps / lumps.std(), dtype=np.float32)  # K

    def take(self, drivers: Mapping[str, float], time_s: float, rng: np.random.Generator) -> Counts:
        shift = rng.normal(0, _SHAKE_PX, 2)
        return self._expose(self._through_lens(self._radiate(drivers, rng), shift), time_s, rng)

    def take_faulty(
        self,
        kind: FaultKind,
        drivers: Mapping[str, float],
        time_s: float,
        rng: np.random.Generator,
    ) -> tuple[Counts, Fault]:
        # random numbers are drawn in the order of `take`, so only the fault differs
        shift = rng.normal(0, _SHAKE_PX, 2)
        celsius = self._through_lens(self._radiate(drivers, rng), shift)
        component, change, delta_k = self._plant(kind, drivers, rng.spawn(1)[0])
        seen = self._through_lens(change, shift)
        # the lens flattens small spots: rescale, so that `delta_k` is the peak seen in the frame
        seen *= delta_k / np.abs(seen).max()
        y, x = np.unravel_index(int(np.abs(seen).argmax()), seen.shape)
        area_px = int((np.abs(seen) >= abs(delta_k) / 2).sum())
        peak_k = float(seen[y, x])
        fault = Fault(kind, component, int(x), int(y), round(peak_k, 2), area_px)
        return self._expose(celsius + seen, time_s, rng), fault

    def _radiate(self, drivers: Mapping[str, float], rng: np.random.Generator) -> Plane:
        """Apparent temperature (°C) before the lens, margin included."""
        celsius: Plane = np.full_like(self._scene.layers["steady"], drivers["ambient"])
        for name, layer in self._scene.layers.items():
            celsius += np.float32(drivers[name]) * layer
        offset = int(rng.integers(3 * (WIDTH + 2 * MARGIN)))
        for name in self._scene.moving:
            passing = self._lumps[:, offset : offset + WIDTH + 2 * MARGIN]
            celsius += self._scene.parts[name].cover * passing
        return celsius

    @staticmethod
    def _through_lens(plane: Plane, shift: NDArray[np.float64]) -> Plane:
        move = np.array([[1, 0, MARGIN - shift[0]], [0, 1, MARGIN - shift[1]]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(plane, move, (WIDTH, HEIGHT), flags=flags)
        return np.asarray(cv2.GaussianBlur(moved, (0, 0), _BLUR_PX), dtype=np.float32)

    def _expose(self, celsius: Plane, time_s: float, rng: np.random.Generator) -> Counts:
        since_shutter = (time_s % _SHUTTER_S) / _SHUTTER_S
        noise = rng.standard_normal(celsius.shape, dtype=np.float32)
        read = celsius - self._vignette + (0.4 + 0.6 * since_shutter) * self._pattern
        read += NETD_K * noise
        counts = np.rint((read - SCALE.offset) / SCALE.gain)
        return np.asarray(np.clip(counts, 0, 65_535), dtype=np.uint16)

    def _plant(
        self, kind: FaultKind, drivers: Mapping[str, float], rng: np.random.Generator
    ) -> tuple[str, Plane, float]:
        """The component, its change before the lens (K, any scale) and the peak wanted (K)."""
        scene = self._scene
        if kind == "hot joint":
            joint = scene.joints[rng.integers(len(scene.joints))]
            change = _hot_joint(joint.x, joint.y, scene.parts[joint.conductor], rng)
            return joint.name, change, float(rng.uniform(8, 40))
        if kind == "overheating":
            name = scene.bodies[rng.integers(len(scene.bodies))]
            glow = cv2.GaussianBlur(scene.parts[name].cover, (0, 0), 1.0)
            return name, np.asarray(glow, dtype=np.float32), float(rng.uniform(8, 25))
        name = scene.coolers[rng.integers(len(scene.coolers))]
        part = scene.parts[name]
        warmth = drivers[part.driver] * scene.layers[part.driver]
        change = -_blocked(part, rng) * warmth
        # a blocked cooler cannot get colder than ambient: it loses a share of its excess warmth
        return name, change, float(rng.uniform(0.6, 0.9) * np.abs(change).max())


def _hot_joint(x: float, y: float, conductor: Part, rng: np.random.Generator) -> Plane:
    """A spot of 2–8 px (full width at half maximum), and the heat its conductor carries away."""
    width_px = rng.uniform(2, 8)
    rows, cols = np.indices(conductor.cover.shape, dtype=np.float32)
    distance = np.hypot(cols + 0.5 - MARGIN - x, rows + 0.5 - MARGIN - y)
    spot = np.exp(-4 * math.log(2) * (distance / width_px) ** 2)
    tail = 0.5 * conductor.cover * np.exp(-distance / (1.5 * width_px))
    return np.asarray(np.maximum(spot, tail), dtype=np.float32)


def _blocked(part: Part, rng: np.random.Generator) -> Plane:
    """The part of a cooler without flow: from the bottom to a random height, with a soft edge."""
    rows = np.nonzero(part.cover.any(axis=1))[0]
    level = rows[0] + rng.uniform(0, 0.5) * (rows[-1] - rows[0])
    below = 1 / (1 + np.exp((level - np.arange(part.cover.shape[0])) / 1.5))
    return np.asarray(part.cover * below[:, None], dtype=np.float32)


def _drivers(seed: int, time_s: float, rng: np.random.Generator) -> dict[str, float]:
    """Weather and load at a time: daily cycles, slow weather, and fluctuation by the minute."""
    hour = _START_H + time_s / 3600
    air = _wander(seed, 1, hour)
    cloud = 0.5 + 0.5 * _wander(seed, 2, hour)
    ambient = 14 + 5 * math.sin(math.tau * (hour - 9) / 24) + 2.0 * air
    sun = max(0.0, math.sin(math.tau * (hour - 6) / 24)) * (0.9 - 0.6 * cloud)
    flicker = rng.normal(0, 0.015, 3)
    grid = 0.77 + 0.1 * math.sin(math.tau * (hour - 11) / 24) + 0.05 * _wander(seed, 3, hour)
    tonnage = 0.75 + 0.17 * _wander(seed, 4, hour)
    return {
        "ambient": ambient,
        "steady": 1.0,
        "sky": -27 + 11 * cloud,
        "sun": sun,
        # losses, and so temperature rises, grow with the square of the current
        "load": (grid + flicker[0]) ** 2,
        "belt": tonnage + flicker[1],
        "motor": (0.15 + 0.85 * tonnage + flicker[2]) ** 2,
        "gear": 0.3 + 0.7 * tonnage,
    }


def _wander(seed: int, quantity: int, hour: float) -> float:
    """A smooth random walk in -1…1: three periods of hours."""
    phases = np.random.default_rng([seed, 4, quantity]).uniform(0, math.tau, 3)
    periods_h = (2.3, 6.1, 15.7)
    return sum(
        math.sin(math.tau * hour / period + phase)
        for period, phase in zip(periods_h, phases, strict=True)
    ) / len(periods_h)
