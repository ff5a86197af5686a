"""A small scene, normal or with a hot spot, and a model trained on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from thermal.decode import DecodeOptions
from thermal.detection.bundle import Bundle
from thermal.training.train import TrainingConfig, train


def picture(number: int, *, hot: bool = False) -> bytes:
    """PNG of a scene of 24×32 px: a warm body, noise seeded by `number`, optionally a hot spot."""
    noise = np.random.default_rng(number)
    scene = np.full((24, 32), 80.0)
    scene[6:18, 8:24] += 20
    scene += noise.normal(0, 2, scene.shape)
    if hot:
        scene[10:13, 12:15] += 110
    return cv2.imencode(".png", scene.clip(0, 255).astype(np.uint8))[1].tobytes()


def train_bundle(folder: Path) -> Bundle:
    """Train a model on the scene of `picture`; its training images are written to `folder`."""
    paths = [folder / f"{number:03}.png" for number in range(60)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(number))
    torch.set_num_threads(1)  # on busy cores, threads would wait for each other at every layer
    config = TrainingConfig(epochs=3, device="cpu")
    trained = train(paths, config, options=DecodeOptions(), progress=lambda _: None)
    # a dozen held-out scores say little about the tail; twice their values certainly exceeds it
    return replace(trained, held_out_scores=trained.held_out_scores * 2)
