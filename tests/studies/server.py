"""How quickly the server answers with many rows: ``python -m tests.studies.server --rows 5000000``.

Fills a new SQLite database (or an empty one at ``--database URL``) with results of ``--cameras``
cameras, serves it, and sends the requests of the wall and the history page, one at a time.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ops.local.up import command_argv
from storage.db.database import connect, migrate
from tests.studies.history_rows import DAY_S, History, fill

#: Seconds between two frames of the whole plant.
INTERVAL_S: Final = 2.0
#: Share of frames that are anomalies, and share of these that were reviewed.
ANOMALY_SHARE: Final = 0.005
REVIEWED_SHARE: Final = 0.1


def plant(rows: int, cameras: int, now: float) -> History:
    """The history of a plant whose latest frame was captured at `now` (Unix s)."""
    days = rows * INTERVAL_S / DAY_S
    return History(
        rows, cameras, days, ANOMALY_SHARE, REVIEWED_SHARE, start=now - rows * INTERVAL_S
    )


@contextmanager
def served(data: Path, database: str | None) -> Iterator[str]:
    """Run a server on a state directory or `database`; yield its URL."""
    environ = {"DATABASE_URL": database} if database else {}
    process = subprocess.Popen(
        command_argv("serve", "--port", "0", "--data", str(data)),
        stderr=subprocess.PIPE,
        text=True,
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"},
    )
    if process.stderr is None:
        raise RuntimeError("the server has no standard error")
    try:
        for line in process.stderr:
            if found := re.search(r"dashboard at (\S+)", line):
                yield found[1]
                break
    finally:
        process.terminate()
        process.wait()


def questions(history: History) -> dict[str, str]:
    """Requests of the pages, by a name for the table."""
    middle = (history.start + history.end) / 2
    return {
        "wall": "cameras",
        "history, newest": "results?limit=50",
        "history, one camera": f"results?limit=50&camera={history.camera(3)}",
        "history, anomalies in the middle": f"results?limit=50&prediction=Anomaly&until={middle}",
        "review queue": "results?limit=50&review=unreviewed",
        "confirmed": "results?limit=50&review=confirmed",
        "one result": f"results/{history.rows // 2}",
        "status": "status",
    }


def measure(url: str, path: str, repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of the response time in ms. Caches expire between requests."""
    times_ms = []
    for _ in range(repeats):
        time.sleep(1.05 if path in ("cameras", "status") else 0.0)
        begun = time.perf_counter()
        with urllib.request.urlopen(f"{url}/api/v1/{path}") as answer:
            answer.read()
        times_ms.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times_ms), statistics.quantiles(times_ms, n=20)[-1]


def main(argv: Sequence[str] | None = None) -> None:
    """Fill the database, serve it, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--cameras", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--database", help="URL of an empty database; a new SQLite one without.")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="thermalwatch-study-") as folder:
        data = Path(folder)
        engine = connect(chosen.database or f"sqlite:///{data / 'thermalwatch.db'}")
        history = plant(chosen.rows, chosen.cameras, time.time())
        migrate(engine)
        fill(engine, history)
        engine.dispose()
        with served(data, chosen.database) as url:
            print(f"{chosen.rows} rows, {chosen.cameras} cameras")
            for name, path in questions(history).items():
                median, p95 = measure(url, path, chosen.repeats)
                print(f"{name:<34} median {median:6.1f} ms   p95 {p95:6.1f} ms")


if __name__ == "__main__":
    main()
