"""Images per second that are scored while a crowd besets the dashboard, and without it.

``python -m tests.studies.crowd --images 6000`` scores images with one worker beside the server: for
some seconds alone, then with 200 half-open connections, 20 exports that nobody reads, and 200
logins and 50 walls at once, again and again, then alone. It prints the three rates and their ratio.
The crowd runs on the same machine, in a process of its own of the lowest priority.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.synchronize import Event

import click

from tests.faults.crowd import Address, crowding, fill, half_open, serve
from tests.faults.site import START_S, Site
from tests.studies.backlog import PATIENCE_S, move_archive_in, new_site
from tests.waiting import wait_until

OBSERVED_S = 10.0


def beset(address: Address, began: Event, end: Event) -> None:
    """Be the crowd until `end` is set."""
    os.nice(19)  # otherwise it would take from the worker what only its own machine would give
    with half_open(address), crowding(address):
        began.set()
        end.wait()


def rate(site: Site) -> float:
    """Images scored per second."""
    scored, began = site.ledger_counts().scored, time.monotonic()
    time.sleep(OBSERVED_S)
    return (site.ledger_counts().scored - scored) / (time.monotonic() - began)


@click.command(help=__doc__)
@click.option("--images", default=40_000, help="Images that are waiting at the start.")
def main(images: int) -> None:
    """Measure."""
    with new_site() as site:
        fill(site)
        address = serve(site)
        site.start_producer()
        move_archive_in(site, images)
        site.start_worker()
        scored = site.ledger_counts().scored
        wait_until(lambda: site.ledger_counts().scored > scored + 500, PATIENCE_S, "a start")
        before = rate(site)
        context = multiprocessing.get_context("spawn")
        began, end = context.Event(), context.Event()
        crowd = context.Process(target=beset, args=(address, began, end))
        crowd.start()
        wait_until(began.is_set, START_S, "the crowd")
        beside = rate(site)
        end.set()
        crowd.join()
        after = rate(site)
        if site.ledger_counts().pending == 0:
            raise click.ClickException("too few images: all were scored before the end")
        click.echo(f"alone {before:.0f}, beside the crowd {beside:.0f}, alone {after:.0f} /s")
        click.echo(f"ratio {2 * beside / (before + after):.2f}")


if __name__ == "__main__":
    main()
