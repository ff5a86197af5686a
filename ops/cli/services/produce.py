"""`produce`: watch directories and queue every settled image."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from ops.cli.options import (
    config_option,
    data_option,
    log_options,
    settings_from,
    watch_option,
)


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
    """Watch directories and queue every settled image, until stopped."""
    settings = settings_from(config, watch=watch, data=data)
    from ops.config.wiring import (
        make_producer,
        open_database,
        open_redis,
        refuse_cluster,
        watch_roots,
    )
    from ops.logs import configure_logging

    configure_logging(**log_options(ctx))
    refuse_cluster(settings)
    roots = watch_roots(settings)
    with open_database(settings) as engine, open_redis(settings, answer_s=5.0) as redis:
        make_producer(settings, engine, redis, roots=roots).run(_stop_event())


def _stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set.

    A thread waits for the signals. A signal handler could deadlock: `Event.set` takes a lock, which
    the interrupted main thread may hold.
    """
    stop = threading.Event()
    numbers = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def wait() -> None:
        signal.sigwait(numbers)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop
