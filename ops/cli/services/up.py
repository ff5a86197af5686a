"""`up`: run everything on this machine."""

from __future__ import annotations

import signal
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
    watch_option,
)

if TYPE_CHECKING:
    pass


@click.command(
    epilog="""\b
Examples:
  thermalwatch up --watch /srv/cameras --model bundle/ --data state/
  thermalwatch up --watch /srv/a --watch /srv/b --data state/ --workers 4
  thermalwatch up --config /etc/thermalwatch.toml
  DATABASE_URL=postgresql://… thermalwatch up --watch /srv/cameras --data state/"""
)
@watch_option
@model_option
@data_option
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Worker processes.")
@device_option
@config_option
@click.pass_context
def up(
    ctx: click.Context,
    watch: tuple[Path, ...],
    model: Path | None,
    data: Path | None,
    workers: int | None,
    device: str | None,
    config: Path | None,
) -> None:
    """Run everything on this machine: Redis, one producer, N workers, the dashboard.

    A child that dies is started again. SIGTERM or Ctrl-C lets the workers finish their batches
    and then ends; a second one ends at once. The next start goes on where this one stopped.
    With REDIS_URL or DATABASE_URL set, those are used instead of the embedded ones.
    """
    import os

    from ops.config.loading import find_config
    from ops.local.up import run_system

    settings = settings_from(
        config, watch=watch, model=model, data=data, workers=workers, device=device
    )
    file = find_config(config, os.environ, None)
    os.environ["THERMALWATCH_LOG_FORMAT"] = log_options(ctx)["log_format"]  # for the children
    ended_by = run_system(settings, config=file.absolute() if file else None)
    ctx.exit(130 if ended_by == signal.SIGINT else 0)
