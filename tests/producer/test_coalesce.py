"""Single events are grouped into batches."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from sqlalchemy import Engine

from producer.coalesce import MAX_WAITING, Coalescer, NoticedFile
from producer.config import ProducerConfig
from producer.dispatch import Dispatcher
from producer.naming import WatchRoot
from producer.outage import Outage
from storage.queue import FrameQueue
from tests.producer.conftest import paths, queued
from tests.waiting import wait_until


@pytest.fixture
def coalescer(root: Path, engine: Engine, queue: FrameQueue, database: Outage) -> Coalescer:
    config = ProducerConfig(roots=(root,), max_batch=8, max_delay_ms=50.0)
    redis = Outage("Redis", RedisError, on_return=lambda: None, check=lambda: None)
    dispatcher = Dispatcher(engine, queue, config, time.time, database=database, redis=redis)
    return Coalescer(config, dispatcher, database)


@pytest.fixture
def start(coalescer: Coalescer) -> Iterator[Callable[[], None]]:
    """Starts the coalescer's thread, which ends with the test."""
    stop = threading.Event()
    thread = threading.Thread(target=coalescer.run, args=(stop,))
    yield thread.start
    stop.set()
    thread.join()


def upload(
    root: Path, *names: str, refused: Callable[[str], None] = lambda _path: None
) -> list[NoticedFile]:
    for name in names:
        (root / name).write_bytes(b"image")
    return [NoticedFile(WatchRoot.at(root, {}), name, refused, print) for name in names]


def test_files_that_arrive_together_share_jobs_of_at_most_max_batch(
    root: Path, engine: Engine, queue: FrameQueue, coalescer: Coalescer, start: Callable[[], None]
) -> None:
    names = [f"{number}.png" for number in range(20)]
    for file in upload(root, *names):
        assert coalescer.put(file)
    start()
    wait_until(lambda: len(paths(engine)) == 20)
    assert paths(engine) == names
    wait_until(lambda: [len(job) for job in queued(queue)] == [8, 8, 4])


def test_a_file_reported_twice_is_registered_once(
    root: Path, engine: Engine, coalescer: Coalescer, start: Callable[[], None]
) -> None:
    for file in upload(root, "a.png", "b.png") * 2:
        coalescer.put(file)
    start()
    wait_until(lambda: paths(engine) == ["a.png", "b.png"])


def test_vanished_files_are_ignored(
    root: Path, engine: Engine, coalescer: Coalescer, start: Callable[[], None]
) -> None:
    files = upload(root, "gone.png", "a.png")
    (root / "gone.png").unlink()
    for file in files:
        coalescer.put(file)
    start()
    wait_until(lambda: paths(engine) == ["a.png"])


def test_waiting_files_are_registered_before_the_producer_stops(
    root: Path, engine: Engine, coalescer: Coalescer
) -> None:
    for file in upload(root, *(f"{number}.png" for number in range(20))):
        coalescer.put(file)
    stop = threading.Event()
    stop.set()
    coalescer.run(stop)
    assert len(paths(engine)) == 20


def test_the_number_of_waiting_files_is_bounded(root: Path, coalescer: Coalescer) -> None:
    watch_root = WatchRoot.at(root, {})
    files = [NoticedFile(watch_root, f"{n}.png", print, print) for n in range(MAX_WAITING + 1)]
    accepted = [coalescer.put(file) for file in files]
    assert accepted == [True] * MAX_WAITING + [False]


def test_an_unreadable_file_is_left_to_the_scan(
    root: Path, engine: Engine, coalescer: Coalescer, start: Callable[[], None]
) -> None:
    # to see it fail: ignore every OSError in _frame_of
    refused: list[str] = []
    name = "a" * 300 + ".png"  # longer than any file system allows: lstat fails
    assert coalescer.put(NoticedFile(WatchRoot.at(root, {}), name, refused.append, print))
    start()
    wait_until(lambda: refused == [name])
    assert paths(engine) == []


def test_while_every_worker_has_a_job_waiting_files_gather_for_a_larger_one(
    root: Path,
    queue: FrameQueue,
    coalescer: Coalescer,
    start: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # to see it fail: make `workers_have_jobs` return False; the second job then has one frame
    looks = Counter[str]()
    look = Dispatcher.workers_have_jobs

    def counted(dispatcher: Dispatcher) -> bool:
        looks["looks"] += 1
        return look(dispatcher)

    monkeypatch.setattr(Dispatcher, "workers_have_jobs", counted)
    queue.enqueue(["0" * 32])
    start()
    for number in range(3):
        [file] = upload(root, f"{number}.png")
        coalescer.put(file)
        seen = looks["looks"]
        wait_until(lambda: looks["looks"] > seen)  # noqa: B023 - it waited, and did not go on
    wait_until(lambda: [len(job) for job in queued(queue)] == [1, 3])
