"""`baseline`: the scores that a camera's threshold starts from."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.acting import operator
from ops.cli.options import config_option, data_option, settings_from
from ops.terminal import note


@click.group(
    epilog="""\b
Examples:
  thermalwatch baseline accept east --data state/"""
)
def baseline() -> None:
    """Manage the baselines that the cameras' thresholds start from."""


@baseline.command(
    epilog="""\b
Examples:
  thermalwatch baseline accept east --data state/"""
)
@click.argument("camera")
@data_option
@config_option
def accept(camera: str, data: Path | None, config: Path | None) -> None:
    """Let CAMERA learn a new baseline from its next frames.

    After a legitimate change (the camera was moved, the plant rebuilt), scores may stay above the
    threshold; the system never adapts to that by itself. The next frames of CAMERA (learn_frames,
    200 by default) become its baseline and are marked `learning`.
    """
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database, open_redis
    from ops.model.baseline import accept as accept_level
    from storage.frames.counts import list_cameras

    with open_existing_database(settings) as engine, open_redis(settings, answer_s=10.0) as redis:
        known = [found.name for found in list_cameras(engine)]
        if camera not in known:
            raise click.BadParameter(
                f"no camera {camera!r}; known cameras: {', '.join(known) or 'none yet'}"
            )
        first = accept_level(settings, engine, redis, camera, operator())
    learn = settings.threshold.learn_frames
    note(f"{camera} learns its baseline from its next {learn} frames, starting at number {first}")
