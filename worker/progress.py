"""Whether the work of a process goes on: what tells a slow batch from a stuck one."""

from __future__ import annotations

import itertools


class Progress:
    """Counts the steps of a worker's batches. Threads share it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.steps = 0  #: rises with every step; its value means nothing else

    def step(self) -> None:
        """Say that a part of the work is done."""
        self.steps = next(self._numbers)
