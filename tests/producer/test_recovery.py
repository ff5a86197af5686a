"""Directories, Redis and the database go away and come back."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.heartbeat import living_producers
from producer.threads import Threads
from storage.database import connect, migrate
from storage.ledger import counts
from storage.queue import FrameQueue
from tests.conftest import RedisServer
from tests.producer.conftest import eventually, paths, producing


@pytest.fixture
def config(root: Path) -> ProducerConfig:
    return ProducerConfig(roots=(root,), settle_s=0.3, lease_s=1.0, dispatch_interval_s=0.1)


def mode(queue: FrameQueue) -> str:
    producers = living_producers(queue.redis)
    return producers[0].roots[0].mode if producers else ""


def skip_if_nothing_is_unreadable(directory: Path) -> None:
    directory.chmod(0)
    readable = os.access(directory, os.R_OK)
    directory.chmod(0o700)
    if readable:
        pytest.skip("this user can read everything")


def told(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in message for message in caplog.messages)


def test_a_root_that_does_not_exist_yet_is_waited_for(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    root.rmdir()
    with producing(engine, queue, config):
        eventually(lambda: mode(queue) == "absent")
        (root / "cam").mkdir(parents=True)
        (root / "cam" / "a.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["cam/a.png"])
        (root / "cam" / "b.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["cam/a.png", "cam/b.png"])
    assert told(caplog, "cannot watch") == told(caplog, "can be watched again") == 1


def test_a_root_deleted_and_made_anew_is_watched_again(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        for number in range(3):
            (root / "cam").mkdir(parents=True)
            (root / "cam" / f"{number}.png").write_bytes(b"image")
            eventually(lambda number=number: len(paths(engine)) == number + 1)  # type: ignore[misc]
            shutil.rmtree(root)
        eventually(lambda: mode(queue) == "absent")


def test_a_root_replaced_between_two_looks_is_watched_again(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        eventually(lambda: mode(queue) == "inotify")
        root.rename(tmp_path / "old")
        root.mkdir()
        (root / "a.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["a.png"])
        (tmp_path / "old" / "stray.png").write_bytes(b"image")
        (root / "b.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["a.png", "b.png"])


def test_a_root_that_is_a_link_may_be_pointed_elsewhere(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    (tmp_path / "other").mkdir()
    (root / "a.png").write_bytes(b"image")
    (tmp_path / "other" / "b.png").write_bytes(b"image")
    with producing(engine, queue, replace(config, roots=(link,))):
        eventually(lambda: paths(engine) == ["a.png"])
        (tmp_path / "newer").symlink_to(tmp_path / "other")
        (tmp_path / "newer").rename(link)
        eventually(lambda: paths(engine) == ["a.png", "b.png"])


def test_a_root_that_cannot_be_read_is_waited_for(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    skip_if_nothing_is_unreadable(root)
    with producing(engine, queue, config):
        eventually(lambda: mode(queue) == "inotify")
        root.chmod(0)
        eventually(lambda: mode(queue) == "absent")
        root.chmod(0o700)
        (root / "a.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["a.png"])


def test_a_directory_that_cannot_be_read_does_not_hold_up_others(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    skip_if_nothing_is_unreadable(root)
    for name in ("closed", "closed too", "open"):
        (root / name).mkdir()
        (root / name / "a.png").write_bytes(b"image")
    (root / "closed").chmod(0)
    (root / "closed too").chmod(0)
    with producing(engine, queue, replace(config, scan_interval_s=0.5)):
        eventually(lambda: paths(engine) == ["open/a.png"])
        eventually(lambda: living_producers(queue.redis)[0].roots[0].refused == 2)
        (root / "closed").chmod(0o700)
        eventually(lambda: paths(engine) == ["open/a.png", "closed/a.png"])
        (root / "closed too").chmod(0o700)
        eventually(lambda: len(paths(engine)) == 3)
    assert told(caplog, "cannot look at") == 2


def test_directories_that_the_kernel_will_not_watch_are_scanned_often(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from watchdog.observers.inotify_c import InotifyFD, WatchDescriptor  # exists on Linux only

    class NoMoreWatches(InotifyFD):
        def add_callback(self, path: bytes, *rest: Any) -> WatchDescriptor:
            if path != os.fsencode(root):
                raise OSError(errno.ENOSPC, "inotify watch limit reached")
            return super().add_callback(path, *rest)

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD", NoMoreWatches)
    (root / "cam").mkdir()
    with producing(engine, queue, config):
        eventually(lambda: mode(queue) == "inotify")
        for number in range(3):
            (root / "cam" / f"{number}.png").write_bytes(b"image")
            eventually(lambda number=number: len(paths(engine)) == number + 1)  # type: ignore[misc]
    assert told(caplog, "max_user_watches") == 1


def test_where_inotify_cannot_be_had_directories_are_polled(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD", refuse)
    with producing(engine, queue, config):
        eventually(lambda: mode(queue) == "polling")
        (root / "a.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["a.png"])


def test_one_absent_root_does_not_hold_up_another(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, replace(config, roots=(tmp_path / "absent", root))):
        (root / "a.png").write_bytes(b"image")
        eventually(lambda: paths(engine) == ["a.png"])


def test_all_comes_back_after_flushall(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        for number in range(10):
            (root / f"{number}.png").write_bytes(b"image")
        eventually(lambda: len(paths(engine)) == 10)
        queue.redis.flushall()
        eventually(lambda: len(queue.in_flight(now=time.time())) == 10)


@contextmanager
def redis_behind(link: Path, server: RedisServer) -> Iterator[None]:
    """Redis can be reached at the path `link` while the block lasts."""
    link.symlink_to(server.socket)
    try:
        yield
    finally:
        link.unlink()
        with Redis.from_url(server.url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)


def test_frames_are_registered_while_redis_is_away_and_queued_when_it_is_back(
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
        eventually(lambda: paths(engine) == ["before.png"])
        with redis_behind(link, redis_server):
            eventually(lambda: queue.depth() == 1)
        (root / "between.png").write_bytes(b"image")
        eventually(lambda: len(paths(engine)) == 2)
        with redis_behind(link, redis_server):
            eventually(lambda: len(queue.in_flight(now=time.time())) == 2)
    assert told(caplog, "Redis does not answer") == 2
    assert told(caplog, "Redis is back") == 2


def test_files_wait_for_the_database(
    root: Path,
    tmp_path: Path,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory = tmp_path / "database"
    directory.mkdir()
    url = f"sqlite:///{directory / 'thermalwatch.db'}"
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    directory.rename(tmp_path / "away")
    (root / "before.png").write_bytes(b"image")
    with producing(engine, queue, config):
        eventually(lambda: told(caplog, "the database does not answer") == 1)
        (root / "during.png").write_bytes(b"image")
        (tmp_path / "away").rename(directory)
        eventually(lambda: counts(engine).seen == 2)
        eventually(lambda: len(queue.in_flight(now=time.time())) == 2)
    engine.dispose()
    assert told(caplog, "the database does not answer") == 1
    assert told(caplog, "the database is back") == 1


def test_a_producer_stops_soon_while_nothing_answers(
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
