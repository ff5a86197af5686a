"""`requeue`: try quarantined frames again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.acting import operator
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import note, printable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from storage.frames.audit import FrameRecord


#: Quarantined frames read from the database at a time.
PAGE = 1000


@click.command(
    epilog="""\b
Examples:
  thermalwatch requeue --list --data state/
  thermalwatch requeue 3fe1a0 77b2c4 --data state/
  thermalwatch requeue --all --reason corrupt --camera east --data state/"""
)
@click.argument("frames", nargs=-1, metavar="[FRAME]...")
@click.option("--all", "all_", is_flag=True, help="All quarantined frames that match the filters.")
@click.option(
    "--list", "list_only", is_flag=True, help="List them with their reasons; change nothing."
)
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
    """Score quarantined frames again: FRAMEs by id (or the beginning of it), or --all."""
    if sum((bool(frames), all_, list_only)) != 1:
        raise click.UsageError("give frame ids, --all or --list")
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.frames.ledger import requeue as try_again

    with open_existing_database(settings) as engine:
        chosen = (
            [_find(engine, frame) for frame in frames]
            if frames
            else [r for r in _quarantined(engine, camera) if reason in (None, r.reason)]
        )
        if list_only:
            _print_quarantined(chosen, as_json=as_json)
            return
        found = [record.id for record in chosen]
        ids = try_again(engine, found, now=time.time(), by=operator())
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
    from storage.frames.audit import find_frame

    record = find_frame(engine, prefix)
    if record is None:
        raise click.ClickException(f"{prefix}: no frame has an id that begins so")
    if record.state != "quarantined":
        raise click.ClickException(
            f"{prefix}: {printable(record.path)} is {record.state}, not quarantined"
        )
    return record


def _quarantined(engine: Engine, camera: str | None) -> Iterator[FrameRecord]:
    from storage.frames.audit import list_quarantined

    before = None
    while page := list_quarantined(engine, camera=camera, before=before, limit=PAGE):
        yield from page
        before = page[-1].arrival
