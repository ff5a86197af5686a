"""`score`: scores a folder of images, without Redis, database or state directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.options import (
    DIRECTORY,
    config_option,
    device_option,
    json_option,
    print_json,
    settings_from,
    target_far_option,
)
from ops.terminal import note

if TYPE_CHECKING:
    from worker.config import PicturesKept


@click.command(
    epilog="""\b
Examples:
  thermalwatch score images/ --model bundle/ --output found/
  thermalwatch score images/ --model bundle/ --output found/ --pictures all
  thermalwatch score one.png --model bundle/ --output found/ --json"""
)
@click.argument("images", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=DIRECTORY, required=True, metavar="BUNDLE", help="Model bundle.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Directory for results.csv, quarantine.csv and pictures/.",
)
@click.option(
    "--pictures",
    type=click.Choice(["anomalies", "all", "none"]),
    help="Images for which pictures are written; default: anomalies.",
)
@click.option(
    "--camera",
    metavar="NAME",
    help="Camera of all images; its settings in thermalwatch.toml apply.",
)
@target_far_option
@json_option
@device_option
@config_option
def score(
    images: Path,
    model: Path,
    output: Path,
    pictures: PicturesKept | None,
    camera: str | None,
    target_far: float | None,
    as_json: bool,
    device: str | None,
    config: Path | None,
) -> None:
    """Score IMAGES, a folder or one file, without any service.

    Without --camera, each folder directly in IMAGES is a camera. The threshold of each camera
    follows its images in the order of their paths. Files that cannot be scored are listed in
    quarantine.csv.
    """
    settings = settings_from(config, device=device)
    from ops.config.wiring import worker_config
    from ops.model.scoring import image_root, refuse_output_among_images, score_images
    from ops.model.training import progress_bar
    from thermal.detection.detector import Detector

    refuse_output_among_images(images, output)
    worker = worker_config(settings, name="score")
    if pictures is not None:
        worker = replace(worker, pictures=replace(worker.pictures, keep=pictures))
    if target_far is not None:
        window = replace(worker.window, percentile=100 * (1 - target_far))
        worker = replace(worker, window=window)
    root, paths = image_root(images, camera=camera)
    detector = Detector.load(model, settings.device, settings.models.trusted)
    with progress_bar() as bar:
        task = bar.add_task("scoring", total=len(paths), detail="")
        report = score_images(
            root,
            paths,
            detector,
            worker,
            output,
            progress=lambda done: bar.update(task, completed=done),
        )
    if as_json:
        print_json(report)
    else:
        click.echo(f"{report.scored} images scored, {report.anomalies} anomalies: {output}")
    if report.quarantined:
        note(
            f"warning: {report.quarantined} files could not be scored; "
            f"see {output / 'quarantine.csv'}"
        )
