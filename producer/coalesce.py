"""Single events become batches: one registration and one job for frames that come together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from producer.config import ProducerConfig
from producer.dispatch import Dispatcher
from producer.naming import WatchRoot
from producer.outage import Outage, Stopping
from producer.scan import BATCH
from storage.frames.ledger import NewFrame

#: Complete files that may wait to be registered; beyond, a scan finds them.
MAX_WAITING = 10_000
#: Seconds between two looks whether to stop, while nothing happens.
IDLE_S = 0.2
#: Seconds between two looks whether the workers need jobs, and seconds after which frames are
#: registered all the same.
HOLD_STEP_S = 0.01
LONGEST_HOLD_S = 0.2
#: Seconds that registering what still waits may take when the producer stops.
LAST_FLUSH_S = 0.5


@dataclass(frozen=True)
class CompleteFile:
    """A file that an event told of."""

    root: WatchRoot
    path: str  #: relative to `root`
    #: Is told the path if the file cannot be looked at.
    refused: Callable[[str], None]


class Coalescer:
    """Takes complete files from any thread; a thread of its own registers and queues them."""

    def __init__(self, config: ProducerConfig, dispatcher: Dispatcher, database: Outage):
        self._config = config
        self._dispatcher = dispatcher
        self._database = database
        self._waiting: queue.Queue[CompleteFile] = queue.Queue(MAX_WAITING)
        self._next_batch = 0.0  # monotonic s; until then a batch waits for more

    def put(self, file: CompleteFile) -> bool:
        """Take a complete file; False if there is no room for it."""
        try:
            self._waiting.put_nowait(file)
        except queue.Full:
            return False
        return True

    def run(self, stop: threading.Event) -> None:
        """Register batches until `stop` is set, then what still waits."""
        with suppress(Stopping):
            while not stop.is_set():
                self._flush(self._gather(), stop)
            deadline = time.monotonic() + LAST_FLUSH_S
            while not self._waiting.empty() and time.monotonic() < deadline:
                self._flush(self._gather(), stop)

    def _gather(self) -> list[CompleteFile]:
        """The first file that comes and those that follow it closely; none if none comes.

        A file that comes alone goes on at once; one that follows within `max_delay_ms` of the
        last batch waits for more, and for as long as no worker would come to it anyway. A full
        job is reason not to wait, but not to leave the rest: under load, one registration serves
        many jobs.
        """
        files: list[CompleteFile] = []
        with suppress(queue.Empty):
            files.append(self._waiting.get(timeout=IDLE_S))
            longest = time.monotonic() + LONGEST_HOLD_S
            while len(files) < BATCH:
                full = len(files) >= self._config.max_batch
                wait_s = 0.0 if full else self._next_batch - time.monotonic()
                try:
                    files.append(self._waiting.get(timeout=max(0.0, wait_s)))
                except queue.Empty:
                    now = time.monotonic()
                    if full or now > longest or not self._dispatcher.workers_have_jobs():
                        break
                    self._next_batch = now + HOLD_STEP_S
        self._next_batch = time.monotonic() + self._config.max_delay_ms / 1000
        return files

    def _flush(self, files: list[CompleteFile], stop: threading.Event) -> None:
        # Looked at only now: a file that was rewritten meanwhile is registered as it is.
        frames = [frame for file in dict.fromkeys(files) if (frame := _look(file))]
        if frames:
            self._database.outlast(lambda: self._dispatcher.submit(frames), stop)


def _look(file: CompleteFile) -> NewFrame | None:
    try:
        return file.root.frame_at(file.path)
    except OSError:
        file.refused(file.path)
        return None
