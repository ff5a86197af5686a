"""Producers that die, miss events, or lose the directory they watch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from producer.heartbeat import living_producers
from storage.db.database import reading
from storage.db.schema import frames
from storage.frames.ledger import lease
from tests.faults.conftest import MakeSite
from tests.faults.site import RECOVERY_S, START_S, Site, wait_until
from tests.scene import picture

#: Frames are claimed, and have no job yet.
CLAIMED = "before storage.queue.FrameQueue.in_flight 1"
#: The steps from a file to its job; the producer is killed after each. What is leased then has to
#: wait for the end of its lease, so the steps that leave something leased come first.
STEPS = (
    "after producer.dispatch.register 1",
    CLAIMED,
    "after storage.queue.FrameQueue.enqueue 1",
    "before producer.dispatch.register 1",
    "after producer.watch.TreeWatch.add 2",  # in the scan: a directory is watched, and not listed
    "after producer.reconcile.known 1",
    "before producer.coalesce._look 1",  # an event has told of a file
)
#: Shows whether the directory is watched by events: a scan comes five minutes later.
SOON_S = 20.0


def test_a_producer_killed_after_any_step_loses_nothing_and_doubles_nothing(site: Site) -> None:
    # to see it fail: claim frames without a lease only in `claim_pending`, or let Reconciler.take
    # submit nothing that is old
    site.start_worker()
    for number, step in enumerate(STEPS):
        site.upload(10, camera=f"cam-{number % 2}")  # while no producer runs
        if step == CLAIMED:
            let_leases_run_out(site)
        site.start_producer("killed", fault=f"{step} kill")
        upload_until_death(site, "killed")
        assert site.wait_for_death("killed") == -signal.SIGKILL
    site.upload(10)
    seen = site.seen()
    site.start_producer()
    wait_until(lambda: site.seen() > seen, START_S, "the start of a producer")
    site.wait_until_settled()
    site.check_books()
    assert site.scored() == len(site.uploaded)


def test_two_producers_share_a_directory_and_either_may_die(make_site: MakeSite) -> None:
    # to see it fail: insert without ON CONFLICT in `register` (a producer ends), or let
    # Reconciler.take submit and observe nothing (files of the last step are lost)
    site = make_site()
    site.start_worker()
    site.start_producer("first")
    site.start_producer("second")
    site.upload(100)
    wait_until(lambda: site.seen() == 100, START_S, "the entry of all")
    site.upload(100, camera="cam-b")
    site.kill("first")
    site.upload(100, camera="cam-c")
    site.wait_until_settled(START_S)
    site.kill("second")
    site.upload(50, camera="cam-d/deeper")
    site.start_producer("third")
    wait_until(lambda: site.seen() == 350, START_S, "the entry of what arrived meanwhile")
    site.wait_until_settled()
    site.check_books()
    assert site.scored() == 350
    for name in ("first", "second", "third"):
        assert "Traceback" not in site.log(name), "it was not the test that ended it"


def test_files_whose_events_the_kernel_dropped_are_found(make_site: MakeSite) -> None:
    # to see it fail: do nothing in TreeWatch.on_queue_overflow
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip(f"the kernel queues {limit} events: too many to fill the queue in a test")
    site = make_site()
    wait_in_ledger(site, 2)
    wait_until(lambda: has_scanned(site), START_S, "the end of the scan at the start")
    producer = psutil.Process(site.processes["producer"].pid)
    producer.suspend()
    wait_until(lambda: producer.status() == psutil.STATUS_STOPPED, START_S, "that it stands still")
    logs = [site.watch / "cam-a" / name for name in ("a.log", "b.log")]  # no frames
    for _ in range(limit):  # twice as many events as fit
        for file in logs:  # in turns: the kernel merges events that are the same
            file.open("ab").close()
    site.upload(100)
    site.upload(100, camera="cam-b/new/and/deep")
    producer.resume()
    wait_until(lambda: site.seen() == 202, RECOVERY_S, "the entry of all")
    site.upload(1, camera="cam-b/new/and/deep")
    wait_until(lambda: site.seen() == 203, SOON_S, "an event from a directory that was missed")
    site.check_books()


def test_a_burst_into_new_nested_directories_is_found(make_site: MakeSite) -> None:
    # to see it fail: let TreeWatch.on_event tell of no new directory
    site = make_site()
    site.start_producer()
    site.upload(1)
    wait_until(lambda: site.seen() == 1, START_S, "the start of the producer")
    image = picture(1)
    for number in range(30_000):
        name = f"cam-{number % 3}/{number // 1000}/{number // 30}/{number}.png"
        path = site.watch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
        site.uploaded.append(name)
    wait_until(lambda: site.seen() == len(site.uploaded), RECOVERY_S, "the entry of all")
    site.check_books()


def test_frames_that_wait_while_their_directory_is_away_are_scored_when_it_is_back(
    make_site: MakeSite,
) -> None:
    # to see it fail: leave _root_is_there out of `read_frame`: what is missing is quarantined at
    # once
    site = make_site()
    wait_in_ledger(site, 20)
    site.watch.rename(site.directory / "away")
    site.start_worker()
    # the first time they may be put off as uploads that go on
    wait_until(lambda: site.log("worker-1").count("20 later") > 1, START_S, "that they are put off")
    wait_until(lambda: "cannot watch" in site.log("producer"), START_S, "that the producer notices")
    (site.directory / "away").rename(site.watch)
    site.upload(5)
    site.wait_until_settled()
    site.check_books()
    assert site.scored() == 25


def test_frames_that_were_given_up_behind_an_empty_mount_point_come_back_with_it(
    make_site: MakeSite,
) -> None:
    # to see it fail: let `known` count frames that are missing, or leave them as they are in
    # `register`
    site = make_site()
    wait_in_ledger(site, 20)
    site.watch.rename(site.directory / "away")
    site.watch.mkdir()  # what is left where something was mounted
    site.start_worker()
    wait_until(lambda: quarantined(site) == 20, START_S, "that all are missing")
    site.watch.rmdir()
    (site.directory / "away").rename(site.watch)
    wait_until(lambda: site.scored() == 20, RECOVERY_S, "the rows of all")
    site.upload(5)
    site.wait_until_settled()
    site.check_books()


def test_a_directory_that_was_deleted_and_made_anew_is_watched(make_site: MakeSite) -> None:
    # to see it fail: let RootObserver._is_present ask for no scan of a new root, and
    # TreeWatch.on_watch_deleted tell nobody that the watch on it has ended
    site = make_site()
    wait_in_ledger(site, 5)
    shutil.rmtree(site.watch)
    wait_until(lambda: "cannot watch" in site.log("producer"), START_S, "that the producer notices")
    site.upload(5)
    wait_until(lambda: site.seen() == 10, SOON_S, "the entry of what is in the new one")
    site.upload(5, camera="cam-b")
    wait_until(lambda: site.seen() == 15, SOON_S, "the entry of what an event tells of")
    site.check_books()


def test_what_cannot_be_read_holds_up_nothing_and_is_found_when_it_can(
    make_site: MakeSite,
) -> None:
    # to see it fail: leave _look_again out of RootObserver
    site = make_site()
    site.upload(5, camera="closed")
    (site.watch / "closed").chmod(0)
    site.start_producer(under=obeying_permissions(site.watch / "closed"))
    site.upload(5)
    wait_until(lambda: site.seen() == 5, START_S, "the entry of what can be read")
    (site.watch / "closed").chmod(0o700)
    wait_until(lambda: site.seen() == 10, SOON_S, "the entry of what can be read now")
    site.upload(5, camera="closed")
    wait_until(lambda: site.seen() == 15, SOON_S, "the entry of what an event tells of")
    site.watch.chmod(0)
    wait_until(lambda: "cannot watch" in site.log("producer"), START_S, "that the producer notices")
    site.upload(5)  # the camera may do what the producer may not
    site.watch.chmod(0o700)
    wait_until(lambda: site.seen() == 20, SOON_S, "the entry of all")
    site.check_books()


def upload_until_death(site: Site, name: str) -> None:
    """Go on uploading while a process starts, and until it has ended."""

    def ended() -> bool:
        site.upload(1)
        return site.processes[name].poll() is not None

    wait_until(ended, START_S, f"the end of {name}")


def let_leases_run_out(site: Site) -> None:
    """As if the time had passed for which frames in the ledger are not claimed."""
    with reading(site.engine) as connection:
        pending = connection.scalars(select(frames.c.id).where(frames.c.state == "pending")).all()
    lease(site.engine, pending, until=0.0)


def wait_in_ledger(site: Site, count: int) -> None:
    """Let frames be registered while no worker runs."""
    site.start_producer()
    site.upload(count)
    wait_until(lambda: site.seen() == count, START_S, "the start of the producer")


def has_scanned(site: Site) -> bool:
    """Whether the producer has told of a complete scan."""
    with site.redis.client() as redis:
        return any(one.roots[0].scanned_at is not None for one in living_producers(redis))


def quarantined(site: Site) -> int:
    """Number of frames that were given up."""
    return site.books().quarantined


def obeying_permissions(closed: Path) -> tuple[str, ...]:
    """What must stand before a command so that `closed`, which has mode 0, is closed for it."""
    if not os.access(closed, os.R_OK):
        return ()
    override = "-dac_override,-dac_read_search"  # root's way around permissions
    under = ("setpriv", f"--bounding-set={override}", f"--inh-caps={override}")
    try:
        listed = subprocess.run([*under, "ls", closed], check=False, capture_output=True)
    except OSError as error:
        pytest.skip(f"this user can read everything, and cannot be kept from it: {error}")
    if listed.returncode == 0:
        pytest.skip("this user can read everything, and cannot be kept from it")
    return under
