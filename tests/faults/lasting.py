"""A running site that is hit by one fault after another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from storage.queue import FrameQueue
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.waiting import wait_until

WORKERS: Final = ("worker-1", "worker-2")
#: Warnings and errors that a process may log about one fault.
MOST_COMPLAINTS: Final = 30


def start_all(site: Site) -> Site:
    """Start a producer and two workers, and wait until they run."""
    site.start_producer()
    for name in WORKERS:
        site.start_worker(name)
    wait_until(lambda: set(site.workers()) == set(WORKERS), START_S, "the start of the workers")
    return site


@contextmanager
def withstanding(site: Site) -> Iterator[None]:
    """Run the block during a stream of images; afterwards everything must recover in time."""
    scored, said = site.ledger_counts().scored, site.complaints()
    site.upload(300)
    wait_until(lambda: site.ledger_counts().scored > scored, RECOVERY_S, "the first row")
    yield
    site.wait_until_settled()
    wait_until(
        lambda: set(site.workers()) == set(WORKERS),
        RECOVERY_S,
        "the registration of the workers in Redis",
    )
    # frames already scored may be queued again: they must not be scored twice
    wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    site.check_ledger()
    assert all(process.poll() is None for process in site.processes.values()), site.logs()
    for name, count in site.complaints().items():
        assert count - said[name] < MOST_COMPLAINTS, site.log(name)
        assert "Traceback" not in site.log(name), site.log(
            name
        )  # an outage must not be logged as a bug


def is_idle(site: Site) -> bool:
    """Whether no job is queued and no worker is busy."""
    with site.redis.client() as redis:
        return not site.busy_workers() and FrameQueue(redis).depth() == 0


def let_pass(site: Site, seconds: float) -> None:
    """Let a fault last while images keep arriving."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        site.upload(1)
        time.sleep(0.1)
