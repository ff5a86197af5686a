"""A site to break: real processes, a camera that knows its uploads, and the ledger counts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from redis import Redis, RedisError
from rq.job import Job
from sqlalchemy import Engine, func, select

from ops.config.redis_client import make_client
from ops.local.redis_server import choose_server
from storage.db.database import connect, reading
from storage.db.schema import frames, results
from storage.files.paths import path_to_text
from storage.frames.counts import LedgerCounts, ledger_counts
from storage.stream.replay import replay_all
from tests.scene import picture
from tests.waiting import PATIENCE_S, wait_until
from thermal.detection.bundle import Bundle, save_bundle

#: Seconds that the tests wait for a recovery, and for the start of a process. Recoveries take
#: seconds and are reported at the end; these are for machines that are busy.
RECOVERY_S = START_S = PATIENCE_S

#: Seconds of each recovery of the running test; reported at the end of the test run.
recoveries_s: list[float] = []

REPOSITORY = Path(__file__).resolve().parents[2]


class RedisProcess:
    """A redis-server of this site."""

    def __init__(self, directory: Path, socket: Path, *options: str):
        self.directory = directory
        self.socket = socket
        self.url = f"unix://{socket}"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, append_only: bool = True) -> None:
        """Start it and wait until it answers."""
        self.directory.mkdir(exist_ok=True)
        command = [str(choose_server().executable), "--port", "0"]
        command += ["--unixsocket", str(self.socket), "--dir", str(self.directory), "--save", ""]
        command += ["--appendonly", "yes" if append_only else "no", *self.options]
        log = (self.directory / "redis.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        wait_until(self.answers, START_S, "an answer of Redis")

    def answers(self) -> bool:
        """Whether it answers."""
        with suppress(RedisError), Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False

    def client(self) -> Redis:
        """A client; the caller closes it."""
        return make_client(self.url)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; after SIGKILL, wait until it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        """Stop it, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


@dataclass
class Site:
    """One deployment with its own Redis and database, and real processes."""

    directory: Path
    database_url: str
    redis: RedisProcess
    bundle: Bundle = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = self.directory / "watch"
        self.watch.mkdir()
        self.data = self.directory / "data"
        self.model = self.directory / "model"
        save_bundle(self.bundle, self.model)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.uploaded: list[str] = []
        self.engine: Engine = connect(self.database_url)
        self._numbers = iter(range(10_000_000))

    def start(self, name: str, *words: str, fault: str = "", under: Sequence[str] = ()) -> None:
        """Start a process: ``start("worker-1", "work")``; `fault` as in `tests.faults.run`.

        `under` is a prefix such as `setpriv …` that runs the command after it.
        """
        environment = {key: value for key, value in os.environ.items() if "THERMALWATCH" not in key}
        environment |= {
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": self.database_url,
            "THERMALWATCH_DATA": str(self.data),
            "THERMALWATCH_LIMITS_GRACE_S": "2",
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            **self.settings,
        }
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*under, sys.executable, "-m", "tests.faults.run", fault, *words],
                env=environment,
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )

    def start_producer(
        self, name: str = "producer", *, fault: str = "", under: Sequence[str] = ()
    ) -> None:
        """Start a producer on the watch directory."""
        self.start(name, "produce", "--watch", str(self.watch), fault=fault, under=under)

    def start_worker(self, name: str = "worker-1", *, fault: str = "") -> None:
        """Start a worker under this name."""
        self.start(name, "work", "--model", str(self.model), "--name", name, fault=fault)

    def wait_for_death(self, name: str) -> int:
        """The exit status of a process that is expected to die by itself."""
        self.processes[name].wait(RECOVERY_S + START_S)  # a surviving one is stopped with the site
        return self.processes.pop(name).wait()

    def kill(self, name: str) -> None:
        """``kill -9``."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def upload(self, count: int, *, camera: str = "cam-a", hot_every: int = 7) -> None:
        """Upload `count` images as a camera does; some show a hotspot."""
        for _ in range(count):
            number = next(self._numbers)
            name = f"{camera}/{number:06}.png"
            path = self.watch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number, hot=number % hot_every == hot_every - 1))
            self.uploaded.append(name)

    def put(self, name: str, data: bytes) -> str:
        """Upload a file of any name (surrogateescape) below the root; return its ledger path."""
        path = self.watch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.uploaded.append(path_to_text(name))
        return self.uploaded[-1]

    def wait_for(self, expected: Mapping[str, list[str]]) -> float:
        """Wait until files, by ledger path, have the expected `outcomes`; return the seconds."""
        left = dict(expected)

        def arrived() -> bool:
            for path in list(left):
                if self.outcomes(path) != left[path]:
                    return False
                del left[path]
            return True

        try:
            return wait_until(arrived, RECOVERY_S, "the outcomes expected")
        except AssertionError as error:
            found = {path: (self.outcomes(path), wanted) for path, wanted in left.items()}
            raise AssertionError(f"{error}: {found}\n{self.logs()}") from None

    def wait_until_seen(self, path: str) -> None:
        """Wait until the ledger knows the present state of a file and no frame is pending."""
        query = select(frames.c.ctime_ns).where(frames.c.path == path)

        def is_known() -> bool:
            with reading(self.engine) as connection:
                known = connection.scalar(query.order_by(frames.c.arrival.desc()).limit(1))
            now = (self.watch / path).stat().st_ctime_ns
            return known == now and self.ledger_counts().pending == 0

        wait_until(is_known, RECOVERY_S, f"another look at {path}")

    def outcomes(self, path: str) -> list[str]:
        """The outcome of each version of a file: its state, or the reason of its quarantine."""
        query = select(frames.c.state, frames.c.reason).where(frames.c.path == path)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(frames.c.arrival)).all()
        return [row.reason or row.state for row in rows]

    def has_job(self, path: str) -> bool:
        """Whether Redis has a job for the last version of a file alone."""
        query = select(frames.c.id).where(frames.c.path == path)
        with reading(self.engine) as connection:
            frame_id = connection.scalar(query.order_by(frames.c.arrival.desc()).limit(1))
        with self.redis.client() as redis:
            jobs = redis.scan_iter(f"{Job.redis_job_namespace_prefix}*")
            about = [cast(bytes, redis.hget(job, "description") or b"") for job in jobs]
        return any(text.decode().endswith(f"1 frames from {frame_id}") for text in about)

    def workers(self) -> dict[str, str]:
        """State of every worker known to Redis, by the name it was started with."""
        with self.redis.client() as redis:
            members = cast("set[bytes]", redis.smembers("rq:workers"))
            names = [name.decode(errors="replace") for name in members]
            states = {name: redis.hget(name, "state") for name in names}
        return {
            name.removeprefix("rq:worker:").rpartition(".")[0]: cast(bytes, state or b"").decode()
            for name, state in states.items()
        }

    def busy_workers(self) -> set[str]:
        """The workers that are processing a batch."""
        return {name for name, state in self.workers().items() if state == "busy"}

    def ledger_counts(self) -> LedgerCounts:
        """How many frames were seen and how many have each outcome."""
        return ledger_counts(self.engine)

    def seen(self) -> int:
        """Number of frames in the ledger; 0 before the tables exist."""
        with suppress(Exception):
            return self.ledger_counts().seen
        return 0

    def scored(self) -> int:
        """Number of frames with a result; 0 before the tables exist."""
        with suppress(Exception):
            return self.ledger_counts().scored
        return 0

    def is_settled(self) -> bool:
        """Whether every upload has an outcome."""
        with suppress(Exception):  # the database may be what is broken
            found = self.ledger_counts()
            return found.seen >= len(self.uploaded) and found.pending == 0
        return False

    def wait_until_settled(self, timeout_s: float = RECOVERY_S) -> float:
        """Wait until every upload has an outcome; return the seconds. Call it after the fault."""
        try:
            took_s = wait_until(self.is_settled, timeout_s, "an outcome for every upload")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.ledger_counts()}\n{self.logs()}") from None
        recoveries_s.append(took_s)
        return took_s

    def check_ledger(self) -> None:
        """Check that nothing is lost or scored twice and that every decision replays."""
        found = self.ledger_counts()
        assert found.balanced, found
        with reading(self.engine) as connection:
            paths = connection.scalars(select(frames.c.path)).all()
            scored = connection.scalars(select(results.c.frame_id)).all()
            doubled = connection.execute(
                select(results.c.frame_id).group_by(results.c.frame_id).having(func.count() > 1)
            ).all()
        assert sorted(set(self.uploaded)) == sorted(set(paths)), "a frame is lost"
        assert doubled == [], "a frame has two results"
        assert len(scored) == found.scored
        self.check_replay()

    def check_replay(self) -> None:
        """Check that replaying gives the same decision for every frame."""
        report = replay_all(self.engine)
        assert report.consistent, report.described
        assert report.decisions >= self.ledger_counts().scored

    def logs(self, lines: int = 30) -> str:
        """The end of every process's log."""
        parts = []
        for log in sorted(self.directory.glob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {log.name}", *tail]))
        return "\n".join(parts)

    def log(self, name: str) -> str:
        """The log of a process."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def said_to_be(self, outcome: str, worker: str) -> int:
        """Frames with this outcome in all batches that a worker has logged as finished."""
        return sum(map(int, re.findall(rf"batch of \d+:.* (\d+) {outcome}", self.log(worker))))

    def complaints(self) -> dict[str, int]:
        """Number of warnings and errors logged by each process."""
        return {
            name: sum(line[25:32] in ("WARNING", "ERROR  ") for line in self.log(name).splitlines())
            for name in self.processes
        }

    def close(self) -> None:
        """Stop all processes."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.redis.stop()
        self.engine.dispose()
