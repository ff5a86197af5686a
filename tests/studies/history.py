"""How quickly a long history is queried and exported.

``python -m tests.studies.history --rows 5000000`` fills a database (a new SQLite one, or an empty
one at ``--database URL``) and prints the tables of docs/scale.md. The export is compared with the
database's own CSV dump in the same run: the program `sqlite3`, or COPY of Postgres.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, func, select

from storage.db.database import connect, migrate, reading
from storage.db.schema import frames
from storage.results.counts import count_days
from storage.results.export import export_csv
from storage.results.queries import ResultQuery, find_results, get_result, list_results
from tests.studies.history_rows import DAY_S, History, fill

#: Queries of each kind, and pages read of each list.
QUESTIONS = 100
PAGES = 3
#: Parts in which all rows are exported and dumped. The two alternate, because other load on the
#: machine changes by the minute.
PARTS = 10
#: Shares of the rows of two exports whose memory is compared.
SHARES = (0.02, 0.2)

EXPORT = """
import resource, sys
from pathlib import Path
from storage.db.database import connect
from storage.results.export import export_csv
from storage.results.queries import ResultQuery
url, target, until = sys.argv[1:]
export_csv(connect(url), ResultQuery(until=float(until)), Path(target))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class Answer:
    """Durations of a kind of query, in ms."""

    question: str
    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Speed:
    """The export compared with the database's own; medians of the parts."""

    rows: int
    export_rows_s: float
    dump_rows_s: float
    ratio: float  #: median of the ratios of each part
    peak_mib: tuple[float, ...]  #: peak memory of exports of `SHARES` of the rows


def ask(engine: Engine, history: History, questions: int = QUESTIONS) -> list[Answer]:
    """Run each kind of query many times, with other cameras and days each time."""
    chance = random.Random(2)

    def camera() -> str:
        return history.camera(chance.randrange(history.cameras))

    def span(days: float) -> tuple[float, float]:
        since = history.start + chance.random() * max(0.0, history.days - days) * DAY_S
        return since, since + days * DAY_S

    def pages(query: ResultQuery) -> list[float]:
        took, after = [], None
        for _ in range(PAGES):
            began = time.perf_counter()
            page = list_results(engine, query, after=after)
            took.append(time.perf_counter() - began)
            if (after := page.next) is None:
                break
        return took

    def one(action: Callable[[], object]) -> list[float]:
        began = time.perf_counter()
        action()
        return [time.perf_counter() - began]

    def of_camera(days: float, **more: Any) -> ResultQuery:
        since, until = span(days)
        return ResultQuery(camera=camera(), since=since, until=until, **more)

    def of_all(days: float) -> ResultQuery:
        since, until = span(days)
        return ResultQuery(since=since, until=until)

    def number() -> int:
        return chance.randrange(history.rows)

    def count(name: str | None, days: float) -> object:
        since, until = span(days)
        return count_days(engine, camera=name, since=since, until=until)

    kinds: dict[str, Callable[[], list[float]]] = {
        "page: camera, 7 days": lambda: pages(of_camera(7)),
        "page: camera, 30 days, anomalies": lambda: pages(of_camera(30, prediction="Anomaly")),
        "page: all cameras, anomalies": lambda: pages(
            ResultQuery(prediction="Anomaly", until=span(1)[1])
        ),
        "page: all cameras, a day": lambda: pages(of_all(1)),
        "one frame by its number": lambda: one(lambda: get_result(engine, number() + 1)),
        "one frame by its id": lambda: one(
            lambda: find_results(engine, history.frame_id(number()))
        ),
        "one frame by its path": lambda: one(lambda: find_results(engine, history.path(number()))),
        "counts per day: camera, 30 days": lambda: one(lambda: count(camera(), 30)),
        "counts per day: all cameras, 30 days": lambda: one(lambda: count(None, 30)),
    }
    answers = []
    for question, asked in kinds.items():
        took = [took for _ in range(questions) for took in asked()]
        median, p95 = np.percentile(np.array(took) * 1e3, [50, 95])
        answers.append(Answer(question, float(median), float(p95)))
    return answers


def export(engine: Engine, history: History) -> Speed:
    """Export all rows and dump them with the database's own tool, part by part."""
    url = engine.url.render_as_string(hide_password=False)
    rows, export_rows_s, dump_rows_s = 0, [], []
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "results.csv"
        peaks = tuple(
            _peak_mib(url, target, history.start + s * history.days * DAY_S) for s in SHARES
        )
        ends = history.start + np.linspace(0, history.days * DAY_S, PARTS + 1)
        for number, (since, until) in enumerate(pairwise(map(float, ends))):
            began = time.perf_counter()
            found = export_csv(engine, ResultQuery(since=since, until=until), target)
            export_rows_s.append(found / (time.perf_counter() - began))
            first, last = (history.rows * n // PARTS for n in (number, number + 1))
            began = time.perf_counter()
            part = f"id > {first} AND id <= {last}"
            _dump(engine, target, f"SELECT * FROM results WHERE {part}")
            dump_rows_s.append((last - first) / (time.perf_counter() - began))
            rows += found
    ratios = np.divide(export_rows_s, dump_rows_s)
    return Speed(
        rows,
        export_rows_s=float(np.median(export_rows_s)),
        dump_rows_s=float(np.median(dump_rows_s)),
        ratio=float(np.median(ratios)),
        peak_mib=peaks,
    )


def _peak_mib(url: str, target: Path, until: float) -> float:
    words = [sys.executable, "-c", EXPORT, url, str(target), str(until)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def _dump(engine: Engine, target: Path, query: str) -> None:
    """Dump rows with the database's own tool."""
    with target.open("wb") as file:
        if engine.dialect.name == "sqlite":
            words = ["sqlite3", "-csv", "-header", str(engine.url.database), query]
            subprocess.run(words, stdout=file, check=True)
            return
        with reading(engine) as connection:
            raw: Any = connection.connection.driver_connection
            copy = f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)"
            with raw.cursor() as cursor, cursor.copy(copy) as blocks:
                for block in blocks:
                    file.write(block)


def report(engine: Engine, answers: Sequence[Answer], speed: Speed) -> None:
    """Print the tables of docs/scale.md."""
    print(f"{speed.rows} rows in {engine.dialect.name}, {os.cpu_count()} cores\n")
    print("| question | p50 ms | p95 ms |\n|---|---|---|")
    for answer in answers:
        print(f"| {answer.question} | {answer.median_ms:.1f} | {answer.p95_ms:.1f} |")
    print("\n| | rows/s, median of parts |\n|---|---|")
    print(f"| `results export` | {speed.export_rows_s:.0f} |")
    print(f"| the database's own CSV dump | {speed.dump_rows_s:.0f} |")
    print(f"| ratio | {speed.ratio:.2f} |")
    for share, mib in zip(SHARES, speed.peak_mib, strict=True):
        print(f"| peak memory of an export of {share:.0%} | {mib:.0f} MiB |")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--cameras", type=int, default=50)
    parser.add_argument("--database", metavar="URL", help="without it a temporary SQLite file")
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="of each kind")
    chosen = parser.parse_args(arguments)
    history = History(rows=chosen.rows, cameras=chosen.cameras)
    with tempfile.TemporaryDirectory() as directory:
        engine = connect(chosen.database or f"sqlite:///{directory}/history.db")
        migrate(engine)
        with reading(engine) as connection:
            there = connection.scalar(select(func.count()).select_from(frames)) or 0
        if there not in (0, chosen.rows):
            parser.error(f"the database holds {there} frames: name an empty one")
        if there == 0:
            began = time.perf_counter()
            fill(engine, history)
            print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        answers = ask(engine, history, chosen.questions)
        report(engine, answers, export(engine, history))
        engine.dispose()


if __name__ == "__main__":
    main()
