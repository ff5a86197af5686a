"""Training: normal images in, a calibrated model bundle out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thermal.decode import DecodeOptions
from thermal.detection.bundle import Architecture, Bundle, Outlier, TrainingInfo
from thermal.detection.detector import choose_device
from thermal.detection.score import Scorer
from thermal.detection.score_config import ScoreConfig
from thermal.errors import TrainingError
from thermal.training.calibrate import calibrate_map, calibrate_scores, held_out_distribution
from thermal.training.dataset import TrainingImages, read_training_images
from thermal.training.fit import EpochReport, Stage, fit_autoencoder, fit_fault_classifier

#: Fewest images that can be split into a training and a calibration part.
MIN_IMAGES = 15

#: With fewer images the calibration is rough, and the bundle notes it.
FEW_IMAGES = 200

_HELD_OUT_SHARE = 0.2
_HELD_OUT_IMAGES = 20  # at least, up to a third of the images
_RUN_IMAGES = 16  # neighbouring files held out together; fewer in a small folder
_OUTLIERS_SHARE, _OUTLIERS = 0.08, 50  # of the images, and at least


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training."""

    epochs: int = 40  #: at most, for each of the two networks: training stops early
    seed: int = 0
    size: tuple[int, int] | None = None  #: (height, width) px of the network; None: from the data
    device: str = "auto"
    cameras: tuple[str, ...] = ()  #: the cameras the images come from


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands after an epoch."""

    epoch: int  #: 1-based, counted through both networks
    epochs: int  #: of both networks together
    stage: Stage  #: the network that is being trained
    loss: float  #: of that network on the training part
    validation_loss: float  #: the same on the held-out part
    elapsed_s: float
    remaining_s: float  #: at most


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
    architecture = choose_architecture(dataset.normalization.height, dataset.normalization.width)
    held_out = choose_held_out(len(dataset.images), config.seed)
    values = torch.from_numpy(dataset.images)[:, None]  # (N, 1, H, W)
    with torch.random.fork_rng(), torch.backends.cudnn.flags(deterministic=True):
        torch.manual_seed(config.seed)
        scorer = Scorer(architecture, ScoreConfig()).to(choose_device(config.device))
        metrics = _fit(scorer, values, torch.from_numpy(held_out), config.epochs, progress)
    scores = calibrate_scores(scorer, values, torch.from_numpy(held_out), config.seed)
    return _bundle(
        scorer,
        architecture,
        dataset,
        config,
        scores=scores,
        held_out=held_out,
        metrics=metrics,
    )


def choose_architecture(height: int, width: int) -> Architecture:
    """Halve the image until its shorter side has fewer than 6 cells or a side is odd.

    Raises `TrainingError` for a size that is not a multiple of 8."""
    if height % 8 or width % 8:
        raise TrainingError(f"the network's size must be multiples of 8, not {height}×{width}")
    channels: list[int] = []
    while min(height, width) >> len(channels) >= 6 and not (
        height % 2 ** (len(channels) + 1) or width % 2 ** (len(channels) + 1)
    ):
        channels.append(min(64, 16 * 2 ** len(channels)))
    return Architecture(height, width, tuple(channels), latent=24)


def choose_held_out(count: int, seed: int) -> NDArray[np.bool_]:
    """Mark the images that are kept out of training, (count,) bool.

    Whole runs of neighbouring files are held out: a fixed camera's consecutive images are nearly
    the same, and calibration needs images unlike the training images.
    """
    wanted = max(_HELD_OUT_SHARE * count, min(_HELD_OUT_IMAGES, count / 3))
    blocks = np.array_split(np.arange(count), max(count // _RUN_IMAGES, min(count, 100)))
    held_out = np.zeros(count, bool)
    for block in np.random.default_rng(seed).permutation(len(blocks)):
        held_out[blocks[block]] = True
        if held_out.sum() >= wanted:
            break
    return held_out


def _fit(
    scorer: Scorer,
    values: Tensor,
    held_out: Tensor,
    epochs: int,
    progress: Callable[[TrainingProgress], None],
) -> dict[str, float]:
    """Train both networks; return the losses at their best epochs."""
    started = time.monotonic()
    run = 0  # epochs run; early stopping skips some

    def report(result: EpochReport) -> None:
        nonlocal run
        run += 1
        epoch = result.epoch + (epochs if result.stage == "fault_classifier" else 0)
        elapsed_s = time.monotonic() - started
        progress(
            TrainingProgress(
                epoch=epoch,
                epochs=2 * epochs,
                stage=result.stage,
                loss=result.loss,
                validation_loss=result.validation_loss,
                elapsed_s=elapsed_s,
                remaining_s=elapsed_s / run * (2 * epochs - epoch),
            )
        )

    training, validation = values[~held_out], values[held_out]
    autoencoder = fit_autoencoder(scorer.autoencoder, training, validation, epochs, report)
    scorer.eval()
    calibrate_map(scorer, validation)
    classifier = fit_fault_classifier(
        scorer.fault_classifier,
        scorer.autoencoder,
        training,
        validation,
        noise=float(scorer.residual_sigma.median()),
        epochs=epochs,
        report=report,
    )
    scorer.eval()
    return {
        f"{best.stage}_{name}": float(getattr(best, name))
        for best in (autoencoder, classifier)
        for name in ("epoch", "loss", "validation_loss")
    }


def _bundle(
    scorer: Scorer,
    architecture: Architecture,
    dataset: TrainingImages,
    config: TrainingConfig,
    *,
    scores: NDArray[np.float64],
    held_out: NDArray[np.bool_],
    metrics: dict[str, float],
) -> Bundle:
    worst = np.argsort(-scores)[: max(_OUTLIERS, round(_OUTLIERS_SHARE * len(scores)))]
    return Bundle(
        architecture=architecture,
        normalization=dataset.normalization,
        training=TrainingInfo(
            seed=config.seed,
            images=len(scores),
            held_out=int(held_out.sum()),
            fingerprint=dataset.fingerprint,
            cameras=config.cameras,
            metrics=metrics,
            versions={"python": platform.python_version()}
            | {name: version(name) for name in ("numpy", "safetensors", "torch")},
            notes=_notes(dataset, int(held_out.sum())),
            outliers=tuple(Outlier(dataset.names[i], float(scores[i])) for i in worst),
        ),
        weights={name: t.float().cpu().numpy() for name, t in scorer.state_dict().items()},
        held_out_scores=held_out_distribution(scores[held_out], scorer.config),
        scoring=scorer.config,
        frames=dataset.frames,
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
    if dataset.mismatched:
        kind, first = dataset.frames, ", ".join(dataset.mismatched[:3])
        notes.append(
            f"{len(dataset.mismatched)} images have another shape or depth than most "
            f"({kind.width}×{kind.height} px, {kind.bit_depth} bits) and were left out: {first}"
        )
    return tuple(notes)
