"""The training loops of the two networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thermal.detection.network import Autoencoder, FaultClassifier
from thermal.errors import TrainingError
from thermal.training.synthetic import LOCAL_FAULTS, paint_faults

Stage = Literal["autoencoder", "fault_classifier"]

_BATCH = 64
_EPOCH_IMAGES = 512  # small folders are repeated within an epoch, augmented each time
_PATIENCE = 12  # epochs without a better validation loss
_LEARNING_RATE = 2e-3
_FAULTY_SHARE = 0.35  # of the autoencoder's images; with more it reconstructs normal ones worse
_TRIMMED_SHARE = 0.03  # of the images without synthetic fault in a batch
_FIRST_NOISE = 0.3  # spans; from the second epoch on, the RMS residual of held-out images


@dataclass(frozen=True)
class EpochReport:
    """Losses of one epoch of one network."""

    stage: Stage
    epoch: int  #: 1-based
    loss: float  #: on the training part
    validation_loss: float  #: on the held-out part


def fit_autoencoder(
    model: Autoencoder,
    images: Tensor,
    held_out: Tensor,
    epochs: int,
    report: Callable[[EpochReport], None],
) -> EpochReport:
    """Train on (N, 1, H, W) images, leave the best weights in `model`, return their epoch.

    Some images get a synthetic fault and must be reconstructed without it: a denoising autoencoder
    (Vincent et al., ICML 2008) with faults for noise, as in DRAEM. It learns not to reconstruct
    faults, so that they stay in the residual.

    Raises `TrainingError` if the training diverges.
    """

    noise = _FIRST_NOISE

    def loss(batch: Tensor) -> Tensor:
        painted, labels = paint_faults(batch, noise, share=_FAULTY_SHARE, kinds=LOCAL_FAULTS)
        return _trimmed((model(painted).float() - batch).square().mean((1, 2, 3)), labels == 0)

    def validate() -> float:
        nonlocal noise
        total = sum(
            float((part - model(part)).square().mean((1, 2, 3)).sum())
            for part in in_parts(held_out, device_of(model))
        )
        noise = math.sqrt(total / len(held_out))
        return total / len(held_out)

    return _fit("autoencoder", model, images, epochs, loss, validate, report)


def fit_fault_classifier(
    model: FaultClassifier,
    autoencoder: Autoencoder,
    images: Tensor,
    held_out: Tensor,
    *,
    noise: float,
    epochs: int,
    report: Callable[[EpochReport], None],
) -> EpochReport:
    """Train on (N, 1, H, W) normal images with synthetic faults; otherwise as `fit_autoencoder`.

    `noise` is the standard deviation of the residual on normal images, spans.
    """
    faulty, labels = paint_faults(held_out, noise)  # the same in every epoch

    def logits(batch: Tensor) -> Tensor:
        with torch.no_grad():
            reconstruction = autoencoder(batch)
        answer: Tensor = model(batch, reconstruction)
        return answer.float()

    def loss(batch: Tensor) -> Tensor:
        painted, kinds = paint_faults(batch, noise)
        return _trimmed(F.cross_entropy(logits(painted), kinds, reduction="none"), kinds == 0)

    def validate() -> float:
        answers = torch.cat([logits(part).cpu() for part in in_parts(faulty, device_of(model))])
        return float(F.cross_entropy(answers, labels))

    return _fit("fault_classifier", model, images, epochs, loss, validate, report)


def in_parts(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Move images to the device in parts: a training set may exceed its memory."""
    for first in range(0, len(images), 256):
        yield images[first : first + 256].to(device)


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model."""
    return next(model.parameters()).device


def _trimmed(losses: Tensor, unpainted: Tensor) -> Tensor:
    """Mean of (B,) losses without the highest among images that have no synthetic fault.

    Some images of a folder may show real faults, which must not be learned.
    """
    limit = losses[unpainted].detach().quantile(1 - _TRIMMED_SHARE) if unpainted.any() else 0
    return losses[~unpainted | (losses <= limit)].mean()


def _fit(
    stage: Stage,
    model: nn.Module,
    images: Tensor,
    epochs: int,
    loss_of: Callable[[Tensor], Tensor],
    validate: Callable[[], float],
    report: Callable[[EpochReport], None],
) -> EpochReport:
    device = device_of(model)
    repeats = max(1, _EPOCH_IMAGES // len(images))
    steps = -(-len(images) * repeats // _BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=steps * epochs, pct_start=0.1
    )
    best = EpochReport(stage, 0, float("inf"), float("inf"))
    weights: dict[str, Tensor] = {}
    for epoch in range(1, epochs + 1):
        model.train()
        order = torch.cat([torch.randperm(len(images)) for _ in range(repeats)])
        total = 0.0
        for chosen in order.chunk(steps):
            batch = augment(images[chosen].to(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = loss_of(batch)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        model.eval()
        with torch.inference_mode():
            result = EpochReport(stage, epoch, total / len(order), validate())
        if result.validation_loss < best.validation_loss:
            best = result
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        report(result)
        if epoch - best.epoch >= _PATIENCE:
            break
    if not weights:
        raise TrainingError("the training diverged: check the images for extreme values")
    model.load_state_dict(weights)
    return best


def augment(images: Tensor) -> Tensor:
    """Augment (B, 1, H, W) images as a fixed camera does: a pixel of shake, some drift."""
    moved = F.pad(images, (1, 1, 1, 1), mode="replicate")
    height, width = images.shape[2:]
    top, left = (int(shift) for shift in torch.randint(0, 3, (2,)))
    drift = 0.05 * torch.randn(len(images), 1, 1, 1, device=images.device)
    return moved[:, :, top : top + height, left : left + width] + drift
