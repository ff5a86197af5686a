"""Redis and the database stop and return."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.threads import Threads
from storage.db.database import connect, migrate
from storage.frames.counts import ledger_counts
from storage.queue import FrameQueue
from tests.conftest import RedisServer
from tests.producer.conftest import paths, producing, told
from tests.waiting import wait_until


@pytest.fixture
def config(root: Path) -> ProducerConfig:
    return ProducerConfig(roots=(root,), settle_s=0.3, lease_s=1.0, dispatch_interval_s=0.1)


def test_all_frames_are_queued_again_after_flushall(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        for number in range(10):
            (root / f"{number}.png").write_bytes(b"image")
        wait_until(lambda: len(paths(engine)) == 10)
        queue.redis.flushall()
        wait_until(lambda: len(queue.in_flight(now=time.time())) == 10)


@contextmanager
def redis_behind(link: Path, server: RedisServer) -> Iterator[None]:
    """Make Redis reachable at the path `link` during the block."""
    link.symlink_to(server.socket)
    try:
        yield
    finally:
        link.unlink()
        with Redis.from_url(server.url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)


def test_frames_are_registered_during_a_redis_outage_and_queued_after_it(
    root: Path,
    tmp_path: Path,
    engine: Engine,
    queue: FrameQueue,
    redis_server: RedisServer,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = tmp_path / "redis"
    at_once = Retry(NoBackoff(), 0)
    with (
        Redis(unix_socket_path=str(link), retry=at_once) as redis,
        producing(engine, FrameQueue(redis), config),
    ):
        (root / "before.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["before.png"])
        with redis_behind(link, redis_server):
            wait_until(lambda: queue.depth() == 1)
        (root / "between.png").write_bytes(b"image")
        wait_until(lambda: len(paths(engine)) == 2)
        with redis_behind(link, redis_server):
            wait_until(lambda: len(queue.in_flight(now=time.time())) == 2)
    assert told(caplog, f"Redis at {link} does not answer") == 2
    assert told(caplog, f"Redis at {link} is back") == 2


@dataclass(frozen=True)
class AbsentDatabase:
    """A database that cannot be reached until `come_back`."""

    engine: Engine
    directory: Path

    def come_back(self) -> None:
        self.directory.with_name("away").rename(self.directory)


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[AbsentDatabase]:
    directory = tmp_path / "database"
    directory.mkdir()
    engine = connect(f"sqlite:///{directory / 'thermalwatch.db'}")
    migrate(engine)
    engine.dispose()
    directory.rename(directory.with_name("away"))
    yield AbsentDatabase(engine, directory)
    engine.dispose()


def test_files_wait_for_the_database(
    root: Path,
    absent: AbsentDatabase,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (root / "before.png").write_bytes(b"image")
    with producing(absent.engine, queue, config):
        wait_until(lambda: told(caplog, "the database does not answer") == 1)
        (root / "during.png").write_bytes(b"image")
        absent.come_back()
        wait_until(lambda: ledger_counts(absent.engine).seen == 2)
        wait_until(lambda: len(queue.in_flight(now=time.time())) == 2)
    assert told(caplog, "the database does not answer") == 1
    assert told(caplog, "the database is back") == 1


def test_more_files_than_can_wait_for_the_database_are_found_by_a_scan(
    root: Path,
    absent: AbsentDatabase,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("producer.coalesce.MAX_WAITING", 10)
    with producing(absent.engine, queue, config):
        wait_until(lambda: told(caplog, "the database does not answer") == 1)
        for number in range(100):
            (root / f"{number}.png").write_bytes(b"image")
        absent.come_back()
        wait_until(lambda: ledger_counts(absent.engine).seen == 100)


def test_a_producer_stops_quickly_during_outages(
    root: Path, tmp_path: Path, config: ProducerConfig
) -> None:
    (root / "a.png").write_bytes(b"image")
    engine = connect(f"sqlite:///{tmp_path / 'no' / 'such' / 'directory.db'}")
    with Redis(unix_socket_path=str(tmp_path / "no.sock"), retry=Retry(NoBackoff(), 0)) as redis:
        with producing(engine, FrameQueue(redis), config):
            (root / "b.png").write_bytes(b"image")
            began = time.monotonic()
        assert time.monotonic() - began < 3.0


def test_a_loop_that_fails_ends_the_others() -> None:
    ended = threading.Event()

    def waits(stop: threading.Event) -> None:
        stop.wait()
        ended.set()

    def fails(_stop: threading.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Threads([waits, fails]) as threads:
        while True:
            threads.raise_failure()
    assert ended.is_set()
