"""Times the stages of a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stages:
    """Durations in seconds, by stage, since the last `take`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._durations_s: dict[str, list[float]] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time the block; a block that raises is not counted."""
        begun = self._clock()
        yield
        self._durations_s.setdefault(stage, []).append(self._clock() - begun)

    def take(self) -> dict[str, list[float]]:
        """Return the durations and start again with none."""
        taken, self._durations_s = self._durations_s, {}
        return taken
