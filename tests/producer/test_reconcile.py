"""What a scan finds, compared with the ledger."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.dispatch import Dispatcher
from producer.naming import WatchRoot
from producer.outage import Outage
from producer.reconcile import Reconciler
from storage.frames.identity import NewFrame
from storage.queue import FrameQueue
from tests.producer.conftest import paths


@pytest.fixture
def watched(root: Path) -> WatchRoot:
    return WatchRoot.at(root, {})


@pytest.fixture
def reconciler(
    watched: WatchRoot, root: Path, engine: Engine, queue: FrameQueue, database: Outage
) -> Reconciler:
    redis = Outage("Redis", RedisError, on_return=lambda: None, check=lambda: None)
    config = ProducerConfig(roots=(root,))
    dispatcher = Dispatcher(engine, queue, config, time.time, database=database, redis=redis)
    return Reconciler(watched, engine, dispatcher, database, time.time, settle_s=600.0)


def take(reconciler: Reconciler, frame: NewFrame | None) -> None:
    assert frame is not None
    reconciler.take([frame], threading.Event(), settled_age_s=600.0, watched=True)


def test_a_young_file_that_nobody_writes_is_registered(
    root: Path, watched: WatchRoot, reconciler: Reconciler, engine: Engine
) -> None:
    (root / "a.png").write_bytes(b"image")
    take(reconciler, watched.frame_at("a.png"))
    assert (paths(engine), reconciler.settling) == (["a.png"], 0)


def test_a_file_that_was_closed_after_it_was_listed_is_not_registered_as_listed(
    root: Path, watched: WatchRoot, reconciler: Reconciler, engine: Engine
) -> None:
    with (root / "a.png").open("wb", buffering=0) as file:
        file.write(b"half of ")
        listed = watched.frame_at("a.png")
        file.write(b"an image")
    take(reconciler, listed)
    assert (paths(engine), reconciler.settling) == ([], 1)
