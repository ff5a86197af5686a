"""`status`, `audit` and `requeue`: what became of every frame, and another try."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.instants import ago
from ops.options import config_option, data_option, json_option, note, print_json, settings_from
from ops.printable import printable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.books import QueueState, Status
    from storage.audit import FrameRecord
    from storage.ledger import Counts
    from storage.replay import ReplayReport

#: Quarantined frames that are read from the database at a time.
PAGE = 1000


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
    """Show what the system is doing."""
    settings = settings_from(config, data=data)
    from ops.books import read_status

    now = time.time()
    found = read_status(settings, now=now)
    if as_json:
        print_json(found)
    else:
        _print_status(found, now)


@click.command(
    epilog="""\b
Examples:
  thermalwatch audit --data state/
  thermalwatch audit --data state/ --replay
  thermalwatch audit --data state/ --json

Exit code 1 when the books do not balance, or a decision comes out differently."""
)
@click.option("--replay", is_flag=True, help="Also decide again about every scored frame.")
@data_option
@json_option
@config_option
@click.pass_context
def audit(
    ctx: click.Context, replay: bool, data: Path | None, as_json: bool, config: Path | None
) -> None:
    """Prove that every frame has exactly one outcome.

    Counts the whole ledger: seen = scored + quarantined + superseded + pending, every scored
    frame has its result, and no other frame has one. With --replay every decision is made again
    from the recorded scores, and compared with the one on record.
    """
    settings = settings_from(config, data=data)
    from ops.wiring import open_existing_database
    from storage.audit import audit as examine
    from storage.replay import replay_all

    with open_existing_database(settings) as engine:
        found = examine(engine)
        replayed = replay_all(engine) if replay else None
    passed = found.passed and (replayed is None or replayed.consistent)
    if as_json:
        books = {**asdict(found.counts), "balanced": found.passed, **asdict(found)}
        del books["counts"]
        print_json({**books, "replay": _replay_values(replayed) if replayed else None})
    else:
        click.echo(books_line(found.counts))
        click.echo(f"scored frames without a result: {found.scored_without_result}")
        click.echo(f"results of frames that are not scored: {found.results_of_unscored}")
        if found.expired:
            click.echo(f"results that retention has deleted: {found.expired}")
        click.echo("the books balance" if found.passed else "THE BOOKS DO NOT BALANCE")
        if replayed is not None:
            _print_replay(replayed)
    if not passed:
        ctx.exit(1)


def _print_replay(replayed: ReplayReport) -> None:
    click.echo(
        f"{replayed.decisions} decisions of {replayed.streams} streams made again: "
        f"{replayed.mismatches} differ, {replayed.missing} are missing"
    )
    if replayed.unchecked:
        click.echo(f"{replayed.unchecked} not checked: what came before them has been deleted")
    for line in replayed.described:
        click.echo(f"  {printable(line)}")
    if (more := replayed.mismatches - len(replayed.described)) > 0:
        click.echo(f"  … and {more} more")
    click.echo(
        "every decision follows from those before it"
        if replayed.consistent
        else "NOT EVERY DECISION FOLLOWS FROM THOSE BEFORE IT"
    )


def _replay_values(replayed: ReplayReport) -> dict[str, object]:
    return {"consistent": replayed.consistent, **asdict(replayed)}


@click.command(
    epilog="""\b
Examples:
  thermalwatch requeue --list --data state/
  thermalwatch requeue 3fe1a0 77b2c4 --data state/
  thermalwatch requeue --all --reason corrupt --camera east --data state/"""
)
@click.argument("frames", nargs=-1, metavar="[FRAME]...")
@click.option("--all", "all_", is_flag=True, help="All quarantined frames that fit the filters.")
@click.option("--list", "list_only", is_flag=True, help="Show them and why; change nothing.")
@click.option("--camera", metavar="NAME", help="Only this camera.")
@click.option("--reason", metavar="WORD", help="Only this reason: corrupt, missing, …")
@data_option
@json_option
@config_option
def requeue(
    frames: tuple[str, ...],
    all_: bool,
    list_only: bool,
    camera: str | None,
    reason: str | None,
    data: Path | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Give quarantined frames another try: FRAMEs by id (or its beginning), or --all."""
    if sum((bool(frames), all_, list_only)) != 1:
        raise click.UsageError("give frames, or --all, or --list")
    settings = settings_from(config, data=data)
    from ops.wiring import open_existing_database
    from storage.ledger import requeue as try_again

    with open_existing_database(settings) as engine:
        chosen = (
            [_find(engine, frame) for frame in frames]
            if frames
            else [r for r in _quarantined(engine, camera) if reason in (None, r.reason)]
        )
        if list_only:
            _print_quarantined(chosen, as_json=as_json)
            return
        ids = try_again(engine, [record.id for record in chosen], now=time.time())
    if as_json:
        print_json({"requeued": ids})
    note(f"{len(ids)} frames will be tried again")


def _print_quarantined(records: Sequence[FrameRecord], *, as_json: bool) -> None:
    if as_json:
        print_json([vars(record) for record in records])
        return
    for record in records:
        why = f"{record.reason}: {record.detail}"
        click.echo(printable(f"{record.id[:12]}  {record.camera}  {record.path}  {why}"))


def _find(engine: Engine, prefix: str) -> FrameRecord:
    from storage.audit import find_frame

    record = find_frame(engine, prefix)
    if record is None:
        raise click.ClickException(f"{prefix}: no frame's id is or begins with that")
    if record.state != "quarantined":
        raise click.ClickException(
            f"{prefix}: {printable(record.path)} is {record.state}, not quarantined"
        )
    return record


def _quarantined(engine: Engine, camera: str | None) -> Iterator[FrameRecord]:
    from storage.audit import list_quarantined

    before = None
    while page := list_quarantined(engine, camera=camera, before=before, limit=PAGE):
        yield from page
        before = page[-1].arrival


def books_line(counts: Counts) -> str:
    """The books of one camera, or of all, as an equation."""
    return (
        f"{counts.seen} seen = {counts.scored} scored + {counts.quarantined} quarantined "
        f"+ {counts.superseded} superseded + {counts.pending} pending"
    )


def _print_status(status: Status, now: float) -> None:
    click.echo(f"model     {status.model_id or 'none is active'}")
    click.echo(f"frames    {books_line(status.counts)}")
    for camera in status.cameras:
        click.echo(
            f"  {printable(camera.name):<20} "
            f"{camera.counts.seen} seen, {camera.counts.pending} pending, "
            f"{camera.counts.quarantined} quarantined, {camera.anomalies_24h} anomalies in 24 h, "
            f"last frame {ago(camera.last_frame_at, now=now)}"
        )
    if status.queue is None:
        click.echo(f"redis     cannot be reached: {status.queue_error}")
        click.echo("          nothing is lost: frames wait in the ledger until it is back")
    else:
        _print_queue(status.queue, now)


def _print_queue(queue: QueueState, now: float) -> None:
    click.echo(f"queue     {queue.waiting_jobs} jobs waiting")
    for worker in queue.workers:
        seen = ago(worker.last_sign_at, now=now) if worker.last_sign_at else "never"
        click.echo(f"worker    {worker.name}: {worker.state}, last sign of life {seen}")
    for producer in queue.producers:
        for root in producer.roots:
            scanned = ago(root.scanned_at, now=now) if root.scanned_at else "not yet"
            click.echo(
                f"producer  {producer.name}: {root.root} ({root.mode}), {root.frames} files at the "
                f"last scan ({scanned}), {root.settling} settling, {root.refused} unreadable"
            )
    if not queue.workers:
        click.echo("worker    none is running")
    if not queue.producers:
        click.echo("producer  none is running")
