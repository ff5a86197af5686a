"""Training: normal images in, a calibrated model bundle out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from thermal.bundle import MAX_HELD_OUT_SCORES, Architecture, Bundle, Suspect, TrainingInfo
from thermal.dataset import TrainingImages, read_training_images
from thermal.decode import DecodeOptions
from thermal.detector import choose_device
from thermal.errors import TrainingError
from thermal.score import Scorer

#: Fewer images than this cannot be split into a training and a calibration part.
MIN_IMAGES = 15

#: Below this many images the calibration is rough, and the bundle says so.
FEW_IMAGES = 200

_BATCH = 64
_EPOCH_IMAGES = 512  # a small folder is passed several times an epoch: augmented, not repeated
_HELD_OUT_SHARE = 0.2
_PATIENCE = 12  # epochs without a better validation loss
_LEARNING_RATE = 2e-3
_SUSPECTS = 50


@dataclass(frozen=True)
class TrainingConfig:
    """What the person who trains decides."""

    epochs: int = 60  #: at most; training stops earlier when it no longer gains
    seed: int = 0
    size: tuple[int, int] | None = None  #: (height, width) px of the network; None: from the data
    device: str = "auto"
    cameras: tuple[str, ...] = ()  #: the cameras the images come from


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands after an epoch."""

    epoch: int  #: 1-based
    epochs: int
    loss: float  #: mean squared error on the training part, spans²
    validation_loss: float  #: the same on the held-out part
    elapsed_s: float
    remaining_s: float


def train(
    images: Sequence[Path],
    config: TrainingConfig,
    *,
    options: DecodeOptions,
    progress: Callable[[TrainingProgress], None],
) -> Bundle:
    """Train and calibrate a detector on images of normal operation.

    The same seed, files and machine (with the same number of threads) give the same bundle,
    digest and all. Raises `TrainingError` if there are fewer than `MIN_IMAGES` usable images or
    if they cannot be learned together.
    """
    if len(images) < MIN_IMAGES:
        raise TrainingError(
            f"{len(images)} images are too few: give at least {MIN_IMAGES}, better {FEW_IMAGES}"
        )
    dataset = read_training_images(images, config.size, options)
    if len(dataset.images) < MIN_IMAGES:
        raise TrainingError(
            f"only {len(dataset.images)} of {len(images)} files could be read: "
            f"give at least {MIN_IMAGES} images"
        )
    device = torch.device(choose_device(config.device))
    held_out = choose_held_out(len(dataset.images), config.seed)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        scorer = Scorer(choose_architecture(dataset)).to(device)
        values = torch.from_numpy(dataset.images)[:, None]  # (N, 1, H, W)
        losses = _fit(
            scorer,
            values[~held_out],
            values[held_out],
            config=config,
            device=device,
            progress=progress,
        )
    scorer.eval()
    _calibrate(scorer, values[held_out], device)
    scores = _scores(scorer, values, device)
    return _bundle(scorer, dataset, config, scores, held_out, losses=losses)


def choose_architecture(dataset: TrainingImages) -> Architecture:
    """Halve the image until its shorter side is a handful of cells, or cannot be halved."""
    height, width = dataset.preparation.height, dataset.preparation.width
    channels: list[int] = []
    while min(height, width) >> len(channels) >= 6 and not (
        height % 2 ** (len(channels) + 1) or width % 2 ** (len(channels) + 1)
    ):
        channels.append(min(64, 16 * 2 ** len(channels)))
    return Architecture(height, width, tuple(channels), latent=24)


def choose_held_out(count: int, seed: int) -> NDArray[np.bool_]:
    """Mark the images that are kept out of training, (count,) bool.

    Whole runs of neighbouring files are held out: a fixed camera's consecutive images are near
    copies, and a copy of a training image calibrates nothing.
    """
    blocks = np.array_split(np.arange(count), min(count, 100))
    held_out = np.zeros(count, bool)
    for block in np.random.default_rng(seed).permutation(len(blocks)):
        held_out[blocks[block]] = True
        if held_out.sum() >= _HELD_OUT_SHARE * count:
            break
    return held_out


def _fit(
    scorer: Scorer,
    train_images: Tensor,
    validation: Tensor,
    *,
    config: TrainingConfig,
    device: torch.device,
    progress: Callable[[TrainingProgress], None],
) -> dict[str, float]:
    """Train the autoencoder, leave its best weights in `scorer`, return the final losses."""
    model = scorer.autoencoder
    repeats = max(1, _EPOCH_IMAGES // len(train_images))
    steps = -(-len(train_images) * repeats // _BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=steps * config.epochs, pct_start=0.1
    )
    best = {"epoch": 0.0, "loss": float("inf"), "validation_loss": float("inf")}
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    started = time.monotonic()
    for epoch in range(1, config.epochs + 1):
        model.train()
        order = torch.cat([torch.randperm(len(train_images)) for _ in range(repeats)])
        total = 0.0
        for chosen in order.chunk(steps):
            batch = augment(train_images[chosen]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = F.mse_loss(model(batch).float(), batch)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        model.eval()
        validation_loss = _mean_squared_error(scorer, validation, device)
        if validation_loss < best["validation_loss"]:
            best = {
                "epoch": float(epoch),
                "loss": total / len(order),
                "validation_loss": validation_loss,
            }
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        elapsed_s = time.monotonic() - started
        progress(
            TrainingProgress(
                epoch=epoch,
                epochs=config.epochs,
                loss=total / len(order),
                validation_loss=validation_loss,
                elapsed_s=elapsed_s,
                remaining_s=elapsed_s / epoch * (config.epochs - epoch),
            )
        )
        if epoch - best["epoch"] >= _PATIENCE:
            break
    if not np.isfinite(best["validation_loss"]):
        raise TrainingError("the training diverged: the images hold extreme values, look at them")
    model.load_state_dict(weights)
    return best


def augment(images: Tensor) -> Tensor:
    """Vary (B, 1, H, W) images as a fixed camera does: a pixel of shake, a little drift."""
    shift = torch.randint(-1, 2, (2,))
    moved = F.pad(images, (1, 1, 1, 1), mode="replicate")
    height, width = images.shape[2:]
    top, left = int(shift[0]) + 1, int(shift[1]) + 1
    drift = 0.05 * torch.randn(len(images), 1, 1, 1)
    return moved[:, :, top : top + height, left : left + width] + drift


def _calibrate(scorer: Scorer, validation: Tensor, device: torch.device) -> None:
    with torch.inference_mode():
        residual = torch.cat(
            [(part - scorer.autoencoder(part))[:, 0] for part in _parts(validation, device)]
        )
        scorer.calibrate(residual)


def _scores(scorer: Scorer, images: Tensor, device: torch.device) -> NDArray[np.float64]:
    with torch.inference_mode():
        parts = [scorer(part).score.double().cpu() for part in _parts(images, device)]
    return torch.cat(parts).numpy()


def _parts(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Pass a set of images through memory in parts; training sets may be larger than the GPU's."""
    for first in range(0, len(images), 256):
        yield images[first : first + 256].to(device)


def _mean_squared_error(scorer: Scorer, images: Tensor, device: torch.device) -> float:
    with torch.inference_mode():
        parts = [
            (part - scorer.autoencoder(part)).square().mean((1, 2, 3)).double().sum()
            for part in _parts(images, device)
        ]
    return float(sum(float(part) for part in parts)) / len(images)


def _bundle(
    scorer: Scorer,
    dataset: TrainingImages,
    config: TrainingConfig,
    scores: NDArray[np.float64],
    held_out: NDArray[np.bool_],
    *,
    losses: dict[str, float],
) -> Bundle:
    kept = np.sort(scores[held_out])
    if len(kept) > MAX_HELD_OUT_SCORES:  # evenly spaced ranks keep every quantile
        kept = kept[np.linspace(0, len(kept) - 1, MAX_HELD_OUT_SCORES).round().astype(int)]
    worst = np.argsort(-scores)[:_SUSPECTS]
    weights = {name: t.float().cpu().numpy() for name, t in scorer.state_dict().items()}
    return Bundle(
        architecture=choose_architecture(dataset),
        preparation=dataset.preparation,
        training=TrainingInfo(
            seed=config.seed,
            images=len(scores),
            held_out=int(held_out.sum()),
            fingerprint=dataset.fingerprint,
            cameras=config.cameras,
            metrics=losses,
            versions={"python": platform.python_version()}
            | {name: version(name) for name in ("numpy", "safetensors", "torch")},
            notes=_notes(dataset, int(held_out.sum())),
            suspects=tuple(Suspect(dataset.names[i], float(scores[i])) for i in worst),
        ),
        weights=weights,
        held_out_scores=kept,
    )


def _notes(dataset: TrainingImages, held_out: int) -> tuple[str, ...]:
    notes: list[str] = []
    if len(dataset.images) < FEW_IMAGES:
        notes.append(
            f"Only {len(dataset.images)} training images: thresholds rest on {held_out} held-out "
            f"images and are rough. Train again with {FEW_IMAGES} images or more."
        )
    if dataset.unreadable:
        first = ", ".join(dataset.unreadable[:3])
        notes.append(
            f"{len(dataset.unreadable)} files could not be read and were left out: {first}"
        )
    return tuple(notes)
