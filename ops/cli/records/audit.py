"""`audit`: prove that every frame has exactly one outcome."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import printable

if TYPE_CHECKING:
    from storage.stream.replay import ReplayReport


@click.command(
    epilog="""\b
Examples:
  thermalwatch audit --data state/
  thermalwatch audit --data state/ --replay
  thermalwatch audit --data state/ --json

Exit code 1 if the ledger counts do not balance or a decision is not reproduced."""
)
@click.option("--replay", is_flag=True, help="Also recompute every decision.")
@data_option
@json_option
@config_option
@click.pass_context
def audit(
    ctx: click.Context, replay: bool, data: Path | None, as_json: bool, config: Path | None
) -> None:
    """Prove that every frame has exactly one outcome.

    Checks the whole ledger: seen = scored + quarantined + superseded +
    duplicate + pending, every scored frame
    has a result, and no other frame has one. With --replay, every decision is recomputed from the
    recorded scores and compared with the recorded one.
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
        counts = asdict(found.counts)
        rest = asdict(found)
        del rest["counts"]
        print_json(
            {
                **counts,
                "balanced": found.passed,
                **rest,
                "replay": _replay_values(replayed) if replayed else None,
            }
        )
    else:
        click.echo(found.counts)
        click.echo(f"scored frames without a result: {found.scored_without_result}")
        click.echo(f"results of frames that are not scored: {found.results_of_unscored}")
        if found.expired:
            click.echo(f"results deleted by retention: {found.expired}")
        click.echo(
            "every frame has exactly one outcome"
            if found.passed
            else "NOT EVERY FRAME HAS EXACTLY ONE OUTCOME"
        )
        if replayed is not None:
            _print_replay(replayed)
    if not passed:
        ctx.exit(1)


def _print_replay(replayed: ReplayReport) -> None:
    click.echo(
        f"{replayed.decisions} decisions of {replayed.streams} streams recomputed: "
        f"{replayed.mismatches} differ, {replayed.missing} are missing"
    )
    if replayed.unchecked:
        click.echo(
            f"{replayed.unchecked} not checked, because the decisions before them were deleted"
        )
    for line in replayed.described:
        click.echo(f"  {printable(line)}")
    if (more := replayed.mismatches - len(replayed.described)) > 0:
        click.echo(f"  … and {more} more")
    click.echo(
        "every decision is reproduced"
        if replayed.consistent
        else "NOT EVERY DECISION IS REPRODUCED"
    )


def _replay_values(replayed: ReplayReport) -> dict[str, object]:
    return {"consistent": replayed.consistent, **asdict(replayed)}
