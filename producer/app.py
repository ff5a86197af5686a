"""The producer: directory → settled frame → ledger → queue.

::

    inotify ──▶ coalescer ───┐
                             ├──▶ dispatcher.submit ──▶ ledger (pending) ──▶ queue, if there is room
    scan ──▶ reconciler ─────┘
                                  dispatcher.run: pending and unleased ─────▶ queue

The ledger is authoritative. Whatever is lost elsewhere (an event, a job, all of Redis) is found
again by the scan or the dispatcher, so any part may fail at any time. Several producers may watch
the same directories.
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
from storage.db.probes import check_writes
from storage.errors import DatabaseUnavailable
from storage.queue import FrameQueue, address

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

logger = logging.getLogger(__name__)

#: Seconds between checks that all threads are alive.
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
        """Connect to nothing yet. The database tables must exist. `clock` returns Unix seconds."""
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
            lambda: None,  # the dispatcher retries by itself
            queue.check_writes,
        )
        self._dispatcher = Dispatcher(
            engine, queue, config, clock, database=self._database, redis=self._redis
        )
        self._coalescer = Coalescer(config, self._dispatcher, self._database)

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set; then register the files noticed so far and return within 1 s.

        Directories, database and Redis may disappear and come back. An exception means a bug or
        a wrong set-up: all threads end, and a supervisor may restart the producer.
        """
        wants_inotify = self._config.observer != "polling"
        with reading_inotify() if wants_inotify else nullcontext() as inotify:
            self._observers = [self._observer(root, inotify) for root in self._roots()]
            loops: list[Loop] = [observer.run for observer in self._observers]
            loops += [self._coalescer.run, self._dispatcher.run, self._send_heartbeats]
            with Threads(loops) as threads:
                while not stop.wait(SUPERVISION_S):
                    threads.raise_failure()
                    if inotify is not None and not inotify.is_alive():
                        raise RuntimeError("the thread that reads inotify events has ended")
        logger.info("the producer has stopped")

    def _roots(self) -> list[WatchRoot]:
        return [each for root in self._config.roots for each in self._config.watched(root)]

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

    def _send_heartbeats(self, stop: threading.Event) -> None:
        started_at = self._clock()
        while not stop.is_set():
            if not self._redis.down:
                roots = tuple(observer.status() for observer in self._observers)
                heartbeat = Heartbeat(self._name, self._clock(), started_at, roots)
                with suppress(RedisError):  # the dispatcher reports the outage
                    beat(self._queue.redis, heartbeat)
            stop.wait(INTERVAL_S)
        with suppress(RedisError):  # it expires anyway
            retire(self._queue.redis, self._name)
