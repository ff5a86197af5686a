"""What a large watch directory costs: a scan of known files, and a burst of new ones.

``python -m tests.studies.scan --files 1000000`` makes a tree of tiny files, lets `thermalwatch
produce` register them, restarts it, and prints how long its scan took and how much memory it used.
``--burst 100000`` then uploads that many files while it runs. With ``--model BUNDLE --image FILE``
these are copies of an image, and a worker scores them. docs/scale.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from sqlalchemy import Engine, func, select, update

from ops.config import addresses
from ops.config.state_directory import StateDirectory
from ops.local import embedded_redis
from ops.local.up import child_environment, command_argv
from producer.heartbeat import living_producers
from producer.observe import RootStatus
from storage.db.database import connect, migrate, reading, writing
from storage.db.schema import SUPERSEDED, frames
from storage.frames.counts import LedgerCounts, ledger_counts

#: Files per directory, as of a camera's hour or day.
PER_DIRECTORY = 1000
CAMERAS = 20
#: Seconds after which the study gives up.
PATIENCE_S = 3600.0
LOOK_S = 0.5


@dataclass
class Memory:
    """Memory of processes over time, in MiB."""

    pids: dict[str, int]
    first: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        for name, pid in self.pids.items():
            self.first.setdefault(name, status_mib(pid, "VmRSS"))
            self.peak[name] = status_mib(pid, "VmHWM")


@dataclass(frozen=True)
class Study:
    """Directories of a run."""

    tree: Path
    state: Path
    database: str
    redis: Redis

    def environment(self) -> dict[str, str]:
        names = {"DATABASE_URL": self.database, "OMP_NUM_THREADS": "1"}
        return {**os.environ, **child_environment(os.environ), **names}


def status_mib(pid: int, name: str) -> float:
    """A size in /proc/PID/status, in MiB: VmRSS is the present memory, VmHWM the peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def make_tree(tree: Path, number: int) -> None:
    """Create empty files with an mtime of an hour ago, so that they count as settled."""
    then = time.time() - 3600
    for path in _places(tree, 0, number):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        os.utime(path, (then, then))


def upload(tree: Path, number: int, *, first: int, content: bytes) -> None:
    """Move files into place by renaming, so that each is complete at once."""
    part = tree / ".uploading"
    for path in _places(tree, first, number):
        part.write_bytes(content)
        part.rename(path)


def _places(tree: Path, first: int, number: int) -> Iterator[Path]:
    for start in range(first, first + number, PER_DIRECTORY):
        directory = tree / f"camera-{start // PER_DIRECTORY % CAMERAS:02}" / f"{start:09}"
        directory.mkdir(parents=True)
        for name in range(start, min(start + PER_DIRECTORY, first + number)):
            yield directory / f"{name:09}.png"


def wait_until(condition: Callable[[], bool], memory: Memory) -> float:
    """Wait for `condition`; return the seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError("this takes too long: something is wrong")
        memory.look()
        time.sleep(LOOK_S)
    memory.look()
    return time.monotonic() - began


@contextmanager
def running(study: Study, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of this program during the block."""
    with (study.state / "logs" / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            command_argv(*words, "--data", str(study.state)),
            env=study.environment(),
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def producer(study: Study) -> tuple[str, ...]:
    return ("produce", "--watch", str(study.tree))


def scanned(study: Study, files: int) -> RootStatus | None:
    """What the producer reports after a complete scan."""
    for heartbeat in living_producers(study.redis):
        for root in heartbeat.roots:
            if root.scanned_at is not None and root.frames >= files:
                return root
    return None


def scan(study: Study, engine: Engine, files: int) -> tuple[float, Memory]:
    """Start a producer and wait for its first scan; return its length and the memory.

    The latest files may need two more seconds to settle before they are registered.
    """
    study.redis.flushall()
    with running(study, *producer(study)) as process:
        memory = Memory({"producer": process.pid})
        wait_until(lambda: scanned(study, files) is not None and _rows(engine) >= files, memory)
        root = scanned(study, files)
        return (root.scan_s if root and root.scan_s else 0.0), memory


def burst(study: Study, engine: Engine, number: int, known: int, arguments: Burst) -> list[str]:
    """Upload files while a producer, and perhaps a worker, runs; return lines of the report."""
    study.redis.flushall()
    study.redis.config_resetstat()
    with running(study, *producer(study)) as process:
        pids = {"producer": process.pid}
        wait_until(lambda: scanned(study, known) is not None, Memory(pids))
        if arguments.model is None:
            return _burst(study, engine, number, known, arguments.content, pids)
        with running(study, "work", "--model", str(arguments.model)) as worker:
            pids["worker"] = worker.pid
            return _burst(study, engine, number, known, arguments.content, pids)


@dataclass(frozen=True)
class Burst:
    """The files to upload, and the model to score them with."""

    content: bytes = b""
    model: Path | None = None


def _burst(
    study: Study, engine: Engine, number: int, known: int, content: bytes, pids: dict[str, int]
) -> list[str]:
    memory = Memory(pids)
    memory.look()
    redis_mib: list[float] = []

    def now() -> LedgerCounts:
        redis_mib.append(int(study.redis.info("memory")["used_memory"]) / 2**20)
        return ledger_counts(engine)

    began = time.monotonic()
    upload(study.tree, number, first=known, content=content)
    uploaded_s = time.monotonic() - began
    wait_until(lambda: now().seen >= known + number, memory)
    registered_s = time.monotonic() - began
    lines = [
        f"| uploaded in | {uploaded_s:.0f} s |",
        f"| registered after | {registered_s:.0f} s |",
    ]
    if "worker" in pids:
        wait_until(lambda: now().pending == 0, memory)
        lines.append(f"| scored after | {time.monotonic() - began:.0f} s |")
    found = ledger_counts(engine)
    lines += [
        f"| ledger counts | {found.seen} seen, {found.scored} scored, {found.pending} pending, "
        f"{'balanced' if found.balanced else 'NOT BALANCED'} |",
        f"| Redis at most | {max(redis_mib):.1f} MiB |",
    ]
    for name in pids:
        before, peak = memory.first[name], memory.peak[name]
        lines.append(f"| {name}: at the start, at most | {before:.0f} MiB, {peak:.0f} MiB |")
    return lines


def study_scan(study: Study, engine: Engine, files: int) -> list[str]:
    """Register a tree, then scan it again; return lines of the report."""
    began = time.monotonic()
    make_tree(study.tree, files)
    made_s = time.monotonic() - began
    first_s, first = scan(study, engine, files)
    registered = _rows(engine)
    with writing(engine) as connection:  # no worker runs: give them another outcome
        connection.execute(update(frames).values(state=SUPERSEDED, finished_at=0.0))
    again_s, again = scan(study, engine, files)
    return [
        f"| files made in | {made_s:.0f} s |",
        f"| first scan: all are new | {first_s:.1f} s, {first.peak['producer']:.0f} MiB |",
        f"| scan of known files | {again_s:.1f} s, {again.peak['producer']:.0f} MiB |",
        f"| registered by the first scan | {registered} |",
        f"| registered again by the second | {_rows(engine) - registered} |",
    ]


def _rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(frames)) or 0


@contextmanager
def prepared(directory: Path, database: str | None) -> Iterator[tuple[Study, Engine]]:
    """A state directory with Redis running in it, and the tables."""
    state = StateDirectory(directory / "state")
    state.create()
    embedded_redis.prepare(state.root)
    server = subprocess.Popen(embedded_redis.redis_command(state.root), stdout=subprocess.DEVNULL)
    urls = addresses.urls_for(state.root)
    engine = connect(database or urls.database_url)
    try:
        embedded_redis.wait_until(
            lambda: embedded_redis.answers(state.root), timeout_s=60, what="an answer of Redis"
        )
        migrate(engine)
        with Redis.from_url(urls.redis_url) as redis:
            url = database or urls.database_url
            yield Study(directory / "watched", state.root, url, redis), engine
    finally:
        engine.dispose()
        server.terminate()
        server.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--burst", type=int, default=0, metavar="FILES")
    parser.add_argument("--database", metavar="URL", help="an empty one; without it SQLite")
    parser.add_argument("--model", type=Path, help="a worker scores the burst")
    parser.add_argument("--image", type=Path, help="what the files of the burst hold")
    parser.add_argument("--work", type=Path, help="where the tree is made")
    chosen = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(dir=chosen.work, prefix="tw-scan-") as directory,
        prepared(Path(directory), chosen.database) as (study, engine),
    ):
        print(f"{engine.dialect.name}, {os.cpu_count()} cores\n\n| | |\n|---|---|")
        study.tree.mkdir(parents=True, exist_ok=True)
        for line in study_scan(study, engine, chosen.files) if chosen.files else ():
            print(line, flush=True)
        if chosen.burst:
            content = chosen.image.read_bytes() if chosen.image else b""
            what = Burst(content, chosen.model)
            for line in burst(study, engine, chosen.burst, chosen.files, what):
                print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
