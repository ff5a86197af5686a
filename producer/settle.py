"""Files that may still be written, until they have settled."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from storage.frames.identity import NewFrame

#: Most files remembered at once; each takes about 500 bytes.
MAX_REMEMBERED = 100_000


class Settling:
    """Young files by path, each with the time of its last change.

    Times are monotonic seconds. Thread-safe.
    """

    def __init__(self, settle_s: float):
        self._settle_s = settle_s
        self._lock = threading.Lock()
        # ordered by `since`: changed files move to the end
        self._since: dict[str, tuple[NewFrame, float]] = {}

    def __len__(self) -> int:
        return len(self._since)

    def watch(self, frames: Iterable[NewFrame], *, now: float) -> bool:
        """Remember the state of these frames; False if some did not fit."""
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
        """Remove and return the frames whose time is up; the caller checks for changes."""
        with self._lock:
            due = []
            for frame, since in self._since.values():
                if now - since < self._settle_s:
                    break
                due.append(frame)
            for frame in due:
                del self._since[frame.path]
            return due
