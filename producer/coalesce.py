"""Holds files that events report until they are at rest, and groups those that arrive together."""

from __future__ import annotations

import itertools
import math
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
from storage.frames.identity import NewFrame

#: Files that may wait to be held, and files held; a scan finds any that do not fit.
MAX_WAITING = 10_000
#: Seconds between checks of the stop signal while idle.
IDLE_S = 0.2
#: Most seconds for which a file is held while events about it continue, unless one hold is longer.
LONGEST_HOLD_S = 1.0
#: Seconds between checks whether the workers need jobs, and seconds after which frames are
#: registered in any case.
BUSY_STEP_S = 0.01
LONGEST_BUSY_S = 0.2
#: Seconds that registering the remaining files may take when the producer stops.
LAST_FLUSH_S = 0.5


@dataclass(frozen=True)
class NoticedFile:
    """A file that an event was about."""

    root: WatchRoot
    path: str  #: relative to `root`
    #: Called with the path if `stat` fails on the file.
    refused: Callable[[str], None]
    #: Called with the path if only attributes changed, of a file that is not held.
    touched: Callable[[str], None]


@dataclass(frozen=True)
class _Held:
    file: NoticedFile
    since: float  # monotonic s
    until: float  # monotonic s


class Coalescer:
    """Accepts noticed files from any thread; `run`, in a thread of its own, registers them.

    Each complete file is held for `hold_s` first, and again at every further event: some uploaders
    set the time or the final name only after they closed the file.
    """

    def __init__(self, config: ProducerConfig, dispatcher: Dispatcher, database: Outage):
        self._config = config
        self._dispatcher = dispatcher
        self._database = database
        self._waiting: queue.Queue[tuple[NoticedFile, bool]] = queue.Queue(MAX_WAITING)
        self._held: dict[tuple[str, str], _Held] = {}
        self._next_batch = 0.0  # monotonic s; until then a batch waits for more

    def put(self, file: NoticedFile, *, complete: bool = True) -> bool:
        """Accept a file: complete, or with changed attributes. False if there is no room for it."""
        try:
            self._waiting.put_nowait((file, complete))
        except queue.Full:
            return False
        return True

    def run(self, stop: threading.Event) -> None:
        """Register batches until `stop` is set, then the files still waiting."""
        with suppress(Stopping):
            while not stop.is_set():
                self._receive(self._pause_s())
                self._flush(self._batch(), stop)
            deadline = time.monotonic() + LAST_FLUSH_S
            self._receive(0.0)
            while self._held and time.monotonic() < deadline:
                self._flush(self._take(list(self._held)), stop)
                self._receive(0.0)

    def _pause_s(self) -> float:
        """Seconds until a file or a batch may be due."""
        first = next(iter(self._held.values()), None)
        due = math.inf if first is None else max(first.until, self._next_batch)
        return min(max(0.0, due - time.monotonic()), IDLE_S)

    def _receive(self, wait_s: float) -> None:
        """Hold the files that were noticed; wait for the first one."""
        with suppress(queue.Empty):
            first = self._waiting.get(timeout=wait_s)
            now = time.monotonic()  # the same for all, so that they are due together
            self._hold(*first, now)
            while len(self._held) < MAX_WAITING:
                self._hold(*self._waiting.get_nowait(), now)

    def _hold(self, file: NoticedFile, complete: bool, now: float) -> None:
        key = (file.root.path, file.path)
        held = self._held.pop(key, None)
        if held is None and not complete:
            file.touched(file.path)
            return
        since = now if held is None else held.since
        longest = since + max(LONGEST_HOLD_S, self._config.hold_s)
        self._held[key] = _Held(file, since, min(now + self._config.hold_s, longest))

    def _batch(self) -> list[NoticedFile]:
        """The files that are due together; empty if none is, or if more should join them.

        Files that arrive alone are due after their hold. Those that follow within `max_delay_ms`
        of the last batch wait for more, as long as all workers are busy anyway. Once a job is full
        there is no more waiting.
        """
        now = time.monotonic()
        due = [k for k, _ in itertools.takewhile(lambda h: h[1].until <= now, self._held.items())]
        if not due:
            return []
        late = now > self._held[due[0]].until + LONGEST_BUSY_S
        if len(due) < self._config.max_batch and not late:
            if now < self._next_batch:
                return []
            if self._dispatcher.workers_have_jobs():
                self._next_batch = now + BUSY_STEP_S
                return []
        self._next_batch = now + self._config.max_delay_ms / 1000
        return self._take(due)

    def _take(self, due: list[tuple[str, str]]) -> list[NoticedFile]:
        return [self._held.pop(key).file for key in due[:BATCH]]

    def _flush(self, files: list[NoticedFile], stop: threading.Event) -> None:
        # stat'ed only now, so that a file rewritten meanwhile is registered in its latest state
        frames = [frame for file in files if (frame := _frame_of(file))]
        if frames:
            self._database.outlast(lambda: self._dispatcher.submit(frames), stop)


def _frame_of(file: NoticedFile) -> NewFrame | None:
    try:
        return file.root.frame_at(file.path)
    except OSError:
        file.refused(file.path)
        return None
