"""Training for the command line: cameras of the images, decode options, progress."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.config.wiring import camera_config
from ops.errors import SettingsError
from ops.terminal import note

if TYPE_CHECKING:
    from rich.progress import Progress

    from ops.config.settings import Settings
    from thermal.decode import DecodeOptions
    from thermal.detection.bundle import Bundle
    from thermal.training.train import TrainingProgress


def cameras_of(folder: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """Names of the cameras in `folder`: its first-level directories, as in a watch directory.

    Empty if an image lies directly in `folder`, because its camera is then unknown.
    """
    names = {path.relative_to(folder).parts[0] for path in paths}
    if any(path.parent == folder for path in paths):
        return ()
    return tuple(sorted(names))


def decode_options(settings: Settings, cameras: Sequence[str]) -> DecodeOptions:
    """How images of `cameras` are decoded.

    Raises:
        SettingsError: the settings of these cameras differ in how images are decoded.
    """
    options = {camera: camera_config(settings, camera).decode for camera in cameras or ("*",)}
    strict = all(each.scale_must_apply for each in options.values())
    first, *_ = alike = [replace(each, scale_must_apply=strict) for each in options.values()]
    for camera, other in zip(options, alike, strict=True):
        if other != first:
            raise SettingsError(
                f"cameras {cameras[0]} and {camera} have different settings for decoding images: "
                "train a model for each, with --camera and only its images"
            )
    return first


def run_training(
    paths: Sequence[Path],
    *,
    cameras: tuple[str, ...],
    options: DecodeOptions,
    chosen: Mapping[str, Any],
) -> Bundle:
    """Train with a progress bar. `chosen` overrides fields of `TrainingConfig`.

    Raises:
        TrainingError: too few usable images, or a setting that does not fit them.
    """
    from thermal.training.train import TrainingConfig, train

    shown = 0
    with progress_bar() as bar:
        task = bar.add_task("reading the images", total=None, detail="")

        def report(progress: TrainingProgress) -> None:
            nonlocal shown
            detail = (
                f"loss {progress.loss:.4f}, held-out {progress.validation_loss:.4f}, "
                f"{progress.remaining_s:.0f} s left at most"
            )
            bar.update(
                task,
                description="training",
                completed=progress.epoch,
                total=progress.epochs,
                detail=detail,
            )
            tenths = 10 * progress.epoch // progress.epochs
            if bar.disable and tenths > shown:  # no terminal: print a few lines instead of a bar
                shown = tenths
                note(f"epoch {progress.epoch} of at most {progress.epochs}: {detail}")

        return train(
            paths, TrainingConfig(cameras=cameras, **chosen), options=options, progress=report
        )


def progress_bar() -> Progress:
    """A bar on standard error, if that is a terminal. Its tasks need a field `detail`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
