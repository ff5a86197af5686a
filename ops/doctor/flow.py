"""Whether work gets done: a probe job that goes round, and the progress of pending frames."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ops.doctor.check import Check
from ops.program import command_line

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

#: Seconds within which a worker must take the probe job: it may be in the middle of a batch.
PROBE_S: Final = 20.0
LOOK_S: Final = 0.05
#: Seconds without an outcome, while frames wait, after which the system counts as stuck.
STUCK_S: Final = 300.0


def probe_job(redis: Redis) -> Check:
    """Enqueue a job for a frame that does not exist, and wait until a worker has done it."""
    from storage.queue import FrameQueue

    queue = FrameQueue(redis)
    if not queue.workers():
        start = command_line("work")
        return Check("jobs", f"no worker is running, so frames stay pending; start one: `{start}`")
    begun = time.monotonic()
    job_id = queue.enqueue([secrets.token_hex(16)])
    while queue.has_job(job_id):
        if time.monotonic() - begun > PROBE_S:
            queue.withdraw(job_id)
            return Check(
                "jobs",
                f"no worker has done a probe job within {PROBE_S:.0f} s",
                "see the workers' logs; the workers are overloaded, stuck or of another release",
            )
        time.sleep(LOOK_S)
    return Check("jobs", f"a probe job went round in {time.monotonic() - begun:.1f} s")


def progress(engine: Engine, now: float) -> Iterator[Check]:
    """Check that frames get outcomes while some wait. `now` is in Unix s."""
    from storage.frames.counts import last_outcome, oldest_pending

    oldest, last = oldest_pending(engine), last_outcome(engine)
    if oldest is None:
        yield Check("progress", "no frame is pending")
        return
    waits_s = max(0.0, now - oldest)
    still_s = now - max(oldest, last or 0.0)
    finding = f"the oldest pending frame has waited {waits_s:.0f} s"
    if still_s > STUCK_S:
        yield Check(
            "progress",
            f"{finding}, and no frame has had an outcome for {still_s:.0f} s",
            "see the workers' logs; if none is running, start one",
        )
    else:
        yield Check("progress", finding)
