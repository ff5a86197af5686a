"""`up`: run everything on this machine."""

from __future__ import annotations

import signal
from pathlib import Path

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

    A process that dies is restarted. SIGTERM or Ctrl-C stops after the workers have finished their
    batches; a second one stops at once. The next start continues where this one stopped. If
    REDIS_URL or DATABASE_URL is set, that service is used instead of the embedded one.
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
