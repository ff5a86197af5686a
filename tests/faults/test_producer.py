"""Producers that die, miss events, or lose their watch directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from producer.heartbeat import living_producers
from storage.db.database import reading
from storage.db.schema import frames
from storage.frames.ledger import lease
from tests.faults.conftest import MakeSite
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.scene import picture
from tests.waiting import wait_until

#: Frames are claimed but have no job yet.
CLAIMED = "before storage.queue.FrameQueue.in_flight 1"
#: The steps from a file to its job; the producer is killed after each. Frames leased by then wait
#: until the lease expires, so the steps that leave leases come first.
STEPS = (
    "after producer.dispatch.register 1",
    CLAIMED,
    "after storage.queue.FrameQueue.enqueue 1",
    "before producer.dispatch.register 1",
    "after producer.watch.TreeWatch.add 2",  # in the scan: a directory is watched, not yet listed
    "after producer.reconcile.known 1",
    "before producer.coalesce._frame_of 1",  # an event has reported a file
)
#: Seconds that only events can meet: the next scan comes five minutes later.
SOON_S = 120.0


def test_a_producer_killed_after_any_step_loses_nothing_and_doubles_nothing(site: Site) -> None:
    # to see it fail: claim frames without a lease only in `claim_pending`, or make Reconciler.take
    # submit no old files
    site.start_worker()
    for number, step in enumerate(STEPS):
        site.upload(10, camera=f"cam-{number % 2}")  # without a running producer
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
    site.check_ledger()
    assert site.scored() == len(site.uploaded)


def test_two_producers_share_a_directory_and_either_may_die(make_site: MakeSite) -> None:
    # to see it fail: insert without ON CONFLICT in `register` (a producer ends), or make
    # Reconciler.take submit and observe nothing (files of the last step are lost)
    site = make_site()
    site.start_worker()
    site.start_producer("first")
    site.start_producer("second")
    site.upload(100)
    wait_until(lambda: site.seen() == 100, START_S, "the registration of all files")
    site.upload(100, camera="cam-b")
    site.kill("first")
    site.upload(100, camera="cam-c")
    site.wait_until_settled(START_S)
    site.kill("second")
    site.upload(50, camera="cam-d/deeper")
    site.start_producer("third")
    wait_until(
        lambda: site.seen() == 350, START_S, "the registration of files that arrived meanwhile"
    )
    site.wait_until_settled()
    site.check_ledger()
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
    wait_until(
        lambda: producer.status() == psutil.STATUS_STOPPED,
        START_S,
        "the suspension of the producer",
    )
    logs = [site.watch / "cam-a" / name for name in ("a.log", "b.log")]  # no frames
    for _ in range(limit):  # twice as many events as the queue holds
        for file in logs:  # alternating: the kernel merges equal consecutive events
            file.open("ab").close()
    site.upload(100)
    site.upload(100, camera="cam-b/new/and/deep")
    producer.resume()
    wait_until(lambda: site.seen() == 202, RECOVERY_S, "the registration of all files")
    site.upload(1, camera="cam-b/new/and/deep")
    wait_until(lambda: site.seen() == 203, SOON_S, "an event from a missed directory")
    site.check_ledger()


def test_a_burst_into_new_nested_directories_is_found(make_site: MakeSite) -> None:
    # to see it fail: make TreeWatch.on_event report no new directory
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
    wait_until(
        lambda: site.seen() == len(site.uploaded), RECOVERY_S, "the registration of all files"
    )
    site.check_ledger()


def test_frames_that_wait_while_their_directory_is_away_are_scored_when_it_is_back(
    make_site: MakeSite,
) -> None:
    # to see it fail: skip _root_is_there in `read_frame`: missing files are quarantined at
    # once
    site = make_site()
    wait_in_ledger(site, 20)
    site.watch.rename(site.directory / "away")
    site.start_worker()
    # the first time they may be postponed as unfinished uploads
    wait_until(
        lambda: site.said_to_be("postponed", "worker-1") >= 40, START_S, "a second postponement"
    )
    wait_until(
        lambda: "cannot watch" in site.log("producer"), START_S, "a log line about the outage"
    )
    (site.directory / "away").rename(site.watch)
    site.upload(5)
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 25


def test_frames_that_were_given_up_behind_an_empty_mount_point_come_back_with_it(
    make_site: MakeSite,
) -> None:
    # to see it fail: make `known` include missing frames, or leave them unchanged in
    # `register`
    site = make_site()
    wait_in_ledger(site, 20)
    site.watch.rename(site.directory / "away")
    site.watch.mkdir()  # the empty mount point
    site.start_worker()
    wait_until(lambda: quarantined(site) == 20, START_S, "the quarantine of all as missing")
    site.watch.rmdir()
    (site.directory / "away").rename(site.watch)
    wait_until(lambda: site.scored() == 20, RECOVERY_S, "the rows of all")
    site.upload(5)
    site.wait_until_settled()
    site.check_ledger()


def test_a_directory_that_was_deleted_and_made_anew_is_watched(make_site: MakeSite) -> None:
    # to see it fail: make RootObserver._is_present request no scan of a new root, and
    # TreeWatch.on_watch_deleted not report that its watch has ended
    site = make_site()
    wait_in_ledger(site, 5)
    shutil.rmtree(site.watch)
    wait_until(
        lambda: "cannot watch" in site.log("producer"), START_S, "a log line about the outage"
    )
    site.upload(5)
    wait_until(lambda: site.seen() == 10, SOON_S, "the registration of files in the new directory")
    site.upload(5, camera="cam-b")
    wait_until(lambda: site.seen() == 15, SOON_S, "the registration of files reported by events")
    site.check_ledger()


def test_what_cannot_be_read_holds_up_nothing_and_is_found_when_it_can(
    make_site: MakeSite,
) -> None:
    # to see it fail: remove _look_again from RootObserver
    site = make_site()
    site.upload(5, camera="closed")
    (site.watch / "closed").chmod(0)
    site.start_producer(under=obeying_permissions(site.watch / "closed"))
    site.upload(5)
    wait_until(lambda: site.seen() == 5, START_S, "the registration of readable files")
    (site.watch / "closed").chmod(0o700)
    wait_until(lambda: site.seen() == 10, SOON_S, "the registration of files readable now")
    site.upload(5, camera="closed")
    wait_until(lambda: site.seen() == 15, SOON_S, "the registration of files reported by events")
    site.watch.chmod(0)
    wait_until(
        lambda: "cannot watch" in site.log("producer"), START_S, "a log line about the outage"
    )
    site.upload(5)  # the camera has permissions that the producer lacks
    site.watch.chmod(0o700)
    wait_until(lambda: site.seen() == 20, SOON_S, "the registration of all files")
    site.check_ledger()


def upload_until_death(site: Site, name: str) -> None:
    """Keep uploading, 20 files a second, while a process starts and until it has ended."""
    started, uploaded = time.monotonic(), 0

    def ended() -> bool:
        nonlocal uploaded
        if uploaded < 20 * (time.monotonic() - started):  # all of them have to be scored
            site.upload(1)
            uploaded += 1
        return site.processes[name].poll() is not None

    wait_until(ended, START_S, f"the end of {name}")


def let_leases_run_out(site: Site) -> None:
    """Expire the leases of all pending frames."""
    with reading(site.engine) as connection:
        pending = connection.scalars(select(frames.c.id).where(frames.c.state == "pending")).all()
    lease(site.engine, pending, until=0.0)


def wait_in_ledger(site: Site, count: int) -> None:
    """Register frames while no worker runs."""
    site.start_producer()
    site.upload(count)
    wait_until(lambda: site.seen() == count, START_S, "the start of the producer")


def has_scanned(site: Site) -> bool:
    """Whether the producer has reported a complete scan."""
    with site.redis.client() as redis:
        return any(one.roots[0].scanned_at is not None for one in living_producers(redis))


def quarantined(site: Site) -> int:
    """Number of quarantined frames."""
    return site.ledger_counts().quarantined


def obeying_permissions(closed: Path) -> tuple[str, ...]:
    """A command prefix for which `closed`, of mode 0, is unreadable."""
    if not os.access(closed, os.R_OK):
        return ()
    override = (
        "-dac_override,-dac_read_search"  # the capabilities by which root bypasses permissions
    )
    under = ("setpriv", f"--bounding-set={override}", f"--inh-caps={override}")
    try:
        listed = subprocess.run([*under, "ls", closed], check=False, capture_output=True)
    except OSError as error:
        pytest.skip(f"this user can read everything, and cannot be kept from it: {error}")
    if listed.returncode == 0:
        pytest.skip("this user can read everything, and cannot be kept from it")
    return under
