"""`retention`: delete results and pictures by age."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import note

if TYPE_CHECKING:
    from ops.config.settings import Settings
    from storage.retention.policy import RetentionPolicy
    from storage.retention.run import RetentionReport

#: Seconds from one run of `--daily` to the next, and to the next try after a failure.
DAY_S = 86_400.0
RETRY_S = 600.0
#: Least seconds between two lines of progress.
PROGRESS_S = 5.0

#: Each option, with what it keeps.
AGES = {
    "normal_days": "Normal results, with their pictures.",
    "anomaly_days": "Anomalies, with their pictures.",
    "picture_days": "Pictures of normal results.",
    "anomaly_picture_days": "Pictures of anomalies.",
    "quarantine_days": "Quarantined, superseded and duplicate frames.",
}


def _age_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in reversed(AGES.items()):
        function = click.option(
            f"--{name.replace('_', '-')}",
            type=click.FloatRange(0, min_open=True),
            metavar="DAYS",
            help=f"{text} Kept for this long after scoring.",
        )(function)
    return function


@click.command(
    epilog="""\b
Examples:
  thermalwatch retention --data state/ --normal-days 90 --anomaly-days 730 --dry-run
  thermalwatch retention --data state/ --normal-days 90 --anomaly-days 730
  thermalwatch retention --config /etc/thermalwatch.toml --json

`up` does this once a day when [retention] is configured."""
)
@_age_options
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option("--daily", is_flag=True, help="Run once a day, until stopped.")
@data_option
@json_option
@config_option
def retention(
    dry_run: bool,
    daily: bool,
    data: Path | None,
    as_json: bool,
    config: Path | None,
    **ages: float | None,
) -> None:
    """Delete old pictures and results; anomalies can be kept longer.

    What has no age is kept forever. Deletes in small batches with pauses, so that the system keeps
    working; the next run continues an interrupted one. The results in each camera's rolling window
    are kept. A ledger row is deleted only after its file has left the watch directory.
    """
    if daily and dry_run:
        raise click.UsageError("give --daily or --dry-run, not both")
    settings = settings_from(config, data=data)
    policy = _policy(settings, ages)
    if daily:
        _go_on(settings, policy)
    report = _run(settings, policy, dry_run=dry_run, quiet=as_json)
    if as_json:
        print_json({"dry_run": dry_run, **asdict(report)})
    else:
        _print(report, dry_run=dry_run)


def _policy(settings: Settings, ages: dict[str, float | None]) -> RetentionPolicy:
    from ops.errors import SettingsError

    given: dict[str, Any] = {name: value for name, value in ages.items() if value is not None}
    try:
        policy = replace(settings.retention, **given)
    except ValueError as error:
        raise SettingsError(f"retention.{error}") from None
    if not policy.deletes:
        raise SettingsError(
            "nothing to delete, because no age is configured: give an age such as "
            "--normal-days 90, or [retention] in thermalwatch.toml"
        )
    return policy


def _run(
    settings: Settings, policy: RetentionPolicy, *, dry_run: bool, quiet: bool
) -> RetentionReport:
    from ops.config.wiring import open_existing_database, state_directory
    from storage.files.artifacts import ArtifactStore
    from storage.retention.run import Retention

    told_at = time.monotonic()

    def tell(report: RetentionReport) -> None:
        nonlocal told_at
        if not quiet and time.monotonic() - told_at >= PROGRESS_S:
            told_at = time.monotonic()
            note(_line(report))

    with open_existing_database(settings) as engine:
        store = ArtifactStore(state_directory(settings).pictures)
        run = Retention(engine, store, policy, now=time.time(), dry_run=dry_run, progress=tell)
        return run.run()


def _go_on(settings: Settings, policy: RetentionPolicy) -> None:
    from storage.errors import StorageError

    while True:
        try:
            note(f"deleted {_line(_run(settings, policy, dry_run=False, quiet=False))}")
            pause_s = DAY_S
        except (StorageError, OSError) as error:
            note(f"retention failed, and tries again in {RETRY_S:.0f} s: {error}")
            pause_s = RETRY_S
        time.sleep(pause_s)


def _line(report: RetentionReport) -> str:
    return (
        f"{report.normal} normal results, {report.anomalies} anomalies, pictures of "
        f"{report.pictured} results, {report.frames} ledger rows, {report.orphans} orphaned files"
    )


def _print(report: RetentionReport, *, dry_run: bool) -> None:
    click.echo(f"{'would delete' if dry_run else 'deleted'} {_line(report)}")
    if report.held:
        click.echo(f"kept {report.held} old results that are in the window of their camera")
