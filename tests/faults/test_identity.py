"""One row for each content at a place, whatever uploaders do to times, names and folders.

Every test runs with inotify and with polling, on SQLite and on Postgres.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import psycopg
import pytest
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import results
from tests.faults.conftest import making_sites
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.scene import picture
from tests.waiting import wait_until
from thermal.detection.bundle import Bundle

#: The time that a camera without a battery sends again and again: 2000-01-01.
STUCK_S = 946_684_800.0


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((observer, database), id=f"{observer}-{database}")
        for observer in ("inotify", "polling")
        for database in ("sqlite", "postgres")
    ],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bundle: Bundle
) -> Iterator[Site]:
    """A running site."""
    observer, database = request.param
    url = "sqlite"
    if database == "postgres":
        server = str(request.getfixturevalue("_postgres_server"))
        name = f"identity_{observer}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = server.replace("/postgres?", f"/{name}?")
    with making_sites(tmp_path_factory.mktemp("site"), bundle) as make:
        site = make(
            url,
            THERMALWATCH_WATCHING_OBSERVER=observer,
            THERMALWATCH_WATCHING_SCAN_S="2",
            THERMALWATCH_WATCHING_SETTLE_S="0.3",
        )
        site.start_producer()
        site.start_worker()
        wait_until(lambda: bool(site.workers()), START_S, "the start of the worker")
        yield site


def image(number: int, *, hot: bool = False) -> bytes:
    """An uncompressed image: all have the same size."""
    pixels = cv2.imdecode(np.frombuffer(picture(number, hot=hot), np.uint8), -1)
    assert pixels is not None
    return cv2.imencode(".bmp", pixels)[1].tobytes()


def results_below(site: Site, folder: str) -> list[tuple[str, str]]:
    """Path and SHA-256 of every result of the images in a folder, in order of arrival."""
    query = select(results.c.image_path, results.c.sha256).order_by(results.c.id)
    with reading(site.engine) as connection:
        rows = connection.execute(query.where(results.c.image_path.startswith(folder + "/")))
        return [(row[0], row[1]) for row in rows]


def outcomes(site: Site, *paths: str) -> list[list[str]]:
    """The outcomes of the frames of each path."""
    return [site.outcomes(path) for path in paths]


def wait_for(site: Site, *expected: tuple[str, list[str]]) -> None:
    site.wait_for(dict(expected))
    check(site)


def check(site: Site) -> None:
    """Check that nothing is left to do, and that the ledger counts balance."""
    wait_until(lambda: site.ledger_counts().pending == 0, RECOVERY_S, "an outcome for all")
    site.check_ledger()


@contextmanager
def stopped(site: Site, name: str) -> Iterator[None]:
    """Stop a process for a while."""
    process = site.processes[name]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def replace_whole(path: Path, data: bytes) -> None:
    """Upload as rsync does: under a hidden name, set the time, rename."""
    hidden = path.with_name(f".{path.name}.x7Yz")
    hidden.write_bytes(data)
    os.utime(hidden, (STUCK_S, STUCK_S))
    hidden.rename(path)


def overwrite(path: Path, data: bytes) -> None:
    """Upload as an FTP server does: overwrite, close, set the time."""
    path.write_bytes(data)
    os.utime(path, (STUCK_S, STUCK_S))


@pytest.mark.parametrize("upload", [replace_whole, overwrite])
def test_every_content_of_a_ring_buffer_is_scored_if_its_clock_stands_still(
    site: Site, upload: Callable[[Path, bytes], None]
) -> None:
    # to see it fail: leave ctime out of the hint
    camera = "ring-whole" if upload is replace_whole else "ring"
    site.uploaded.append(f"{camera}/latest.bmp")
    (site.watch / camera).mkdir()
    for number in range(6):
        upload(site.watch / camera / "latest.bmp", image(number, hot=number % 3 == 2))
        wait_until(
            lambda: len(results_below(site, camera)) == number + 1,  # noqa: B023
            RECOVERY_S,
            f"a result for upload {number}",
        )
    check(site)
    assert len(set(results_below(site, camera))) == 6


@pytest.mark.parametrize("late", ["at once", "after the score"])
def test_an_upload_whose_time_is_set_after_closing_has_one_result(site: Site, late: str) -> None:
    # to see it fail: don't look for the content that was last read at the place
    camera = f"times-{late}".replace(" ", "-")
    names = [f"{camera}/{number}.bmp" for number in range(3)]
    for number, name in enumerate(names):
        site.put(name, image(100 + number))
        if late == "after the score":
            wait_for(site, (name, ["scored"]))
        os.utime(site.watch / name, (STUCK_S, STUCK_S))
        site.wait_until_seen(name)
    assert len(results_below(site, camera)) == len(names)
    assert {path for path, _ in results_below(site, camera)} == set(names)
    check(site)


def test_a_time_set_late_is_the_time_of_capture(site: Site) -> None:
    # to see it fail: don't correct the capture in `_refresh_originals`
    name = site.put("late/a.bmp", image(110))
    wait_for(site, (name, ["scored"]))
    os.utime(site.watch / name, (STUCK_S, STUCK_S))
    site.wait_until_seen(name)
    with reading(site.engine) as connection:
        captured = select(results.c.captured_at).where(results.c.image_path == name)
        assert connection.scalars(captured).all() == [STUCK_S]
    check(site)


def test_an_upload_repeated_under_its_name_is_the_same_frame(site: Site) -> None:
    # to see it fail: as above
    name = site.put("again/a.bmp", image(120))
    wait_for(site, (name, ["scored"]))
    for _ in range(2):
        site.put(name, image(120))
        site.wait_until_seen(name)
    assert outcomes(site, name) == [["scored"]]
    check(site)


def test_a_file_given_other_permissions_is_not_scored_again(site: Site) -> None:
    # to see it fail: as above
    name = site.put("modes/a.bmp", image(130))
    wait_for(site, (name, ["scored"]))
    (site.watch / name).chmod(0o640)
    site.wait_until_seen(name)
    assert outcomes(site, name) == [["scored"]]
    check(site)


def test_an_upload_renamed_to_its_final_name_has_one_result(site: Site) -> None:
    # to see it fail: don't look for the same content elsewhere
    early, final = "renamed/upload.bmp", "renamed/shot.bmp"
    site.put(early, image(140, hot=True))
    wait_for(site, (early, ["scored"]))
    (site.watch / early).rename(site.watch / final)
    site.uploaded.append(final)
    wait_for(site, (early, ["scored"]), (final, ["duplicate"]))


@pytest.mark.parametrize("what", ["day folder", "camera folder"])
def test_images_of_a_renamed_folder_keep_their_only_result(site: Site, what: str) -> None:
    # to see it fail: as above
    old, new = ("days/today", "days/2026-11-27") if what == "day folder" else ("north", "north-1")
    names = [f"{number}.bmp" for number in range(4)]
    for number, name in enumerate(names):
        site.put(f"{old}/{name}", image(150 + number + 10 * len(what), hot=number == 2))
    wait_for(site, *((f"{old}/{name}", ["scored"]) for name in names))
    (site.watch / old).rename(site.watch / new)
    site.uploaded += [f"{new}/{name}" for name in names]
    wait_for(site, *((f"{new}/{name}", ["duplicate"]) for name in names))
    assert len(results_below(site, old)) == len(names)
    assert results_below(site, new) == []


def test_a_file_moved_before_it_was_read_is_not_missing(site: Site) -> None:
    # to see it fail: don't look for successors
    early, final = "hasty/upload.bmp", "hasty/shot.bmp"
    with stopped(site, "worker-1"):
        site.put(early, image(180))
        wait_until(lambda: bool(site.outcomes(early)), RECOVERY_S, "its registration")
        (site.watch / early).rename(site.watch / final)
        site.uploaded.append(final)
        wait_until(lambda: bool(site.outcomes(final)), RECOVERY_S, "its registration")
    wait_for(site, (early, ["duplicate"]), (final, ["scored"]))


def test_a_copy_and_the_same_image_of_another_camera_are_scored(site: Site) -> None:
    # to see it fail: take any frame with the same content for a repeat
    names = ["copies/a.bmp", "copies/b.bmp", "other-camera/a.bmp"]
    for name in names:
        site.put(name, image(190))
        wait_for(site, (name, ["scored"]))


def test_what_replaced_an_unread_file_is_registered_with_its_outcome(site: Site) -> None:
    # to see it fail: don't register successors, or leave ctime out of the hint
    name = "replaced/latest.bmp"
    site.uploaded.append(name)
    (site.watch / "replaced").mkdir()
    with stopped(site, "worker-1"):
        replace_whole(site.watch / name, image(200))
        wait_until(lambda: site.has_job(name), RECOVERY_S, "its job")
        site.kill("producer")
        overwrite(site.watch / name, image(201, hot=True))
    try:
        site.wait_for({name: ["superseded", "pending"]})  # nobody queues it now
    finally:
        site.start_producer()
    wait_for(site, (name, ["superseded", "scored"]))
