"""How much retention slows down other writers.

``python -m tests.studies.retention --rows 200000`` fills a database, lets retention delete the
older half, and prints how fast that is and how long concurrent transactions take before and
meanwhile. docs/scale.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from storage.db.database import connect, migrate
from storage.db.probes import check_writes
from storage.files.artifacts import ArtifactStore
from storage.retention.policy import RetentionPolicy
from storage.retention.run import Retention
from tests.studies.history_rows import History, fill

#: Seconds between two transactions of the writer, about as many as of a worker under load.
EVERY_S = 0.05
#: Seconds measured before retention starts.
BEFORE_S = 10.0


@contextmanager
def writer(url: str, took_ms: list[float]) -> Iterator[None]:
    """Write all the time during the block, as a worker does, and record durations in `took_ms`."""
    stop = threading.Event()

    def write() -> None:
        engine = connect(url)
        while not stop.wait(EVERY_S):
            began = time.perf_counter()
            check_writes(engine)
            took_ms.append((time.perf_counter() - began) * 1e3)
        engine.dispose()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def study(engine: Engine, history: History, pictures: Path) -> None:
    """Print the table."""
    url = engine.url.render_as_string(hide_password=False)
    before: list[float] = []
    meanwhile: list[float] = []
    with writer(url, before):
        time.sleep(BEFORE_S)
    policy = RetentionPolicy(normal_days=history.days / 2)
    run = Retention(engine, ArtifactStore(pictures), policy, now=history.end)
    with writer(url, meanwhile):
        began = time.perf_counter()
        report = run.run()
        seconds = time.perf_counter() - began
    print(f"{engine.dialect.name}, {os.cpu_count()} cores\n")
    print(
        f"{report.normal} of {history.rows} results deleted, {report.normal / seconds:.0f} a second"
    )
    print("\n| another's transaction | p50 ms | p95 ms | longest ms |\n|---|---|---|---|")
    for name, took in (("before", before), ("meanwhile", meanwhile)):
        p50, p95, longest = np.percentile(np.array(took), [50, 95, 100])
        print(f"| {name} | {p50:.1f} | {p95:.1f} | {longest:.1f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--database", metavar="URL", help="an empty one; without it SQLite")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        engine = connect(chosen.database or f"sqlite:///{directory}/history.db")
        migrate(engine)
        history = History(rows=chosen.rows, cameras=chosen.cameras)
        fill(engine, history)
        study(engine, history, Path(directory))
        engine.dispose()


if __name__ == "__main__":
    main()
