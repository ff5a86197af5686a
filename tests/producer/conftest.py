"""A real directory, a real ledger, a real Redis, and a producer in its own threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine, select

from producer.app import Producer
from producer.config import ProducerConfig
from producer.outage import Outage
from storage.db.database import reading
from storage.db.schema import frames
from storage.errors import DatabaseUnavailable
from storage.queue import FrameBatch, FrameQueue
from tests.waiting import PATIENCE_S


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite is enough here: the producer's SQL is the ledger's, tested on both databases."""
    return f"sqlite:///{tmp_path / 'thermalwatch.db'}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty watch directory."""
    root = tmp_path / "watched"
    root.mkdir()
    return root


@pytest.fixture
def queue(redis_url: str) -> Iterator[FrameQueue]:
    """A queue in an empty Redis."""
    with Redis.from_url(redis_url) as redis:
        yield FrameQueue(redis)


@pytest.fixture
def database() -> Outage:
    """The state of a database that answers."""
    return Outage("the database", DatabaseUnavailable, on_return=lambda: None, check=lambda: None)


def paths(engine: Engine) -> list[str]:
    """Paths in the ledger, in order of arrival."""
    with reading(engine) as connection:
        return list(connection.scalars(select(frames.c.path).order_by(frames.c.arrival)))


def queued(queue: FrameQueue) -> list[list[str]]:
    """The frame ids of the queued jobs: those that have just arrived, then the backlog."""
    jobs = [*queue.rq.jobs, *queue.backlog.jobs]
    return [list(FrameBatch.decode(job.args[0]).frame_ids) for job in jobs]


def told(caplog: pytest.LogCaptureFixture, words: str) -> int:
    """The number of log messages that contain `words`."""
    return sum(words in message for message in caplog.messages)


@contextmanager
def producing(
    engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> Iterator[threading.Event]:
    """Run a producer during the block; the test fails if it raises."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            Producer(config, engine, queue).run(stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the producer did not stop"
        assert not failures, failures
