"""Starts the workers of `ops.bench.rq` and measures them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from redis import Redis
from rq import Queue, Worker

from ops.bench.processes import RUN_S, START_S, process, python, redis_server, until
from ops.bench.rq import make_table


@dataclass
class Jobs:
    """A queue with one job per image, and its worker."""

    kind: Literal["fork", "warm"]
    redis: Redis
    database: Path
    model: Path
    paths: Sequence[Path]
    device: str
    log: Path
    pids: Sequence[int]  #: of the worker and of Redis
    _enqueued: int = field(default=0)

    def run(self, count: int) -> float:
        """Run `count` jobs; returns images per second."""
        queue = Queue(self.kind, connection=self.redis)
        function = f"ops.bench.rq.score_{'cold' if self.kind == 'fork' else 'warm'}"
        begun = time.monotonic()
        for _ in range(count):
            path = self.paths[self._enqueued % len(self.paths)]
            arguments = (str(path), str(self.model), str(self.database), self.device)
            queue.enqueue(function, *arguments, result_ttl=0)
            self._enqueued += 1
        until(lambda: self._rows() >= self._enqueued, RUN_S, "row for each job", self.log)
        return count / (time.monotonic() - begun)

    def _rows(self) -> int:
        connection = sqlite3.connect(self.database)
        try:
            return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])
        finally:
            connection.close()


@contextmanager
def running_jobs(
    folder: Path,
    kind: Literal["fork", "warm"],
    model: Path,
    paths: Sequence[Path],
    *,
    threads: int,
    device: str,
) -> Iterator[Jobs]:
    """A queue with a waiting worker, until the end of the block."""
    (folder / "run").mkdir(parents=True)
    database, log = folder / "results.db", folder / "worker.log"
    make_table(database)
    with (
        redis_server(folder) as (url, redis_pid),
        Redis.from_url(url) as redis,
        process(python("ops.bench.rq", url, kind), log=log, threads=threads) as worker,
    ):
        until(lambda: bool(Worker.count(redis)), START_S, "worker", log)
        pids = (worker.pid, redis_pid)
        yield Jobs(kind, redis, database, model, paths, device, log, pids)
