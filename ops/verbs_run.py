"""`up`, `produce`, `work`: the processes that run until they are stopped."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.options import (
    ANY_PATH,
    config_option,
    data_option,
    device_option,
    log_options,
    note,
    settings_from,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.settings import Settings

watch_option = click.option(
    "--watch",
    multiple=True,
    type=ANY_PATH,
    metavar="DIR",
    help="Directory that cameras upload into, one folder for each camera; may be repeated.",
)
model_option = click.option(
    "--model", type=ANY_PATH, metavar="BUNDLE", help="Model bundle to register in the database."
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

    A child that dies is started again. SIGTERM or Ctrl-C lets the workers finish their batches
    and then ends; a second one ends at once. The next start goes on where this one stopped.
    With REDIS_URL or DATABASE_URL set, those are used instead of the embedded ones.
    """
    import os

    from ops.settings_loading import find_config
    from ops.system import run_system

    settings = settings_from(
        config, watch=watch, model=model, data=data, workers=workers, device=device
    )
    file = find_config(config, os.environ, None)
    os.environ["THERMALWATCH_LOG_FORMAT"] = log_options(ctx)["log_format"]  # for the children
    ended_by = run_system(settings, config=file.absolute() if file else None)
    ctx.exit(130 if ended_by == signal.SIGINT else 0)


@click.command(
    epilog="""\b
Examples:
  thermalwatch produce --watch /srv/cameras --data state/
  REDIS_URL=redis://queue DATABASE_URL=postgresql://db/tw thermalwatch produce --watch /srv/a"""
)
@watch_option
@data_option
@config_option
@click.pass_context
def produce(
    ctx: click.Context, watch: tuple[Path, ...], data: Path | None, config: Path | None
) -> None:
    """Watch directories and announce every settled image, until stopped."""
    settings = settings_from(config, watch=watch, data=data)
    from ops.logs import configure_logging
    from ops.wiring import make_producer, open_database, open_redis, watch_roots

    configure_logging(**log_options(ctx))
    roots = watch_roots(settings)
    with open_database(settings) as engine, open_redis(settings, answer_s=5.0) as redis:
        make_producer(settings, engine, redis, roots=roots).run(_stop_event())


@click.command(
    epilog="""\b
Examples:
  thermalwatch work --data state/ --burst
  REDIS_URL=redis://queue DATABASE_URL=postgresql://db/tw thermalwatch work --data pictures/"""
)
@data_option
@model_option
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@click.option("--name", metavar="NAME", help="Name on the rows; machine and process without it.")
@click.option("--registered", is_flag=True, hidden=True, help="`up` has registered the model.")
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
    """Score announced images, until stopped.

    Uses the active model of the database. With --model a bundle that the database does not know
    is registered and made active first. Any number of workers may run, on any machines that see
    the watch directories under the same path.
    """
    settings = settings_from(config, data=data, model=model, device=device)
    from ops.logs import configure_logging
    from ops.wiring import make_worker, open_database, open_redis

    configure_logging(**log_options(ctx))
    with open_database(settings) as engine, open_redis(settings) as redis:
        if not registered:
            _register(settings, engine)
        totals = make_worker(settings, engine, redis, name=name).run(burst=burst)
    note(
        f"{totals.batches} batches: {totals.scored} frames scored, {totals.anomalies} anomalies, "
        f"{totals.quarantined} quarantined"
    )


def _stop_event() -> threading.Event:
    """Set by SIGTERM or SIGINT.

    A thread waits for the signals, and no handler runs: `Event.set` takes a lock that the
    interrupted main thread may hold.
    """
    stop = threading.Event()
    numbers = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def wait() -> None:
        signal.sigwait(numbers)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop


def _register(settings: Settings, engine: Engine) -> None:
    if settings.model is None:
        return
    from ops.wiring import register_model
    from thermal.bundle import load_bundle

    bundle = load_bundle(settings.model)
    if not register_model(engine, bundle, now=time.time(), activate=False):
        note(
            f"{settings.model}: another model is active, and is used; "
            f"`thermalwatch model activate {bundle.model_id[:12]}` makes this one active"
        )
