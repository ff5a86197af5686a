"""Files that may still be written, until they stood still."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from storage.frames.ledger import NewFrame

#: Files remembered at once, some 500 bytes each.
MAX_REMEMBERED = 100_000


class Settling:
    """Young files by path, each with the time since when it has not changed.

    Times are monotonic seconds. Threads may share it.
    """

    def __init__(self, settle_s: float):
        self._settle_s = settle_s
        self._lock = threading.Lock()
        # In the order of `since`: what changed is taken out and put back at the end.
        self._since: dict[str, tuple[NewFrame, float]] = {}

    def __len__(self) -> int:
        return len(self._since)

    def watch(self, frames: Iterable[NewFrame], *, now: float) -> bool:
        """Remember frames as they are now; False if there was no room for some."""
        with self._lock:
            return all([self._watch(frame, now) for frame in frames])

    def _watch(self, frame: NewFrame, now: float) -> bool:
        remembered = self._since.get(frame.path)
        if remembered is not None:
            if remembered[0] == frame:
                return True
            del self._since[frame.path]
        if len(self._since) >= MAX_REMEMBERED:
            return False
        self._since[frame.path] = (frame, now)
        return True

    def due(self, *, now: float) -> list[NewFrame]:
        """Take out the frames whose time has passed; whether they changed is to be looked at."""
        with self._lock:
            due = []
            for frame, since in self._since.values():
                if now - since < self._settle_s:
                    break
                due.append(frame)
            for frame in due:
                del self._since[frame.path]
            return due

    def next_due(self) -> float | None:
        """When the next frame will be due; None if there is none."""
        with self._lock:
            oldest = next(iter(self._since.values()), None)
            return None if oldest is None else oldest[1] + self._settle_s
