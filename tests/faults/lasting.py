"""A running site that goes through one fault after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from storage.queue import FrameQueue
from tests.faults.site import RECOVERY_S, START_S, Site, wait_until

WORKERS: Final = ("worker-1", "worker-2")
#: Warnings and errors that a process may log about one fault.
MOST_COMPLAINTS: Final = 30


def start_all(site: Site) -> Site:
    """Start a producer and two workers, and wait for them."""
    site.start_producer()
    for name in WORKERS:
        site.start_worker(name)
    wait_until(lambda: set(site.workers()) == set(WORKERS), START_S, "the start of the workers")
    return site


@contextmanager
def withstanding(site: Site) -> Iterator[None]:
    """What happens inside hits a stream of images; after it, all must be well again in time."""
    scored, said = site.books().scored, site.complaints()
    site.upload(300)
    wait_until(lambda: site.books().scored > scored, RECOVERY_S, "the first row")
    yield
    site.wait_until_settled()
    wait_until(
        lambda: set(site.workers()) == set(WORKERS), RECOVERY_S, "that Redis knows the workers"
    )
    # what was done already may be on the queue once more: it must not be done again
    wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    site.check_books()
    assert all(process.poll() is None for process in site.processes.values()), site.logs()
    for name, count in site.complaints().items():
        assert count - said[name] < MOST_COMPLAINTS, site.log(name)
        assert "Traceback" not in site.log(name), site.log(name)  # an outage is no defect


def is_idle(site: Site) -> bool:
    """Whether there is no job, nor anybody who does one."""
    with site.redis.client() as redis:
        return not site.busy_workers() and FrameQueue(redis).depth() == 0


def let_pass(site: Site, seconds: float) -> None:
    """Let a fault last; images go on to come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        site.upload(1)
        time.sleep(0.1)
