"""Small thermal scenes for tests: a warm plate with a seam, with noise and a drifting level."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from thermal.decode import DecodeOptions
from thermal.detection.bundle import Bundle
from thermal.frame import Frame
from thermal.training.dataset import list_images
from thermal.training.train import TrainingConfig, train

HEIGHT, WIDTH = 24, 16


def plates(count: int, seed: int) -> NDArray[np.uint8]:
    """(count, 24, 16) images: level 120 ± 5, a seam of −30 in row 12, noise of 3 counts."""
    random = np.random.default_rng(seed)
    scene = np.full((HEIGHT, WIDTH), 120.0)
    scene[12] -= 30
    drift = random.normal(0, 5, (count, 1, 1))
    noise = random.normal(0, 3, (count, HEIGHT, WIDTH))
    return np.asarray(np.clip(scene + drift + noise, 0, 255), np.uint8)


def hot_cells(count: int, seed: int) -> NDArray[np.uint8]:
    """The same plates, each with one cell of 4×4 px that is 60 counts too hot."""
    random = np.random.default_rng(seed)
    images = plates(count, seed).astype(int)
    for image in images:
        top, left = random.integers(0, HEIGHT - 4), random.integers(0, WIDTH - 4)
        image[top : top + 4, left : left + 4] += 60
    return np.asarray(np.clip(images, 0, 255), np.uint8)


def write_images(folder: Path, images: NDArray[np.uint8]) -> list[Path]:
    """Write the images as PNG files 000.png, 001.png, …"""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index:03d}.png"), image)
    return list_images(folder)


def frames(images: NDArray[np.uint8]) -> list[Frame]:
    """The images as decoded frames."""
    return [Frame(image.astype(np.float32), "counts", 8) for image in images]


def train_on(paths: list[Path], *, epochs: int = 8, seed: int = 0) -> Bundle:
    """Train shortly, on one thread of the CPU: tests that run beside this are not slowed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        config = TrainingConfig(epochs=epochs, seed=seed, device="cpu")
        return train(paths, config, options=DecodeOptions(), progress=lambda _: None)
    finally:
        torch.set_num_threads(threads)


@cache
def trained_bundle() -> Bundle:
    """A model of 120 plates, trained once a test session."""
    with TemporaryDirectory() as folder:
        return train_on(write_images(Path(folder), plates(120, seed=1)))
