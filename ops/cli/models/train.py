"""`train`: normal images in, a model bundle out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import DIRECTORY, config_option, device_option, settings_from
from ops.terminal import note

if TYPE_CHECKING:
    from thermal.detection.bundle import Bundle


#: Outliers that the summary lists.
SHOWN_OUTLIERS = 3


class SizeType(click.ParamType[tuple[int, int]]):
    """Height x width in pixels: `24x40` is (24, 40)."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        match = re.fullmatch(r"(\d+)x(\d+)", str(value))
        if match is None:
            self.fail(f"expected height x width in pixels, such as 96x128, given {value!r}")
        return int(match[1]), int(match[2])


@click.command(
    epilog="""\b
Examples:
  thermalwatch train normal-images/ --output bundle/
  thermalwatch train dataset/ --output bundle/ --size 96x128 --epochs 100
  thermalwatch train dataset/ --output bundle/ --camera east   # as thermalwatch.toml declares it"""
)
@click.argument("images", type=DIRECTORY)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="BUNDLE",
    help="Directory for the model bundle, created or replaced.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    metavar="N",
    help="Most passes over the images; training stops earlier if the loss no longer falls.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Seed of the random numbers; the same seed gives the same model.",
)
@click.option(
    "--size",
    type=SizeType(),
    metavar="HxW",
    help="Size of the network's input in pixels; default: chosen from the images.",
)
@click.option(
    "--camera",
    metavar="NAME",
    help="Read the images as this camera is configured in thermalwatch.toml.",
)
@device_option
@config_option
def train(
    images: Path,
    output: Path,
    epochs: int | None,
    seed: int | None,
    size: tuple[int, int] | None,
    camera: str | None,
    device: str | None,
    config: Path | None,
) -> None:
    """Train a model on IMAGES of normal operation.

    IMAGES is a folder of thermal images, or a dataset in MVTec AD layout, whose train/good is used.
    Folders directly in it are cameras, as in a watch directory.
    """
    settings = settings_from(config, device=device)
    from ops.model.training import cameras_of, decode_options, run_training
    from thermal.training.dataset import list_images, training_folder

    folder = training_folder(images)
    paths = list_images(folder)
    cameras = (camera,) if camera else cameras_of(folder, paths)
    chosen = {"epochs": epochs, "seed": seed, "size": size, "device": settings.device}
    note(
        f"{len(paths)} images in {folder}" + (f", cameras {', '.join(cameras)}" if cameras else "")
    )
    bundle = run_training(
        paths,
        cameras=cameras,
        options=decode_options(settings, cameras),
        chosen={name: value for name, value in chosen.items() if value is not None},
    )
    from thermal.detection.bundle import save_bundle
    from thermal.training.dataset import common_folder
    from thermal.training.outliers import save_outliers

    save_bundle(bundle, output)
    save_outliers(
        output,
        bundle.training.outliers,
        common_folder(paths),
        options=decode_options(settings, cameras),
    )
    _summarise(bundle, output)


def _summarise(bundle: Bundle, output: Path) -> None:
    from thermal.evaluation.evaluate import TARGET_FAR
    from thermal.training.outliers import LIST_FILE, SHEET_FILE

    training = bundle.training
    size = f"{bundle.normalization.height}×{bundle.normalization.width} px"
    click.echo(f"model {bundle.model_id[:12]} in {output}")
    click.echo(
        f"  {training.images} images, {training.held_out} of them held out, {size}, "
        f"unit {bundle.normalization.unit}"
    )
    measured = training.metrics
    click.echo(
        f"  autoencoder: loss {measured['autoencoder_loss']:.4f}, "
        f"held-out {measured['autoencoder_validation_loss']:.4f}; "
        f"fault classifier: loss {measured['fault_classifier_loss']:.4f}, "
        f"held-out {measured['fault_classifier_validation_loss']:.4f}"
    )
    click.echo(
        f"  threshold {bundle.threshold(TARGET_FAR):.2f} for {TARGET_FAR:.1%} false alarms, from "
        "held-out images"
    )
    for text in training.notes:
        click.echo(f"  note: {text}")
    if training.outliers:
        click.echo(
            f"  {len(training.outliers)} outliers; look at them before you trust the model: "
            f"{output / LIST_FILE}, {SHEET_FILE}"
        )
    for outlier in training.outliers[:SHOWN_OUTLIERS]:
        click.echo(f"    {outlier.score:6.2f}  {outlier.path}")
