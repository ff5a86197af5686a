"""Groups single events: files that arrive together are registered together and share a job."""

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

#: Complete files that may wait to be registered; a scan finds any that do not fit.
MAX_WAITING = 10_000
#: Seconds between checks of the stop signal while idle.
IDLE_S = 0.2
#: Seconds between checks whether the workers need jobs, and seconds after which frames are
#: registered in any case.
HOLD_STEP_S = 0.01
LONGEST_HOLD_S = 0.2
#: Seconds that registering the remaining files may take when the producer stops.
LAST_FLUSH_S = 0.5


@dataclass(frozen=True)
class CompleteFile:
    """A file that an event reported as complete."""

    root: WatchRoot
    path: str  #: relative to `root`
    #: Called with the path if `stat` fails on the file.
    refused: Callable[[str], None]


class Coalescer:
    """Accepts complete files from any thread; `run`, in a thread of its own, registers them."""

    def __init__(self, config: ProducerConfig, dispatcher: Dispatcher, database: Outage):
        self._config = config
        self._dispatcher = dispatcher
        self._database = database
        self._waiting: queue.Queue[CompleteFile] = queue.Queue(MAX_WAITING)
        self._next_batch = 0.0  # monotonic s; until then a batch waits for more

    def put(self, file: CompleteFile) -> bool:
        """Accept a complete file; False if there is no room for it."""
        try:
            self._waiting.put_nowait(file)
        except queue.Full:
            return False
        return True

    def run(self, stop: threading.Event) -> None:
        """Register batches until `stop` is set, then the files still waiting."""
        with suppress(Stopping):
            while not stop.is_set():
                self._flush(self._gather(), stop)
            deadline = time.monotonic() + LAST_FLUSH_S
            while not self._waiting.empty() and time.monotonic() < deadline:
                self._flush(self._gather(), stop)

    def _gather(self) -> list[CompleteFile]:
        """The next file and those that closely follow it; empty if none arrives.

        A file that arrives alone is returned at once. One that follows within `max_delay_ms` of
        the last batch waits for more, as long as all workers are busy anyway. Once a job is full
        there is no more waiting, but files already here are still taken: under load, one
        registration serves many jobs.
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
        # stat'ed only now, so that a file rewritten meanwhile is registered in its latest state
        frames = [frame for file in dict.fromkeys(files) if (frame := _frame_of(file))]
        if frames:
            self._database.outlast(lambda: self._dispatcher.submit(frames), stop)


def _frame_of(file: CompleteFile) -> NewFrame | None:
    try:
        return file.root.frame_at(file.path)
    except OSError:
        file.refused(file.path)
        return None
