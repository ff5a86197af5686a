"""`results list`, `show`, `summary` and `export`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.instants import InstantType
from ops.cli.options import config_option, data_option, json_option, print_json, settings_from
from ops.terminal import note, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ops.config.settings import Settings
    from storage.db.result_fields import ResultRow
    from storage.results.queries import ResultQuery

#: Seconds between capture and arrival of a frame beyond which a list shows both.
TIMES_DIFFER_S = 60.0


@click.group(
    epilog="""\b
Examples:
  thermalwatch results list --data state/ --anomalies --since 24h
  thermalwatch results show east/0042.png --data state/
  thermalwatch results summary --data state/ --since 30d
  thermalwatch results export --data state/ --output results.csv"""
)
def results() -> None:
    """List, show, count and export results."""


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that filter results to a command."""
    for option in (
        click.option("--model-id", metavar="ID", help="Only results of this model."),
        click.option(
            "--min-score", type=float, metavar="σ", help="Only scores of at least this value."
        ),
        click.option("--normal", "prediction", flag_value="Normal", help="Only normal images."),
        click.option("--anomalies", "prediction", flag_value="Anomaly", help="Only anomalies."),
        click.option(
            "--captured-until",
            type=InstantType(),
            metavar="TIME",
            help="Captured before, by the camera's clock.",
        ),
        click.option(
            "--captured-since",
            type=InstantType(),
            metavar="TIME",
            help="Captured at or after, by the camera's clock. Orders by capture.",
        ),
        click.option("--until", type=InstantType(), metavar="TIME", help="Arrived before."),
        click.option(
            "--since",
            type=InstantType(),
            metavar="TIME",
            help="Arrived at or after: 2026-07-01, 2026-07-01T12:00Z, or an age such as 36h.",
        ),
        click.option("--camera", metavar="NAME", help="Only this camera."),
    ):
        function = option(function)
    return function


def _query(chosen: dict[str, Any]) -> ResultQuery:
    from storage.results.queries import ResultQuery

    return ResultQuery(**chosen)


@results.command(
    "list",
    epilog="""\b
Examples:
  thermalwatch results list --data state/
  thermalwatch results list --data state/ --anomalies --camera east --since 7d
  thermalwatch results list --data state/ --json --limit 1000""",
)
@filters
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--after", metavar="CURSOR", help="Continue after a page: its cursor.")
@data_option
@json_option
@config_option
def list_(
    limit: int,
    after: str | None,
    data: Path | None,
    as_json: bool,
    config: Path | None,
    **chosen: Any,
) -> None:
    """List results, latest arrival first."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.results.queries import list_results

    with open_existing_database(settings) as engine:
        page = list_results(engine, _query(chosen), after=after, limit=limit)
    if as_json:
        print_json({"results": [as_values(row) for row in page.rows], "next": page.next})
        return
    _print_table(page.rows)
    if page.next is not None:
        note(f"more: --after {page.next}")


@results.command(
    epilog="""\b
Examples:
  thermalwatch results show 4711 --data state/
  thermalwatch results show east/0042.png --data state/
  thermalwatch results show 3fe1a0 --data state/ --json"""
)
@click.argument("name")
@data_option
@json_option
@config_option
@click.pass_context
def show(
    ctx: click.Context, name: str, data: Path | None, as_json: bool, config: Path | None
) -> None:
    """Show everything that is recorded about one image.

    NAME is the id of a result, the path of an image, or the id of a frame or its beginning.
    """
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.frames.audit import find_frame
    from storage.results.instants import instant_to_text
    from storage.results.queries import find_results, get_result

    with open_existing_database(settings) as engine:
        by_id = get_result(engine, int(name)) if name.isdecimal() and len(name) < 19 else None
        rows = [by_id] if by_id else find_results(engine, name)
        frame = find_frame(engine, rows[0].frame_id if rows else name)
    if not rows and frame is None:
        raise click.ClickException(
            f"{name}: no result has this id or image path, and no frame has an id that begins so"
        )
    if as_json:
        print_json({"frame": vars(frame) if frame else None, "results": list(map(as_values, rows))})
        return
    if frame is not None:
        _print_pairs({"state": frame.state, "reason": frame.reason, "detail": frame.detail})
        _print_pairs({"file": f"{frame.root}/{frame.path}"})
        if frame.expired_at is not None:
            deleted_at = instant_to_text(frame.expired_at)
            _print_pairs({"result": f"deleted by retention at {deleted_at}"})
    for row in rows:
        _print_pairs(_with_picture_paths(as_values(row), settings))


@results.command(
    epilog="""\b
Examples:
  thermalwatch results export --data state/ --output results.csv
  thermalwatch results export --data state/ --output 2026.parquet --since 2026-01-01
  thermalwatch results export --data state/ --output - --anomalies | head"""
)
@filters
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "parquet"]),
    help="Default: parquet for a file named *.parquet, else csv.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE",
    help="File to write, or - for CSV on standard output.",
)
@data_option
@config_option
def export(
    file_format: str | None,
    output: Path,
    data: Path | None,
    config: Path | None,
    **chosen: Any,
) -> None:
    """Export results, earliest arrival first. The file appears when it is complete."""
    to_terminal = str(output) == "-"
    chosen_format = file_format or ("parquet" if output.suffix == ".parquet" else "csv")
    if to_terminal and chosen_format == "parquet":
        raise click.UsageError("Parquet cannot be written to standard output: give --output FILE")
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.results.export import export_csv, export_parquet

    with open_existing_database(settings) as engine:
        if chosen_format == "parquet":
            number = export_parquet(engine, _query(chosen), output)
        else:
            number = export_csv(
                engine, _query(chosen), sys.stdout.buffer if to_terminal else output
            )
    note(f"{number} results" + ("" if to_terminal else f" in {output}"))


@results.command(
    epilog="""\b
Examples:
  thermalwatch results summary --data state/ --since 30d
  thermalwatch results summary --data state/ --by camera --since 24h --json"""
)
@click.option(
    "--by",
    type=click.Choice(["day", "camera"]),
    default="day",
    show_default=True,
    help="What to count: UTC days of arrival, or cameras.",
)
@click.option("--camera", metavar="NAME", help="Only this camera.")
@click.option("--since", type=InstantType(), metavar="TIME", help="Arrived at or after.")
@click.option("--until", type=InstantType(), metavar="TIME", help="Arrived before.")
@data_option
@json_option
@config_option
def summary(
    by: str,
    camera: str | None,
    since: float | None,
    until: float | None,
    data: Path | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Count results and anomalies."""
    settings = settings_from(config, data=data)
    from ops.config.wiring import open_existing_database
    from storage.results.counts import count_cameras, count_days

    with open_existing_database(settings) as engine:
        if by == "day":
            days = count_days(engine, camera=camera, since=since, until=until)
            counts = [(day.day.isoformat(), day.frames, day.anomalies) for day in days]
        else:
            cameras = count_cameras(engine, camera=camera, since=since, until=until)
            counts = [(found.name, found.frames, found.anomalies) for found in cameras]
    if as_json:
        print_json(
            [{by: name, "frames": frames, "anomalies": found} for name, frames, found in counts]
        )
        return
    if not counts:
        click.echo("no results")
    for name, frames, found in counts:
        click.echo(f"{printable(name):<20} {frames:>9} results {found:>7} anomalies")


def as_values(row: ResultRow) -> dict[str, Any]:
    """A result with CSV column names as keys, instants as RFC 3339 text and lists as lists."""
    from storage.db.result_fields import fields_in
    from storage.results.instants import instant_to_text

    values = {}
    for field in fields_in("csv"):
        value = getattr(row, field.name)
        is_time = field.is_instant and value is not None
        values[field.csv_name] = instant_to_text(value) if is_time else value
    return values | {"reasons": list(row.reasons), "hotspots": json.loads(row.hotspots)}


def _print_table(rows: Sequence[ResultRow]) -> None:
    from storage.results.instants import instant_to_text

    if not rows:
        click.echo("no results")
        return
    both = any(abs(row.captured_at - row.arrived_at) > TIMES_DIFFER_S for row in rows)
    times = ("arrived", "captured") if both else ("arrived",)
    header = ("id", *times, "camera", "score", "threshold", "prediction", "max", "image")
    lines = [
        (
            str(row.id),
            *(instant_to_text(getattr(row, f"{name}_at"))[:19] for name in times),
            printable(row.camera),
            f"{row.score:.2f}",
            f"{row.threshold:.2f}",
            row.prediction + (" (learning)" if row.learning else ""),
            "over range"
            if row.saturated_px
            else temperature(row.max_temperature, row.temperature_unit),
            printable(row.image_path),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]
    for line in (header, *lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def temperature(value: float, unit: str) -> str:
    """A temperature with its unit. Counts get no unit, so that nobody takes them for °C."""
    return f"{value:.1f} °C" if unit == "celsius" else f"{value:.0f}"


def _with_picture_paths(values: dict[str, Any], settings: Settings) -> dict[str, Any]:
    if settings.data is None:
        return values
    return {
        name: settings.data / "pictures" / value if name.endswith("_picture") and value else value
        for name, value in values.items()
    }


def _print_pairs(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if value is not None and value != []:
            click.echo(f"{name:<22} {printable(str(value))}")
