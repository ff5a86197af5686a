"""`baseline`: what counts as a camera's normal level."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ops.options import config_option, data_option, note, settings_from


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
    from ops.wiring import open_existing_database, open_redis, window_config
    from storage.errors import ModelNotFound
    from storage.models import active_model_id, load_model
    from storage.queries import list_cameras
    from storage.streams import Streams
    from storage.window import RollingWindows, StreamKey

    with open_existing_database(settings) as engine, open_redis(settings, answer_s=10.0) as redis:
        known = [found.name for found in list_cameras(engine)]
        if camera not in known:
            raise click.BadParameter(
                f"no camera {camera!r}; there are: {', '.join(known) or 'none yet'}"
            )
        model_id = active_model_id(engine)
        if model_id is None:
            raise ModelNotFound("no model is active, so there is no level to accept")
        bundle = load_model(engine, model_id)
        streams = Streams(engine, RollingWindows(redis, window_config(settings)), time.time)
        first = streams.accept(StreamKey(camera, model_id), bundle)
    learn = settings.threshold.learn_frames
    note(f"{camera} learns its level from its next {learn} frames, from number {first} on")
