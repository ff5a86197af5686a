"""The faults of a soak. Each returns when its cause has ended."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress

import psutil
from redis import Redis, RedisError

from tests.faults.postgres import PostgresProcess
from tests.faults.site import START_S
from tests.faults.soak_stream import CAMERAS, Stream
from tests.faults.soak_system import WORKERS, System
from tests.waiting import wait_until

#: Seconds for which a process is stopped.
STOPPED_S = (5.0, 15.0)
#: Seconds for which the database accepts no writes.
LOCKED_S = 5.0


class Faults:
    """The faults of one soak, by their names in the report."""

    def __init__(self, system: System, stream: Stream, chance: random.Random) -> None:
        self.system = system
        self.stream = stream
        self.chance = chance
        self.all: dict[str, Callable[[], None]] = {
            "worker killed": lambda: self._kill(chance.choice(WORKERS)),
            "both workers killed": lambda: self._kill(*WORKERS),
            "producer killed": lambda: self._kill("producer"),
            "redis killed": lambda: self._kill("redis"),
            "redis killed, its file lost": self._lose_redis,
            "redis flushed": lambda: self._redis(lambda redis: redis.flushall()),
            "redis connections cut": lambda: self._redis(_cut),
            "worker stopped": lambda: self._stop(chance.choice(WORKERS)),
            "producer stopped": lambda: self._stop("producer"),
            "redis stopped": lambda: self._stop("redis"),
            "database locked": self._lock,
            "camera directory deleted": lambda: stream.delete_camera(chance.choice(CAMERAS)),
            "all restarted": lambda: self._restart(signal.SIGTERM),
            "all killed": lambda: self._restart(signal.SIGKILL),
        }
        if system.postgres:
            server = system.postgres
            self.all |= {
                "postgres connections cut": server.terminate_clients,
                "postgres killed": lambda: _crash(server),
            }

    def _kill(self, *names: str) -> None:
        for process in [self.system.child(name) for name in names]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _lose_redis(self) -> None:
        # the running server keeps its open file; the next one starts empty
        shutil.rmtree(self.system.state / "redis" / "appendonlydir", ignore_errors=True)
        self._kill("redis")

    def _redis(self, harm: Callable[[Redis], object]) -> None:
        def done() -> bool:
            with suppress(RedisError), self.system.redis() as redis:
                harm(redis)
                return True
            return False

        wait_until(done, START_S, "an answer of Redis")

    def _stop(self, name: str) -> None:
        process = self.system.child(name)
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            time.sleep(self.chance.uniform(*STOPPED_S))
            process.resume()

    def _lock(self) -> None:
        if self.system.postgres:
            with self.system.postgres.locked("frames"):
                time.sleep(LOCKED_S)
            return
        with closing(sqlite3.connect(self.system.state / "thermalwatch.db", timeout=60)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            time.sleep(LOCKED_S)

    def _restart(self, number: signal.Signals) -> None:
        self.system.stop(number)
        self.system.start()


def _cut(redis: Redis) -> None:
    redis.client_kill_filter(_type="normal", skipme=True)
    redis.client_kill_filter(_type="pubsub", skipme=True)


def _crash(server: PostgresProcess) -> None:
    server.kill()
    server.start()
