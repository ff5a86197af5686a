"""Waiting for a condition, in place of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds that anything may take on a busy machine.
PATIENCE_S = 240.0


def wait_until(
    condition: Callable[[], bool], timeout_s: float = PATIENCE_S, what: str = "the condition"
) -> float:
    """Wait for `condition` and return the seconds it took; fail after `timeout_s`."""
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        assert waited < timeout_s, f"{what} did not happen within {timeout_s:.0f} s"
        time.sleep(0.01)
    return time.monotonic() - started
