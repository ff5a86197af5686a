"""`evaluate`: measure a model on a dataset with known defects."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from thermal.evaluation.evaluate import Evaluation, EvaluationProgress


@click.command(
    epilog="""\b
Examples:
  thermalwatch evaluate dataset/ --model bundle/
  thermalwatch evaluate dataset/ --model bundle/ --target-far 0.01 --sheet evaluation.png
  thermalwatch evaluate dataset/ --model bundle/ --json"""
)
@click.argument("dataset", type=DIRECTORY)
@click.option("--model", type=DIRECTORY, required=True, metavar="BUNDLE", help="Model bundle.")
@click.option(
    "--camera",
    metavar="NAME",
    help="Read the images as this camera is configured in thermalwatch.toml.",
)
@target_far_option
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a PNG file with scores by class, ROC curve and worst mistakes.",
)
@json_option
@device_option
@config_option
def evaluate(
    dataset: Path,
    model: Path,
    camera: str | None,
    target_far: float | None,
    sheet: Path | None,
    as_json: bool,
    device: str | None,
    config: Path | None,
) -> None:
    """Measure a model on DATASET, a folder with test/good and test/<defect> (MVTec AD layout).

    Pixel metrics need masks in ground_truth/<defect>/<name>_mask.png. Images of another unit,
    depth or shape than the model's are left out and named.
    """
    settings = settings_from(config, device=device)
    from ops.model.training import decode_options, progress_bar
    from thermal.detection.detector import Detector
    from thermal.evaluation.evaluate import TARGET_FAR, score_test_set, summarise
    from thermal.evaluation.sheet import save_evaluation_sheet

    options = decode_options(settings, (camera,) if camera else ())
    detector = Detector.load(model, settings.device, settings.models.trusted)
    with progress_bar() as bar:
        task = bar.add_task("scoring", total=None, detail="")

        def report(progress: EvaluationProgress) -> None:
            bar.update(task, completed=progress.done, total=progress.total)

        found = score_test_set(detector, dataset, options=options, progress=report)
    far = TARGET_FAR if target_far is None else target_far
    evaluation = summarise(found, threshold=detector.bundle.threshold(far), target_far=far)
    if sheet is not None:
        save_evaluation_sheet(sheet, found, evaluation, options=options)
    if as_json:
        print_json(evaluation)
    else:
        _print_evaluation(evaluation)


def _print_evaluation(evaluation: Evaluation) -> None:
    low, high = evaluation.image_auroc_interval
    rows = {
        "image AUROC": f"{evaluation.image_auroc:.4f} (95 % interval {low:.4f} to {high:.4f})",
        "average precision": f"{evaluation.average_precision:.4f}",
        "best F1": f"{evaluation.f1_max:.4f}",
        "threshold": f"{evaluation.threshold:.3f} for {evaluation.target_far:.2%} false alarms",
        "false alarms": f"{evaluation.false_alarm_rate:.2%} of {evaluation.n_normal} normal",
        "recall": f"{evaluation.recall:.2%} of {evaluation.n_anomalous} anomalous",
        "speed": f"{evaluation.images_per_s:.0f} images/s",
    }
    if evaluation.pixel_auroc is not None:
        rows["pixel AUROC"] = f"{evaluation.pixel_auroc:.4f}"
        rows["AUPRO, FPR to 0.3"] = f"{evaluation.aupro:.4f}"
    if evaluation.mismatched:
        rows["left out"] = (
            f"{len(evaluation.mismatched)} of another unit, depth or shape than the model's: "
            f"{', '.join(evaluation.mismatched[:3])}"
        )
    for name, value in rows.items():
        click.echo(f"{name:<18} {value}")
    click.echo("image AUROC by defect")
    for defect, auroc in sorted(evaluation.per_defect.items(), key=lambda item: item[1]):
        click.echo(f"  {defect:<24} {auroc:.4f}")
