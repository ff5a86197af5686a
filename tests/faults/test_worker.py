"""Workers that die, hang, run out of memory or lose their device."""

from __future__ import annotations

import signal

import pytest

from tests.faults.conftest import MakeSite
from tests.faults.site import START_S, Site, wait_until

#: The steps of a batch in their order; a worker is killed after each.
STEPS = (
    "after worker.batch.load_pending 1",
    "after worker.batch.read_frame 3",
    "after thermal.detector.Detector.score 1",
    "after storage.streams.Streams.decide 1",
    "after worker.batch.store_pictures 1",
    "before worker.batch.commit_results 1",
    "after worker.batch.commit_results 1",
    "after storage.window.RollingWindows.confirm 1",
)


def test_a_worker_killed_after_any_step_loses_nothing_and_doubles_nothing(site: Site) -> None:
    # to see it fail: leave the decision of a frame out of `decisions` in window.lua (doubled),
    # or the lease out of claim_pending (lost)
    site.start_producer()
    for number, step in enumerate(STEPS):
        site.upload(20)
        site.start_worker(f"worker-{number}", fault=f"{step} kill")
        assert site.wait_for_death(f"worker-{number}") == -signal.SIGKILL
    site.upload(20)
    site.start_worker("survivor")
    wait_until(lambda: site.books().scored > 0, START_S, "the first row of the survivor")
    site.wait_until_settled()
    site.check_books()
    assert site.books().scored == 20 * (len(STEPS) + 1)


def test_a_worker_that_is_told_to_stop_under_load_finishes_its_batch(make_site: MakeSite) -> None:
    # to see it fail: let SIGTERM have its default action in worker.app
    site = make_site()
    site.upload(400)
    site.start_producer()
    site.start_worker()
    wait_until(lambda: site.books().scored > 0, START_S, "the first row")
    process = site.processes.pop("worker-1")
    process.terminate()
    assert process.wait(30) == 0
    books = site.books()
    assert books.scored % 64 == 0 or books.scored == 400, "a batch was left half done"
    site.start_worker("worker-2")
    wait_until(lambda: site.books().scored > books.scored or site.is_settled(), START_S, "work")
    site.wait_until_settled()
    site.check_books()


def test_a_stuck_batch_is_taken_over_by_another_worker(make_site: MakeSite) -> None:
    # to see it fail: make the lease of a frame an hour
    site = make_site()
    site.start_producer()
    site.start_worker("stuck", fault="before thermal.detector.Detector.score 1+ hang")
    site.upload(5)
    wait_until(lambda: "stuck" in site.busy_workers(), START_S, "the stuck worker's batch")
    site.start_worker("healthy")
    wait_until(lambda: "healthy" in site.workers(), START_S, "the start of the healthy worker")
    site.wait_until_settled()
    site.check_books()


@pytest.mark.parametrize("fault", ["out_of_memory", "device_error"])
def test_a_batch_that_fails_on_the_device_is_done_after_all(
    make_site: MakeSite, fault: str
) -> None:
    # to see it fail: let the error end the worker, or give its frames up
    site = make_site()
    site.start_producer()
    site.upload(100)
    site.start_worker(fault=f"before thermal.detector.Detector.score 1 {fault}")
    wait_until(lambda: site.books().scored > 0, START_S, "the first row")
    site.wait_until_settled()
    site.check_books()
