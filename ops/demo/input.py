"""The demo's input: a simulated plant, or real images in MVTec AD layout."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ops.demo.plant import CAMERAS, SCALE, Fault, Plant, encode_png
from thermal.decode import decode
from thermal.training.dataset import list_images, read_test_set, training_folder

T = TypeVar("T")

#: An image and the defect it shows; None for a normal one.
Labelled = tuple[Path, str | None]

#: Frames per simulated camera to train on, and to upload.
TRAINING_FRAMES = 300
STREAM_FRAMES = 150
#: Share of the uploaded frames that show a fault.
FAULT_SHARE = 0.04

#: Most real images used, to keep the demo short. The training limit is in pixels, about as many as
#: the simulated plant has; the upload limits are in images.
MOST_TRAINING_PX = 3_000_000
MOST_TRAINING_IMAGES = 1000
LEAST_TRAINING_IMAGES = 100
MOST_NORMAL_IMAGES = 360
MOST_FAULTY_IMAGES = 40

#: Longest side of the network's input, px: enough for these faults, and trains in a minute.
LONGEST_SIDE_PX = 80

#: Name of the one camera that real images come from.
IMAGES_CAMERA = "images"


@dataclass(frozen=True)
class DemoFrame:
    """A file to upload and the fault it shows; `truth` is None for a normal one."""

    camera: str
    name: str
    data: bytes
    truth: str | None


@dataclass(frozen=True)
class DemoInput:
    """All that differs between simulated and real images."""

    training: tuple[Path, ...]
    cameras: tuple[str, ...]
    #: Lines of thermalwatch.toml on how to read these cameras' files.
    camera_settings: str
    size: tuple[int, int]  #: (height, width) px of the network
    total: int
    stream: Iterator[DemoFrame]


def simulated_plant(folder: Path, *, seed: int) -> DemoInput:
    """Two simulated cameras; writes their training frames below `folder`."""
    plant = Plant(seed)
    for camera in CAMERAS:
        (folder / camera).mkdir(parents=True)
        for number, counts in enumerate(plant.training_frames(camera, TRAINING_FRAMES)):
            (folder / camera / f"{number:04d}.png").write_bytes(encode_png(counts))
    return DemoInput(
        training=tuple(list_images(folder)),
        cameras=tuple(CAMERAS),
        camera_settings="\n".join(
            f"[cameras.{camera}]\nscale = {{ gain = {SCALE.gain}, offset = {SCALE.offset} }}"
            for camera in CAMERAS
        ),
        size=(64, 80),
        total=len(CAMERAS) * STREAM_FRAMES,
        stream=_taken_in_turn(plant),
    )


def _taken_in_turn(plant: Plant) -> Iterator[DemoFrame]:
    streams = [plant.stream(camera, STREAM_FRAMES, FAULT_SHARE) for camera in CAMERAS]
    for together in zip(*streams, strict=True):
        for frame in together:
            data = encode_png(frame.counts)
            yield DemoFrame(frame.camera, frame.file_name, data, _told(frame.truth))


def _told(fault: Fault | None) -> str | None:
    return None if fault is None else f"{fault.kind}, {fault.component}, {fault.delta_k:+.0f} K"


def real_images(dataset: Path, *, seed: int) -> DemoInput:
    """One camera that uploads test/good and every test/<defect> in random order.

    Raises `DatasetError` for another layout.
    """
    rng = random.Random(seed)  # noqa: S311 - a choice of examples, no secret
    available = list_images(training_folder(dataset))
    height, width = _network_size(available[0])
    affordable = max(LEAST_TRAINING_IMAGES, MOST_TRAINING_PX // (height * width))
    training = _sample(rng, available, min(MOST_TRAINING_IMAGES, affordable))
    tests = read_test_set(dataset)
    normal: list[Labelled] = [(path, None) for path in tests.normal]
    faulty: list[Labelled] = [(p, name) for name, paths in tests.defects.items() for p in paths]
    chosen = _sample(rng, normal, MOST_NORMAL_IMAGES) + _sample(rng, faulty, MOST_FAULTY_IMAGES)
    rng.shuffle(chosen)
    return DemoInput(
        training=tuple(sorted(training)),
        cameras=(IMAGES_CAMERA,),
        camera_settings="",
        size=(height, width),
        total=len(chosen),
        stream=_read(chosen),
    )


def _sample(rng: random.Random, items: list[T], most: int) -> list[T]:
    return rng.sample(items, min(most, len(items)))


def _read(chosen: list[Labelled]) -> Iterator[DemoFrame]:
    for number, (path, truth) in enumerate(chosen):
        name = f"{number:04d}-{path.parent.name}-{path.name}"
        yield DemoFrame(IMAGES_CAMERA, name, path.read_bytes(), truth)


def _network_size(path: Path) -> tuple[int, int]:
    """(height, width) of the image shrunk to `LONGEST_SIDE_PX`, rounded to multiples of 8."""
    height, width = decode(path.read_bytes(), suffix=path.suffix).shape
    scale = min(1.0, LONGEST_SIDE_PX / max(height, width))
    return max(16, 8 * round(height * scale / 8)), max(16, 8 * round(width * scale / 8))
