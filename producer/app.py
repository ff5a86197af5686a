"""The producer: directory → settled frame → ledger → queue.

::

    inotify ──▶ coalescer ───┐
                             ├──▶ dispatcher.submit ──▶ ledger (pending) ──▶ queue, if there is room
    scan ──▶ reconciler ─────┘
                                  dispatcher.run: pending and unleased ─────▶ queue

The ledger is the truth. Whatever is lost elsewhere (an event, a job, all of Redis) is found again
by the scan or by the dispatcher, so every part may fail at any time. Two producers may watch the
same directories.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from sqlalchemy import Engine

from producer.coalesce import Coalescer
from producer.config import ProducerConfig
from producer.dispatch import Dispatcher
from producer.heartbeat import INTERVAL_S, Heartbeat, beat, retire
from producer.inotify import reading_inotify
from producer.naming import WatchRoot
from producer.observe import RootObserver
from producer.outage import Outage
from producer.reconcile import Reconciler
from producer.threads import Loop, Threads
from storage.db.database import check_writes
from storage.errors import DatabaseUnavailable
from storage.queue import FrameQueue, address

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

logger = logging.getLogger(__name__)

#: Seconds between two looks whether all threads live.
SUPERVISION_S = 0.5


class Producer:
    """Watches directories, registers settled frames, and keeps the queue filled."""

    def __init__(
        self,
        config: ProducerConfig,
        engine: Engine,
        queue: FrameQueue,
        clock: Callable[[], float] = time.time,
    ):
        """Nothing is connected yet. The database's tables must exist. `clock` is in Unix s."""
        self._config = config
        self._engine = engine
        self._queue = queue
        self._clock = clock
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._observers: list[RootObserver] = []
        self._database = Outage(
            "the database", DatabaseUnavailable, self._scan_again, lambda: check_writes(engine)
        )
        self._redis = Outage(
            f"Redis at {address(queue.redis)}",
            RedisError,
            lambda: None,  # the dispatcher needs no call
            queue.check_writes,
        )
        self._dispatcher = Dispatcher(
            engine, queue, config, clock, database=self._database, redis=self._redis
        )
        self._coalescer = Coalescer(config, self._dispatcher, self._database)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then register what has been noticed and return in about 1 s.

        Directories, database and Redis may go away and come back. An exception is an error of the
        program or of its set-up: all threads end, and a supervisor may start it anew.
        """
        wants_inotify = self._config.observer != "polling"
        with reading_inotify() if wants_inotify else nullcontext() as inotify:
            self._observers = [self._observer(root, inotify) for root in self._roots()]
            loops: list[Loop] = [observer.run for observer in self._observers]
            loops += [self._coalescer.run, self._dispatcher.run, self._show_signs_of_life]
            with Threads(loops) as threads:
                while not stop.wait(SUPERVISION_S):
                    threads.raise_failure()
                    if inotify is not None and not inotify.is_alive():
                        raise RuntimeError("the thread that reads inotify events has ended")
        logger.info("the producer has stopped")

    def _roots(self) -> list[WatchRoot]:
        return [WatchRoot.at(root, self._config.cameras) for root in self._config.roots]

    def _observer(self, root: WatchRoot, inotify: InotifyFD | None) -> RootObserver:
        reconciler = Reconciler(
            root,
            self._engine,
            self._dispatcher,
            self._database,
            self._clock,
            settle_s=self._config.settle_s,
        )
        return RootObserver(
            root, self._config, reconciler, self._coalescer, self._clock, inotify=inotify
        )

    def _scan_again(self) -> None:
        for observer in self._observers:
            observer.events_lost()

    def _show_signs_of_life(self, stop: threading.Event) -> None:
        started_at = self._clock()
        while not stop.is_set():
            if not self._redis.down:
                roots = tuple(observer.status() for observer in self._observers)
                heartbeat = Heartbeat(self._name, self._clock(), started_at, roots)
                with suppress(RedisError):  # the dispatcher notices too, and tells
                    beat(self._queue.redis, heartbeat)
            stop.wait(INTERVAL_S)
        with suppress(RedisError):  # then it ends by its lifetime
            retire(self._queue.redis, self._name)
