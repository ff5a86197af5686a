"""Accepting a camera's present scores as its baseline, for the command and the HTTP API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from storage.audit_log import Actor


def accept(settings: Settings, engine: Engine, redis: Redis, camera: str, by: Actor) -> int:
    """Let a camera learn its baseline anew from its next frames.

    Returns the position in the stream of the first frame that it learns from.

    Raises:
        ModelNotFound: no model is active.
        DatabaseUnavailable, redis.RedisError: nothing was changed.
    """
    from storage.errors import ModelNotFound
    from storage.models import active_model_id, load_model
    from storage.stream.streams import Streams
    from storage.stream.window import RollingWindows, StreamKey

    model_id = active_model_id(engine)
    if model_id is None:
        raise ModelNotFound("no model is active, so there is no baseline to accept")
    bundle = load_model(engine, model_id)
    streams = Streams(engine, RollingWindows(redis, settings.threshold), time.time)
    return streams.accept(StreamKey(camera, model_id), bundle, by)
