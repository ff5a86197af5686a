"""`status`: the state of the running system."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.instants import ago
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import printable

if TYPE_CHECKING:
    from ops.status import QueueState, Status


@click.command(
    epilog="""\b
Examples:
  thermalwatch status --data state/
  thermalwatch status --data state/ --json"""
)
@data_option
@json_option
@config_option
def status(data: Path | None, as_json: bool, config: Path | None) -> None:
    """Show cameras, queue, workers and producers."""
    settings = settings_from(config, data=data)
    from ops.status import read_status

    now = time.time()
    found = read_status(settings, now=now)
    if as_json:
        print_json(found)
    else:
        _print_status(found, now)


def _print_status(status: Status, now: float) -> None:
    from ops.camera_clock import clock_text

    click.echo(f"model     {status.model_id or 'none is active'}")
    click.echo(f"frames    {status.counts}")
    for camera in status.cameras:
        clock = clock_text(camera.clock_offset_s)
        click.echo(
            f"  {printable(camera.name):<20} "
            f"{camera.counts.seen} seen, {camera.counts.pending} pending, "
            f"{camera.counts.quarantined} quarantined, {camera.anomalies_24h} anomalies in 24 h, "
            f"last frame {ago(camera.last_frame_at, now=now)}"
            + (f", camera clock {clock}" if clock else "")
            + (f", {camera.failing}" if camera.failing else "")
            + (f", {camera.frozen}" if camera.frozen else "")
        )
    if status.queue is None:
        click.echo(f"redis     unreachable: {status.queue_error}")
        click.echo("          no frame is lost: frames wait in the ledger until it is back")
    else:
        _print_queue(status.queue, now)


def _print_queue(queue: QueueState, now: float) -> None:
    from producer.ignored import ignored_text

    click.echo(f"queue     {queue.waiting_jobs} jobs waiting")
    for worker in queue.workers:
        seen = ago(worker.last_sign_at, now=now) if worker.last_sign_at else "never"
        click.echo(f"worker    {worker.name}: {worker.state}, last heartbeat {seen}")
    for producer in queue.producers:
        for root in producer.roots:
            scanned = ago(root.scanned_at, now=now) if root.scanned_at else "not yet"
            click.echo(
                f"producer  {producer.name}: {root.root} ({root.mode}), {root.frames} files at the "
                f"last scan ({scanned}), {root.settling} settling, {root.refused} unreadable"
                + (f", ignored: {ignored}" if (ignored := ignored_text(root.ignored)) else "")
            )
    if not queue.workers:
        click.echo("worker    none is running")
    if not queue.producers:
        click.echo("producer  none is running")
