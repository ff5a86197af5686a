"""How quickly the server answers with many rows: ``python -m tests.studies.server --rows 5000000``.

Fills a new SQLite database (or an empty one at ``--database URL``) with results of ``--cameras``
cameras, serves it, and asks what the wall and the history ask, one request at a time.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy import text as sql

from ops.local.up import command_argv
from storage.db.database import connect, migrate, writing

#: Seconds between two frames of the whole plant.
INTERVAL_S: Final = 2.0
#: One frame in this many is flagged, and one in ten of those was reviewed.
FLAGGED: Final = 200
#: Rows of one statement.
BATCH: Final = 250_000

_NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT :a UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :b) ",
    "postgresql": "WITH s(n) AS (SELECT generate_series(CAST(:a AS bigint), :b - 1)) ",
}
_FRAMES: Final = """
INSERT INTO frames (id, camera, root, path, mtime_ns, size, state, seen_at, lease_until, attempts,
  finished_at)
{numbers} SELECT {id}, {camera}, '/srv', {path}, n, 1, 'scored', {at}, 0, 0, {at} FROM s
"""
_RESULTS: Final = """
INSERT INTO results (frame_id, camera, image_path, captured_at, sha256, width, height, bit_depth,
  mse, seq, score, previous_threshold, threshold, body, window_n, exceeding, anomaly, learning,
  held, p_value, epoch, temperature_unit, radiometric, max_temperature, mean_temperature,
  min_temperature, std_temperature, hotspot_threshold, hotspot_area, hotspot_count, hotspots,
  reasons, model_id, worker, scored_at, review)
{numbers} SELECT {id}, {camera}, {path}, {at}, '', 640, 480, 16, 0.1, n,
  1 + (n * 7919 % 1000) / 1000.0 + (CASE WHEN {flagged} THEN 5 ELSE 0 END), 3, 3, 1, 2000, 1,
  {flagged}, false, false, 0.01, 'e', 'celsius', true, 60 + n % 20, 20, 10, 2, 30, 0, 0, '[]', '[]',
  'model', 'worker', {at}, CASE WHEN n % {reviewed} = 0 THEN 'confirmed' END FROM s
"""


def fill(engine: Engine, rows: int, cameras: int, now: float) -> None:
    """Make the rows of a plant whose latest frame is of `now`."""
    migrate(engine)
    dialect = engine.dialect.name
    camera = f"'cam-' || (100 + n % {cameras})"
    hexadecimal = "printf('%032x', n)" if dialect == "sqlite" else "lpad(to_hex(n), 32, '0')"
    parts = {
        "numbers": _NUMBERS[dialect],
        "id": hexadecimal,
        "camera": camera,
        "path": f"{camera} || '/' || n || '.png'",
        "at": f"({now!r} - ({rows} - n) * {INTERVAL_S})",
        "flagged": f"(n % {FLAGGED} = 0)",
        "reviewed": FLAGGED * 10,
    }
    with writing(engine) as connection:
        for number in range(cameras):
            values = {"name": f"cam-{100 + number}", "now": now}
            connection.execute(sql("INSERT INTO cameras VALUES (:name, :now, :now)"), values)
    for begin in range(0, rows, BATCH):
        with writing(engine) as connection:
            for statement in (_FRAMES, _RESULTS):
                end = min(begin + BATCH, rows)
                connection.execute(sql(statement.format(**parts)), {"a": begin, "b": end})
        print(f"\r{end} rows", end="", file=sys.stderr)
    if dialect == "postgresql":  # does so by itself after so many rows, but not at once
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sql("VACUUM ANALYZE"))
    print(file=sys.stderr)


@contextmanager
def served(data: Path, database: str | None) -> Iterator[str]:
    """Address of a server on these rows."""
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


def questions(now: float, rows: int) -> dict[str, str]:
    """What pages ask, by a name for people."""
    middle = now - rows * INTERVAL_S / 2
    return {
        "wall": "cameras",
        "history, newest": "results?limit=50",
        "history, one camera": "results?limit=50&camera=cam-103",
        "history, anomalies in the middle": f"results?limit=50&prediction=Anomaly&until={middle}",
        "review queue": "results?limit=50&review=unreviewed",
        "confirmed": "results?limit=50&review=confirmed",
        "one result": f"results/{rows // 2}",
        "status": "status",
    }


def measure(url: str, path: str, repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of the answers to one question, ms; caches run out between."""
    times_ms = []
    for _ in range(repeats):
        time.sleep(1.05 if path in ("cameras", "status") else 0.0)
        begun = time.perf_counter()
        with urllib.request.urlopen(f"{url}/api/v1/{path}") as answer:
            answer.read()
        times_ms.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times_ms), statistics.quantiles(times_ms, n=20)[-1]


def main(argv: Sequence[str] | None = None) -> None:
    """Fill, serve, ask; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--cameras", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--database", help="URL of an empty database; a new SQLite one without.")
    chosen = parser.parse_args(argv)
    now = time.time()
    with tempfile.TemporaryDirectory(prefix="thermalwatch-study-") as folder:
        data = Path(folder)
        engine = connect(chosen.database or f"sqlite:///{data / 'thermalwatch.db'}")
        fill(engine, chosen.rows, chosen.cameras, now)
        engine.dispose()
        with served(data, chosen.database) as url:
            print(f"{chosen.rows} rows, {chosen.cameras} cameras")
            for name, path in questions(now, chosen.rows).items():
                median, p95 = measure(url, path, chosen.repeats)
                print(f"{name:<34} median {median:6.1f} ms   p95 {p95:6.1f} ms")


if __name__ == "__main__":
    main()
