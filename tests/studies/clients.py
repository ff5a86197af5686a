"""What open walls cost a worker: ``python -m tests.studies.clients --clients 50 --seconds 120``.

One worker with one thread scores an endless backlog, beside a server as `up` runs it, on a SQLite
database with ``--rows`` older results of 50 cameras. Runs without and with clients
(`tests.studies.wall_clients`) alternate.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from ops.bench.input import KINDS, calibrated_bundle, write_images
from ops.bench.site import Site, running_site
from storage.db.database import connect, migrate
from storage.frames.counts import ledger_counts
from tests.studies.history_rows import fill
from tests.studies.server import plant, served

#: Runs without and with clients, each.
TURNS: Final = 4
#: Upper bound of the images per second of a worker with one thread; sets the size of the backlog.
MOST_PER_S: Final = 600
#: Seconds to wait after a change before measuring.
SETTLE_S: Final = 5.0
CAMERAS: Final = 50


@contextmanager
def clients(url: str, count: int, out: IO[str]) -> Iterator[None]:
    """Run `count` open walls during the block."""
    argv = [sys.executable, "-P", "-m", "tests.studies.wall_clients", url, str(count)]
    process = subprocess.Popen(argv, stdout=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def images_per_s(site: Site, seconds: float) -> float:
    """New rows per second, measured over `seconds`."""
    time.sleep(SETTLE_S)
    first, begun = site.last_id(), time.monotonic()
    time.sleep(seconds)
    return (site.last_id() - first) / (time.monotonic() - begun)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0, help="With clients, in all.")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--size", choices=sorted(KINDS), default="160x120")
    chosen = parser.parse_args(argv)
    kind, turn_s = KINDS[chosen.size], chosen.seconds / TURNS
    with tempfile.TemporaryDirectory(prefix="thermalwatch-study-") as name:
        folder = Path(name)
        state = folder / "state"
        state.mkdir()
        url = f"sqlite:///{state / 'thermalwatch.db'}"
        engine = connect(url)
        migrate(engine)
        fill(engine, plant(chosen.rows, CAMERAS, time.time()))
        engine.dispose()
        images = write_images(kind, folder / "images")
        with (
            (folder / "fetches").open("w+") as fetches,
            running_site(
                folder,
                calibrated_bundle(kind),
                images,
                database_url=url,
                workers=1,
                threads=1,
                device="cpu",
            ) as site,
            served(state, None) as address,
        ):
            backlog = round(MOST_PER_S * 2 * TURNS * (turn_s + SETTLE_S))
            site.upload(backlog)
            while ledger_counts(site.engine).pending < backlog / 2:
                time.sleep(1)
            rates: dict[bool, list[float]] = {False: [], True: []}
            for turn in range(2 * TURNS):
                if turn % 2:
                    with clients(address, chosen.clients, fetches):
                        rates[True].append(images_per_s(site, turn_s))
                else:
                    rates[False].append(images_per_s(site, turn_s))
                print(
                    f"{'with' if turn % 2 else 'without'} clients: "
                    f"{rates[bool(turn % 2)][-1]:.1f} images/s",
                    flush=True,
                )
            if ledger_counts(site.engine).pending == 0:
                sys.exit("the worker ran out of images, so the result is invalid")
            fetches.seek(0)
            took = [float(line) for line in fetches if line.strip()]
        without, with_them = (statistics.fmean(rates[key]) for key in (False, True))
        print(f"{kind.described}, {chosen.rows} older rows, {chosen.clients} clients")
        print(f"without {without:.1f} images/s, with {with_them:.1f}: {with_them / without:.3f}")
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"{len(took)} refreshes, median {statistics.median(took):.0f} ms, p95 {p95:.0f} ms")


if __name__ == "__main__":
    main()
