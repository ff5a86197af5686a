"""Uploads that are slow, interrupted, renamed, overwriting, or have wrong dates.

Names, contents and kinds of files are in `test_files.py`.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import frames, results
from tests.faults.conftest import MakeSite
from tests.faults.images import large_picture
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.scene import picture
from tests.waiting import wait_until

#: Bytes per write, and the pause after each in seconds; 20 KB take about 2 s.
STEP_BYTES, STEP_S = 1024, 0.05
#: Seconds for which the connection hangs halfway: longer than the grace period.
HANGS_S = 3.0
GRACE_S = 2.0

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that holds the error of the site's clock, in seconds."""
    file = tmp_path_factory.mktemp("clock") / "wrong_by_s"
    file.write_text("0")
    return file


@pytest.fixture(scope="module")
def site(make_lasting_site: MakeSite, clock: Path) -> Site:
    """A running site that scans often enough to find half-written files."""
    site = make_lasting_site(
        THERMALWATCH_WATCHING_SCAN_S="1",
        THERMALWATCH_WATCHING_SETTLE_S="0.5",
        TESTS_CLOCK=str(clock),
    )
    site.start_producer()
    site.start_worker()
    wait_until(lambda: bool(site.workers()), START_S, "the start of the worker")
    return site


def check(site: Site) -> None:
    """Check that the stream goes on and the ledger counts balance."""
    site.upload(3)
    site.wait_for({path: ["scored"] for path in site.uploaded[-3:]})
    wait_until(lambda: site.ledger_counts().pending == 0, RECOVERY_S, "an outcome for all")
    site.check_ledger()


def scored_content(site: Site, path: str) -> list[str]:
    """SHA-256 of each content scored under this name, in order of arrival."""
    query = select(results.c.sha256).where(results.c.image_path == path).order_by(results.c.id)
    with reading(site.engine) as connection:
        return list(connection.scalars(query))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def stopped(site: Site, name: str) -> Iterator[None]:
    """Suspend a process during the block."""
    site.processes[name].send_signal(signal.SIGSTOP)
    yield
    site.processes[name].send_signal(signal.SIGCONT)


# One file, uploaded in any way.


def steps(data: bytes, *, hang: bool = True) -> Iterator[bytes]:
    """The pieces of an upload over a slow connection that hangs halfway."""
    for start in range(0, len(data), STEP_BYTES):
        yield data[start : start + STEP_BYTES]
        half = start <= len(data) // 2 < start + STEP_BYTES
        time.sleep(HANGS_S if half and hang else STEP_S)


def in_place(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        for piece in steps(data):
            file.write(piece)
            file.flush()


def taken_up_again(path: Path, data: bytes) -> None:
    """A client that reconnects for every piece: each close looks like the end of the file."""
    for piece in steps(data):
        with path.open("ab") as file:
            file.write(piece)


def begun_again(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        for piece in steps(data[: len(data) * 2 // 3]):
            file.write(piece)
            file.flush()
    in_place(path, data)


def deleted_and_begun_again(path: Path, data: bytes) -> None:
    in_place(path, data[: len(data) * 2 // 3])
    path.unlink()
    in_place(path, data)


def under_a_temporary_name(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.part")
    in_place(temporary, data)
    temporary.rename(path)


def under_a_hidden_name(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.x7Gh2k")
    in_place(temporary, data)
    temporary.rename(path)


def in_a_hidden_directory(path: Path, data: bytes) -> None:
    directory = path.parent / ".incoming"
    directory.mkdir(exist_ok=True)
    in_place(directory / path.name, data)
    (directory / path.name).rename(path)


def with_reserved_space(path: Path, data: bytes) -> None:
    """Like clients that create the file at full length and fill it from the start."""
    with path.open("wb") as file:
        file.truncate(len(data))
        for piece in steps(data):
            file.write(piece)
            file.flush()


def with_its_date_kept(path: Path, data: bytes) -> None:
    in_place(path, data)
    os.utime(path, (0, 1.6e9))


def as_a_hard_link(path: Path, data: bytes) -> None:
    original = path.with_name(f".{path.name}")
    in_place(original, data)
    os.link(original, path)


MANNERS: tuple[Callable[[Path, bytes], None], ...] = (
    in_place,
    taken_up_again,
    begun_again,
    deleted_and_begun_again,
    under_a_temporary_name,
    under_a_hidden_name,
    in_a_hidden_directory,
    with_reserved_space,
    with_its_date_kept,
    as_a_hard_link,
)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp"])
def test_an_upload_is_scored_whole_and_once_however_slowly_it_comes(
    site: Site, suffix: str
) -> None:
    # to see it fail: remove both identity checks from _read_unchanged, and forget what was read at
    # the place (a later version is scored twice)
    assert HANGS_S > GRACE_S
    # in a BMP, zero pixels and pixels not yet written look the same
    manners = [m for m in MANNERS if (m, suffix) != (with_reserved_space, ".bmp")]
    data = {
        f"{manner.__name__}{suffix[1:]}/slow{suffix}": large_picture(number, suffix)
        for number, manner in enumerate(manners)
    }
    for path in data:
        (site.watch / path).parent.mkdir()
    site.uploaded += data
    with ThreadPoolExecutor(len(manners)) as pool:
        for manner, (path, whole) in zip(manners, data.items(), strict=True):
            pool.submit(manner, site.watch / path, whole)
    wait_until(lambda: all(scored_content(site, p) for p in data), RECOVERY_S, "a score for all")
    check(site)
    for path, whole in data.items():
        assert scored_content(site, path) == [sha256(whole)], path
        *earlier, last = site.outcomes(path)
        assert last == "scored", path
        # a file unchanged for longer than an upload may pause counts as complete, even if half
        assert set(earlier) <= {"corrupt", "empty", "superseded", "missing"}, (path, earlier)
    hidden = [path for path in data if path.startswith(("under", "in_a", "as_a"))]
    assert all(site.outcomes(path) == ["scored"] for path in hidden), "found before it was whole"


# One name, several files.


def test_a_file_that_is_overwritten_has_an_outcome_for_every_version(site: Site) -> None:
    # to see it fail: drop the times from `hint`
    path = site.watch / "cam-a" / "latest.jpg"
    site.uploaded.append("cam-a/latest.jpg")
    versions: dict[tuple[int, int], str] = {}

    def write(number: int) -> None:
        data = large_picture(number, ".jpg")
        path.write_bytes(data)
        status = path.stat()
        versions[status.st_mtime_ns, status.st_size] = sha256(data)

    path.parent.mkdir(exist_ok=True)
    for number in range(8):  # each version stays until it is scored
        write(1000 + number)
        newest = list(versions.values())[-1]
        wait_until(lambda: newest in scored_content(site, "cam-a/latest.jpg"), RECOVERY_S, newest)  # noqa: B023
    for number in range(40):  # written as fast as possible
        write(2000 + number)
    newest = list(versions.values())[-1]
    wait_until(
        lambda: newest in scored_content(site, "cam-a/latest.jpg"),
        RECOVERY_S,
        "a score for the last version",
    )
    check(site)

    with reading(site.engine) as connection:
        query = select(frames.c.mtime_ns, frames.c.size, frames.c.state, results.c.sha256)
        joined = query.outerjoin(results, results.c.frame_id == frames.c.id)
        rows = connection.execute(joined.where(frames.c.path == "cam-a/latest.jpg")).all()
    assert {row.state for row in rows} <= {"scored", "superseded"}
    for row in rows:
        if row.state == "scored":
            assert row.sha256 == versions[row.mtime_ns, row.size], "a score of other content"
    assert len({row.sha256 for row in rows if row.sha256}) >= 9


def test_a_file_that_is_touched_is_not_scored_again(site: Site) -> None:
    # to see it fail: don't look for the content that was last read at the place
    path = site.put("cam-a/touched.png", picture(1))
    site.wait_for({path: ["scored"]})
    (site.watch / path).chmod(0o600)
    (site.watch / path).rename(site.watch / "cam-a" / ".away")
    (site.watch / "cam-a" / ".away").rename(site.watch / path)
    check(site)
    assert site.outcomes(path) == ["scored"]
    os.utime(site.watch / path)
    site.wait_until_seen(path)
    check(site)
    assert site.outcomes(path) == ["scored"]


def test_a_file_that_is_deleted_before_it_is_read_is_missing_until_it_is_back(site: Site) -> None:
    # to see it fail: make `register` leave missing frames unchanged
    with stopped(site, "worker-1"):
        deleted = site.put("cam-a/deleted.png", picture(1))
        away = site.put("cam-a/away.png", picture(2))
        wait_until(
            lambda: bool(site.outcomes(deleted) and site.outcomes(away)),
            RECOVERY_S,
            "their registration",
        )
        (site.watch / deleted).unlink()
        (site.watch / away).rename(site.watch / "away")
    site.wait_for({deleted: ["missing"], away: ["missing"]})
    check(site)
    (site.watch / "away").rename(site.watch / away)
    site.wait_for({deleted: ["missing"], away: ["scored"]})
    check(site)


# Clocks.

#: Unix s: before 1970, in 1970, 2009 and 2100, and one beyond the range of nanoseconds.
DATES = (-1e9, 0.0, 1.25e9, 4.1e9, 1e10)


def test_files_of_any_date_have_their_outcome(site: Site) -> None:
    # to see it fail: count the grace period from the file's date in _may_still_be_uploaded and
    # drop MAX_ATTEMPTS there, or drop the limits from `ledger_mtime_ns`
    expected: dict[str, list[str]] = {}
    for number, date in enumerate(DATES):
        for data, outcome in ((picture(number), "scored"), (picture(number)[:300], "corrupt")):
            hidden = site.watch / f".{outcome}"
            hidden.write_bytes(data)
            os.utime(hidden, (0, date))
            path = f"dated/{number}-{outcome}.png"
            (site.watch / path).parent.mkdir(exist_ok=True)
            hidden.rename(site.watch / path)
            expected[path] = [outcome]
    site.uploaded += expected
    site.wait_for(expected)
    check(site)
    with reading(site.engine) as connection:
        dates = connection.scalars(select(frames.c.mtime_ns).where(frames.c.path.in_(expected)))
        assert all(isinstance(date, int) and abs(date) < 1 << 63 for date in dates)  # for Postgres


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S])
def test_a_clock_that_jumps_holds_up_nothing(site: Site, clock: Path, jump_s: float) -> None:
    # to see it fail: drop LONGEST_LEASE_S from claim_pending (backward), or let leases never
    # expire there (forward)
    def set_clock(wrong_by_s: float) -> None:
        clock.with_name("next").write_text(str(wrong_by_s))
        clock.with_name("next").replace(clock)

    before = site.put(f"clock/before{jump_s:+.0f}.png", picture(1)[:300])
    wait_until(lambda: leased(site, before), RECOVERY_S, "its first attempt")
    set_clock(jump_s)
    (site.watch / before).write_bytes(picture(1))
    broken = site.put(f"clock/broken{jump_s:+.0f}.png", picture(2)[:300])
    good = [site.put(f"clock/{number}{jump_s:+.0f}.png", picture(number)) for number in range(20)]
    site.wait_for({path: ["scored"] for path in good})
    site.wait_for({before: ["superseded", "scored"], broken: ["corrupt"]})
    check(site)
    set_clock(0)
    check(site)


def leased(site: Site, path: str) -> bool:
    """Whether a worker has postponed the file."""
    query = select(frames.c.attempts).where(frames.c.path == path)
    with reading(site.engine) as connection:
        return any(connection.scalars(query))
