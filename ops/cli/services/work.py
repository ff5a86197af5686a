"""`work`: score queued images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.options import (
    config_option,
    data_option,
    device_option,
    log_options,
    model_option,
    settings_from,
)
from ops.terminal import note

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings


@click.command(
    epilog="""\b
Examples:
  thermalwatch work --data state/ --burst
  REDIS_URL=redis://queue DATABASE_URL=postgresql://db/tw thermalwatch work --data pictures/"""
)
@data_option
@model_option
@click.option("--burst", is_flag=True, help="Stop when the queue is empty.")
@click.option(
    "--name", metavar="NAME", help="Worker name in results; default: host name and process id."
)
@click.option(
    "--registered", is_flag=True, hidden=True, help="Set by `up`, which has registered the model."
)
@device_option
@config_option
@click.pass_context
def work(
    ctx: click.Context,
    data: Path | None,
    model: Path | None,
    burst: bool,
    name: str | None,
    registered: bool,
    device: str | None,
    config: Path | None,
) -> None:
    """Score queued images, until stopped.

    Uses the active model of the database. With --model, a bundle that is new to the database is
    stored and activated first. Any number of workers may run, on all machines that have the watch
    directories at the same paths.
    """
    settings = settings_from(config, data=data, model=model, device=device)
    from ops.config.state_directory import keep_files_private
    from ops.config.wiring import make_worker, open_database, open_redis, refuse_cluster
    from ops.logs import configure_logging

    configure_logging(**log_options(ctx))
    keep_files_private()
    refuse_cluster(settings)
    with open_database(settings) as engine, open_redis(settings) as redis:
        if not registered:
            _register(settings, engine)
        totals = make_worker(settings, engine, redis, name=name).run(burst=burst)
    note(
        f"{totals.batches} batches: {totals.scored} frames scored, {totals.anomalies} anomalies, "
        f"{totals.quarantined} quarantined"
    )


def _register(settings: Settings, engine: Engine) -> None:
    if settings.model is None:
        return
    from ops.config.wiring import register_model
    from thermal.detection.bundle import load_bundle

    bundle = load_bundle(settings.model, settings.models.trusted)
    if not register_model(engine, bundle, now=time.time(), activate=False):
        note(
            f"{settings.model}: not used, because another model is active; "
            f"`thermalwatch model activate {bundle.model_id[:12]}` makes this one active"
        )
