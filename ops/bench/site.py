"""The product as a contender: a real producer, Redis, workers and database.

A run renames staged files into the watch directory all at once, and measures the rate of rows after
the first fifth of them: the steady state under backlog, with a warm model.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, func, select

from ops.bench.processes import RUN_S, START_S, process, python, redis_server, until
from ops.local import embedded_redis
from storage.db.database import connect, migrate, reading
from storage.db.schema import results
from storage.models import save_model
from thermal.detection.bundle import Bundle

#: Number of cameras that upload the images.
CAMERAS: Final = 4
#: Share of a run's rows before its steady state.
WARM_SHARE: Final = 0.2
#: Seconds between two queries for new rows: the resolution of latencies.
POLL_S: Final = 0.004


@dataclass(frozen=True)
class Latencies:
    """Time from closing a file until its row is visible in the database."""

    images_per_s: float  #: written per second
    images: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass
class Site:
    """A running system."""

    watch: Path
    engine: Engine
    stage_files: Sequence[Path]
    files: Sequence[Path]  #: images to upload, repeatedly
    pids: list[int] = field(default_factory=list)  #: of workers, producer and Redis
    _number: int = field(default=0)

    def burst(self, count: int) -> float:
        """Upload `count` images at once; returns images per second in the steady state."""
        last_id = self.last_id()
        self.upload(count)
        log = self.watch.parent / "processes.log"
        until(lambda: self.last_id() >= last_id + count, RUN_S, "row for each image", log)
        with reading(self.engine) as connection:
            times = connection.scalars(
                select(results.c.scored_at)
                .where(results.c.id > last_id)
                .order_by(results.c.scored_at)
            ).all()
        first = times[int(WARM_SHARE * len(times))]
        after = sum(at > first for at in times)
        return after / (times[-1] - first) if after else float("nan")

    def upload(self, count: int) -> None:
        """Upload `count` images at once."""
        for hidden, final in [self._stage() for _ in range(count)]:
            hidden.rename(final)

    def latency(self, images_per_s: float, seconds: float) -> Latencies:
        """Write images at a steady rate and measure when their rows appear."""
        count = max(1, round(images_per_s * seconds))
        closed: dict[str, float] = {}
        found: dict[str, float] = {}
        last_id = self.last_id()
        begun = time.monotonic()
        deadline = begun + seconds + RUN_S
        while len(found) < count and time.monotonic() < deadline:
            while len(closed) < count and time.monotonic() >= begun + len(closed) / images_per_s:
                path = self._final()
                path.write_bytes(self.files[self._number % len(self.files)].read_bytes())
                closed[str(path.relative_to(self.watch))] = time.monotonic()
            last_id = self._note_rows(last_id, found)
            next_file = begun + len(closed) / images_per_s if len(closed) < count else deadline
            time.sleep(max(0.0, min(POLL_S, next_file - time.monotonic())))
        waits = sorted(1000 * (at - closed[path]) for path, at in found.items() if path in closed)
        return Latencies(
            images_per_s=images_per_s,
            images=len(waits),
            p50_ms=_percentile(waits, 50),
            p99_ms=_percentile(waits, 99),
            max_ms=_percentile(waits, 100),
        )

    def _note_rows(self, last_id: int, found: dict[str, float]) -> int:
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(results.c.id, results.c.image_path)
                .where(results.c.id > last_id)
                .order_by(results.c.id)
            ).all()
        now = time.monotonic()
        for row in rows:
            found[row.image_path] = now
        return rows[-1].id if rows else last_id

    def last_id(self) -> int:
        """Id of the latest row."""
        with reading(self.engine) as connection:
            return int(connection.scalar(select(func.max(results.c.id))) or 0)

    def _stage(self) -> tuple[Path, Path]:
        final = self._final()
        hidden = final.with_name(f".{final.name}")
        os.link(self.files[self._number % len(self.files)], hidden)
        return hidden, final

    def _final(self) -> Path:
        self._number += 1
        suffix = self.files[0].suffix
        return self.watch / f"cam-{self._number % CAMERAS}" / f"{self._number:07}{suffix}"

    def stage_seconds(self) -> dict[str, float]:
        """Seconds by stage, summed over all workers; only once they have ended."""
        seconds: dict[str, float] = {}
        for file in self.stage_files:
            for stage, took in json.loads(file.read_text()).items():
                seconds[stage] = seconds.get(stage, 0.0) + took
        return seconds

    @property
    def uploaded(self) -> int:
        """Number of images uploaded so far."""
        return self._number


@contextmanager
def running_site(
    folder: Path,
    bundle: Bundle,
    files: Sequence[Path],
    *,
    database_url: str,
    workers: int,
    threads: int,
    device: str,
) -> Iterator[Site]:
    """A system with all its processes ready, until the end of the block."""
    watch, state = folder / "watch", folder / "state"
    for number in range(CAMERAS):
        (watch / f"cam-{number}").mkdir(parents=True)
    for sub in ("pictures", "logs", "run"):
        (state / sub).mkdir(parents=True)
    engine = connect(database_url)
    migrate(engine)
    save_model(engine, bundle, now=time.time(), activate=True)
    names = [f"worker-{number}" for number in range(1, workers + 1)]
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        redis_url, redis_pid = stack.enter_context(redis_server(state))
        environment = {
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "THERMALWATCH_DATA": str(state),
            "THERMALWATCH_PICTURES_KEEP": "none",
        }
        site = Site(watch, engine, [folder / f"{name}.json" for name in names], files, [redis_pid])
        argvs = [
            python("ops.bench.worker", file, "work", "--name", name, "--device", device)
            for name, file in zip(names, site.stage_files, strict=True)
        ]
        argvs.append(python("ops", "produce", "--watch", watch))
        log = folder / "processes.log"
        for argv in argvs:
            started = process(argv, log=log, threads=threads, environment=environment)
            site.pids.append(stack.enter_context(started).pid)
        until(lambda: _ready(redis_url, workers), START_S, "system that is ready", log)
        yield site


def _ready(redis_url: str, workers: int) -> bool:
    from redis import Redis

    from producer.heartbeat import living_producers

    with Redis.from_url(redis_url, socket_timeout=embedded_redis.ANSWER_S) as redis:
        waiting = redis.scard("rq:workers")
        watching = [r for p in living_producers(redis) for r in p.roots if r.scanned_at]
    return int(str(waiting)) >= workers and bool(watching)


def _percentile(ascending: Sequence[float], percent: float) -> float:
    if not ascending:
        return float("nan")
    return ascending[min(len(ascending) - 1, int(percent / 100 * len(ascending)))]


def per_image_ms(seconds: Mapping[str, float], images: int) -> dict[str, float]:
    """Milliseconds per image, by stage."""
    return {stage: 1000 * took / max(1, images) for stage, took in seconds.items()}
