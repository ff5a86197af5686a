"""How long a frame that has just arrived waits while an archive of another camera is scored.

``python -m tests.studies.backlog --archive 6000`` uploads an image every half second: first without
a backlog, then while that many images moved into another camera's folder are pending. It prints the
median and the longest time from upload to score of both, and their ratio.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import results
from tests.faults.conftest import making_sites
from tests.faults.site import START_S, Site
from tests.scene import picture, train_bundle
from tests.waiting import wait_until

LIVE = 20
EVERY_S = 0.5
PATIENCE_S = 600.0


@contextmanager
def new_site() -> Iterator[Site]:
    """A site with a model and without processes."""
    with tempfile.TemporaryDirectory() as folder:
        training, place = Path(folder) / "training", Path(folder) / "site"
        training.mkdir()
        place.mkdir()
        with making_sites(place, train_bundle(training)) as make:
            yield make()


def live_latencies_s(site: Site, camera: str) -> list[float]:
    """Upload images one by one; seconds from each upload to its score."""
    sent: dict[str, float] = {}
    for number in range(LIVE):
        name = f"{camera}/{number:03}.png"
        sent[name] = time.time()
        site.put(name, picture(number))
        time.sleep(EVERY_S)
    query = select(results.c.image_path, results.c.scored_at).where(results.c.camera == camera)

    def scored() -> dict[str, float]:
        with reading(site.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    wait_until(lambda: len(scored()) == LIVE, PATIENCE_S, "a score for every live image")
    return [at - sent[name] for name, at in scored().items()]


def move_archive_in(site: Site, count: int) -> None:
    stage = site.directory / "stage"
    stage.mkdir()
    for number in range(count):
        (stage / f"{number:06}.png").write_bytes(picture(1000 + number))
    (site.watch / "archive").mkdir()
    stage.rename(site.watch / "archive" / "old")
    wait_until(lambda: site.ledger_counts().pending > count / 2, PATIENCE_S, "a backlog")


def report(name: str, latencies_s: list[float]) -> float:
    median = statistics.median(latencies_s)
    click.echo(f"{name:16} median {median:.2f} s, longest {max(latencies_s):.2f} s")
    return median


@click.command(help=__doc__)
@click.option("--archive", default=6000, help="Images of the archive.")
def main(archive: int) -> None:
    """Measure."""
    with new_site() as site:
        site.start_producer()
        site.start_worker()
        wait_until(lambda: bool(site.workers()), START_S, "the start of the worker")
        without = report("no backlog", live_latencies_s(site, "live-1"))
        move_archive_in(site, archive)
        under = report("under a backlog", live_latencies_s(site, "live-2"))
        left = site.ledger_counts().pending
        click.echo(f"{'ratio':16} {under / without:.1f}; {left} frames still pending then")


if __name__ == "__main__":
    main()
