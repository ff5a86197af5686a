"""The whole system as run by ``thermalwatch up``, with access to its processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil
import pytest
from redis import Redis, RedisError
from sqlalchemy import Engine

from ops.config.addresses import redis_socket, urls_for
from ops.local.redis_server import choose_server
from storage.db.database import connect
from tests.faults.postgres import PostgresProcess, pooled
from tests.faults.site import REPOSITORY, START_S
from tests.waiting import wait_until
from thermal.detection.bundle import Bundle, save_bundle

WORKERS = ("worker-1", "worker-2")

#: Short grace period and frequent scans, so that an hour covers more; otherwise defaults.
SETTINGS = """
workers = 2
[limits]
grace_s = 3
[watching]
scan_s = 20
[server]
port = 0
"""


@dataclass(frozen=True)
class Usage:
    """The memory of one process at one time."""

    process: str  #: ``worker-1``, ``redis used``, …
    life: int  #: distinguishes restarts
    age_s: float
    bytes: int


class System:
    """`up` in its own directory, with SQLite, or with PostgreSQL, behind PgBouncer if possible."""

    def __init__(self, directory: Path, bundle: Bundle, *, postgres: bool) -> None:
        self.directory = directory
        self.watch = directory / "watch"
        self.watch.mkdir()
        self.state = directory / "state"
        self.log = directory / "up.log"
        save_bundle(bundle, directory / "model")
        (directory / "thermalwatch.toml").write_text(SETTINGS)
        self.postgres = PostgresProcess() if postgres else None
        embedded = urls_for(self.state)
        self._pooler = ExitStack()
        self.database_url = embedded.database_url
        if self.postgres:
            self.database_url = self.postgres.url
            with suppress(pytest.skip.Exception):
                self.database_url = self._pooler.enter_context(pooled(self.postgres))
        self.redis_url = embedded.redis_url
        self.engine: Engine = connect(self.database_url)
        self._up: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until every process runs."""
        environment = {k: v for k, v in os.environ.items() if "THERMALWATCH" not in k}
        environment |= {"PYTHONPATH": str(REPOSITORY)}
        if self.postgres:
            environment["DATABASE_URL"] = self.database_url
        words = ("--config", "thermalwatch.toml", "--watch", self.watch, "--data", self.state)
        with self.log.open("ab") as log:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "ops", "up", *words, "--model", "model"],
                env=environment,
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )
        wait_until(self.runs, START_S, "the start of the system")

    def runs(self) -> bool:
        """Whether every process is running."""
        return {"redis", "producer", *WORKERS} <= set(self.children())

    def stop(self, number: signal.Signals) -> None:
        """Stop `up`, in order or by SIGKILL; its children end with it."""
        if self._up is None:
            return
        children = self.children().values()
        self._up.send_signal(number)
        status = self._up.wait(START_S * 2)
        self._up = None
        psutil.wait_procs(children, START_S)
        expected = 0 if number is signal.SIGTERM else -number
        assert status == expected, f"up ended with {status}; see {self.log}"

    def children(self) -> dict[str, psutil.Process]:
        """The processes of the system by name."""
        found: dict[str, psutil.Process] = {}
        with suppress(psutil.Error):
            if self._up is not None:
                for process in psutil.Process(self._up.pid).children():
                    with suppress(psutil.Error):
                        if name := _name(process):
                            found[name] = process
        return found

    def child(self, name: str) -> psutil.Process:
        """A process of the system; waits if it is being restarted."""
        found: dict[str, psutil.Process] = {}  # a snapshot: the process may end at any time

        def is_there() -> bool:
            found.update(self.children())
            return name in found

        wait_until(is_there, START_S, f"the start of {name}")
        return found[name]

    def redis(self) -> Redis:
        """A client of the embedded Redis; the caller closes it."""
        return Redis.from_url(self.redis_url)

    def usage(self, now: float) -> list[Usage]:
        """The resident memory of every process, and what Redis says it uses; `now` in Unix s."""
        found = []
        processes = self.children()
        if self._up is not None:
            with suppress(psutil.Error):
                processes["up"] = psutil.Process(self._up.pid)
        for name, process in processes.items():
            with suppress(psutil.Error):
                age_s = now - process.create_time()
                found.append(Usage(name, process.pid, age_s, process.memory_info().rss))
                if name == "redis" and (used := self._redis_data()):
                    found.append(Usage("redis data", process.pid, age_s, used))
        return found

    def _redis_data(self) -> int:
        """In bytes; 0 without an answer."""
        client = Redis.from_url(self.redis_url, socket_timeout=1)
        with suppress(RedisError), client:
            return int(cast("dict[str, int]", client.info("memory"))["used_memory"])
        return 0

    def close(self) -> None:
        """Stop everything."""
        for process in self.children().values():
            with suppress(psutil.Error):
                process.resume()
        with suppress(psutil.Error, subprocess.TimeoutExpired, AssertionError):
            self.stop(signal.SIGKILL)
        if not (socket := redis_socket(self.state)).is_relative_to(self.state):
            shutil.rmtree(socket.parent, ignore_errors=True)
        self.engine.dispose()
        self._pooler.close()
        if self.postgres:
            self.postgres.close()


def _name(process: psutil.Process) -> str | None:
    if process.name().startswith(choose_server().executable.name[:15]):
        return "redis"
    words: list[str] = process.cmdline()
    if "work" in words:
        return words[words.index("--name") + 1]
    return "producer" if "produce" in words else None
