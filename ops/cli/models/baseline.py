"""`baseline`: what counts as a camera's normal level."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.options import config_option, data_option, settings_from
from ops.terminal import note


@click.group(
    epilog="""\b
Examples:
  thermalwatch baseline accept east --data state/"""
)
def baseline() -> None:
    """Say what counts as a camera's normal level."""


@baseline.command(
    epilog="""\b
Examples:
  thermalwatch baseline accept east --data state/"""
)
@click.argument("camera")
@data_option
@config_option
def accept(camera: str, data: Path | None, config: Path | None) -> None:
    """Accept the present level of CAMERA as normal.

    After a legitimate change (the camera was moved, the plant rebuilt) scores may lie above the
    threshold for good; nothing learns that by itself. CAMERA's next frames (learn_frames, 200 by
    default) set its level anew and are marked `learning`.
    """
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database, open_redis
    from ops.model.baseline import accept as accept_level
    from storage.frames.counts import list_cameras

    with open_existing_database(settings) as engine, open_redis(settings, answer_s=10.0) as redis:
        known = [found.name for found in list_cameras(engine)]
        if camera not in known:
            raise click.BadParameter(
                f"no camera {camera!r}; there are: {', '.join(known) or 'none yet'}"
            )
        first = accept_level(settings, engine, redis, camera)
    learn = settings.threshold.learn_frames
    note(f"{camera} learns its level from its next {learn} frames, from number {first} on")
