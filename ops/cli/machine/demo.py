"""`demo`: the whole system on a simulated plant, without further installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.options import DIRECTORY
from ops.program import command_line
from ops.terminal import note

if TYPE_CHECKING:
    from ops.config.settings import Settings
    from ops.demo.input import DemoInput
    from ops.demo.run import DemoOutcome
    from storage.frames.counts import LedgerCounts

#: Faults that are listed; further ones are only counted.
LISTED = 15


@click.command(
    epilog="""\b
Examples:
  thermalwatch demo
  thermalwatch demo --output /tmp/demo --seed 7
  thermalwatch demo --images dataset/     # train/good, test/good and test/<defect>

Exit code 1 if an image was lost, that is, if the ledger counts do not balance."""
)
@click.option(
    "--images",
    type=DIRECTORY,
    metavar="DIR",
    help="Real images in MVTec AD layout instead of the simulated plant.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="Folder for everything it makes. An earlier demo there is replaced.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N")
@click.pass_context
def demo(ctx: click.Context, images: Path | None, output: Path, seed: int) -> None:
    """Train a model, start the system, upload images and show what it found.

    Simulates a plant with two thermal cameras and known faults. Takes one to two minutes and
    leaves the results in ./demo.
    """
    from ops.config.wiring import available_cores
    from ops.demo import run as steps
    from ops.demo.input import real_images, simulated_plant

    folder = output.absolute()
    steps.prepare_folder(folder)
    if images is None:
        note("1/4  simulating a substation and a conveyor under two thermal cameras")
        source = simulated_plant(folder / "training", seed=seed)
    else:
        source = real_images(images, seed=seed)
        note(f"1/4  taking images from {images}")
    note(f"2/4  training on {len(source.training)} images of normal operation")
    settings = steps.train_model(folder, source, workers=min(2, available_cores()))
    note("3/4  starting Redis, a producer and the workers")
    with steps.running_system(folder, settings):
        note(f"4/4  uploading {source.total} images and one broken file")
        outcome = _upload(folder, settings, source, seed)
    _summarise(outcome, output, settings)
    _tell_what_to_try(output, settings)
    if not outcome.audit.passed or outcome.audit.counts.seen != outcome.uploaded:
        ctx.exit(1)


def _upload(folder: Path, settings: Settings, source: DemoInput, seed: int) -> DemoOutcome:
    from ops.demo.run import upload_and_wait
    from ops.model.training import progress_bar

    with progress_bar() as bar:
        uploads = bar.add_task("uploaded", total=source.total + 1, detail="")
        outcomes = bar.add_task("decided ", total=source.total + 1, detail="")

        def show(uploaded: int, counts: LedgerCounts) -> None:
            bar.update(uploads, completed=uploaded)
            bar.update(
                outcomes,
                completed=counts.seen - counts.pending,
                detail=f"{counts.pending} waiting, {counts.quarantined} quarantined",
            )

        return upload_and_wait(folder, settings, source, seed=seed, progress=show)


def _summarise(outcome: DemoOutcome, folder: Path, settings: Settings) -> None:
    from ops.config.wiring import open_existing_database
    from storage.results.export import export_csv
    from storage.results.queries import ResultQuery

    faults = [f for f in outcome.found if f.frame.truth is not None]
    found = [f for f in faults if f.row is not None and f.row.anomaly]
    alarms = [f for f in outcome.found if f.frame.truth is None and f.row and f.row.anomaly]
    normal = len(outcome.found) - len(faults)
    click.echo()
    for one in faults[:LISTED]:
        verdict = "found " if one in found else "MISSED"
        score = f"score {one.row.score:5.1f} against {one.row.threshold:.1f}" if one.row else ""
        click.echo(f"  {verdict}  {one.frame.camera:<16} {one.frame.truth}  {score}")
    if len(faults) > LISTED:
        click.echo(f"  … and {len(faults) - LISTED} more")
    click.echo()
    click.echo(f"faults found        {len(found)} of {len(faults)}")
    click.echo(f"false alarms        {len(alarms)} of {normal} normal images")
    click.echo(
        f"broken uploads      {outcome.audit.counts.quarantined} quarantined, "
        f"{outcome.broken} uploaded"
    )
    click.echo(f"books               {outcome.audit.counts}")
    rate = outcome.uploaded / outcome.seconds
    click.echo(
        f"time                {outcome.seconds:.0f} s for {outcome.uploaded} files, "
        f"{rate:.0f} per second including the uploads"
    )
    with open_existing_database(settings) as engine:
        number = export_csv(engine, ResultQuery(), folder / "results.csv")
    click.echo(f"results             {folder / 'results.csv'} ({number} rows)")
    for one in found[:1]:
        if one.row is not None and one.row.sheet_picture is not None:
            click.echo(f"pictures            {folder / 'state' / 'pictures'}, for example")
            click.echo(
                f"                    {folder / 'state' / 'pictures' / one.row.sheet_picture}"
            )
    click.echo()
    click.echo("no image was lost" if outcome.audit.passed else "THE LEDGER COUNTS DO NOT BALANCE")


def _tell_what_to_try(folder: Path, settings: Settings) -> None:
    """Print commands that explore the results; paths are relative to the current directory."""
    state = folder / "state"
    click.echo()
    click.echo(
        f"look around         {command_line('results', 'list', '--anomalies', '--data', state)}"
    )
    click.echo(f"check the counts    {command_line('audit', '--data', state)}")
    config = folder / "thermalwatch.toml"  # it says which temperatures the counts mean
    click.echo(f"open the dashboard  {command_line('serve', '--config', config)}")
    click.echo(f"                    then http://{settings.server.host}:{settings.server.port}")
