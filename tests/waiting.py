"""Waiting for a condition, in place of sleeping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

#: Environment variable that sets another patience.
PATIENCE_VARIABLE = "THERMALWATCH_TEST_PATIENCE_S"
#: Seconds that anything may take on a busy machine.
PATIENCE_S = float(os.environ.get(PATIENCE_VARIABLE, "240"))


#: Seconds of work by which `crowdedness` is measured: some slices of the scheduler.
CROWDEDNESS_CPU_S = 0.2


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


def crowdedness() -> float:
    """How many times longer than on an idle machine this thread takes for its work just now.

    For limits in seconds that hold on an idle machine.
    """
    began_s, began_cpu_s = time.perf_counter(), time.thread_time()
    while (used_s := time.thread_time() - began_cpu_s) < CROWDEDNESS_CPU_S:
        pass
    return max(1.0, (time.perf_counter() - began_s) / used_s)
