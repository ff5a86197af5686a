"""Compares the files that a scan finds with the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import Engine

from producer.dispatch import Dispatcher
from producer.naming import WatchRoot
from producer.outage import Outage
from producer.scan import BATCH
from producer.settle import Settling
from producer.writers import surely_not_written
from storage.files.paths import text_to_path
from storage.frames.identity import NewFrame
from storage.frames.registration import known


class Reconciler:
    """Registers the files of one root that are not in the ledger, once they have settled."""

    def __init__(
        self,
        root: WatchRoot,
        engine: Engine,
        dispatcher: Dispatcher,
        database: Outage,
        clock: Callable[[], float],
        *,
        settle_s: float,
    ):
        self._root = root
        self._engine = engine
        self._dispatcher = dispatcher
        self._database = database
        self._clock = clock  # Unix s
        self._settling = Settling(settle_s)

    @property
    def settling(self) -> int:
        """Number of files that may still be written."""
        return len(self._settling)

    def take(
        self,
        frames: Sequence[NewFrame],
        stop: threading.Event,
        *,
        settled_age_s: float,
        watched: bool,
    ) -> bool:
        """Register unknown frames unchanged for `settled_age_s`; observe younger ones.

        If events report later writes (`watched`), young ones that nobody writes are registered too:
        in a new directory the first file may be overwritten before it has settled. Returns False if
        there were too many young ones to observe, so that a later scan has to find the rest. Waits
        while the database is down.

        Raises:
            Stopping: `stop` was set while waiting.
        """
        there = self._database.outlast(lambda: known(self._engine, frames, now=self._clock()), stop)
        unknown = [
            frame
            for hint, frame in {frame.hint: frame for frame in frames}.items()
            if hint not in there.settled
            and (hint not in there.unreadable or self._root.can_read(frame))
        ]
        settled_ns = (self._clock() - settled_age_s) * 1e9
        # a file dated in the future counts as young: it is registered once it stops changing
        old: list[NewFrame] = []
        young: list[NewFrame] = []
        for frame in unknown:
            # the ctime too: a camera whose clock stands still dates what it is writing long ago
            changed_ns = max(frame.mtime_ns, frame.ctime_ns)
            settled = changed_ns <= settled_ns or (watched and self._is_complete(frame))
            (old if settled else young).append(frame)
        self._submit(sorted(old, key=lambda frame: frame.mtime_ns), stop)
        return self._settling.watch(young, now=time.monotonic())

    def _is_complete(self, frame: NewFrame) -> bool:
        # an empty file has just been created, or is about to be written
        if frame.size == 0 or not surely_not_written(self._root.join(text_to_path(frame.path))):
            return False
        with suppress(OSError):
            return self._root.seen_again(frame) == frame  # it was not closed since it was listed
        return False

    def observe(self, path: str) -> None:
        """Observe a file that appeared without being written, such as a hard link."""
        with suppress(OSError):
            frame = self._root.frame_at(path)
            # an empty file has just been opened for writing; an event will follow when it is closed
            if frame is not None and frame.size > 0:
                self._settling.watch([frame], now=time.monotonic())

    def recheck(self, stop: threading.Event) -> None:
        """Register the observed files that have settled.

        Raises:
            Stopping: `stop` was set while the database was down.
        """
        now = time.monotonic()
        still, changed = [], []
        for frame in self._settling.due(now=now):
            with suppress(OSError):  # a lasting error is reported by a scan
                again = self._root.seen_again(frame)
                if again == frame:
                    still.append(frame)
                elif again is not None:
                    changed.append(again)
        self._settling.watch(changed, now=now)
        for start in range(0, len(still), BATCH):
            self._submit(still[start : start + BATCH], stop)

    def _submit(self, frames: Sequence[NewFrame], stop: threading.Event) -> None:
        if frames:
            self._database.outlast(lambda: self._dispatcher.submit(frames), stop)
