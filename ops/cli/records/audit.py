"""`audit`: prove that every frame has exactly one outcome."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.ledger_counts import books_line
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.printable import printable

if TYPE_CHECKING:
    from storage.stream.replay import ReplayReport


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
    from ops.config.wiring import open_existing_database
    from storage.frames.audit import audit as examine
    from storage.stream.replay import replay_all

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
