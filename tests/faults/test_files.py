"""Files of any name, content and kind get an outcome and stop nothing.

The ways of uploading (slow, overwriting, with wrong dates) are in `test_uploads.py`.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from producer.heartbeat import living_producers
from storage.db.database import reading
from storage.db.schema import results
from tests.faults.conftest import MakeSite
from tests.faults.images import bombs, large_picture
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.scene import picture
from tests.thermal.decode.samples import samples
from tests.waiting import wait_until
from thermal.decode import IMAGE_SUFFIXES, decode
from thermal.errors import DecodeError

#: Reasons for which a file of arbitrary content may be quarantined.
OF_CONTENT = {
    "empty",
    "corrupt",
    "unsupported",
    "too_large",
    "unit_mismatch",
    "shape_mismatch",
}

GIB = 1 << 30

#: Makes root respect file permissions, as other users do anyway.
MINDING = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    if os.geteuid() == 0 and shutil.which("setpriv")
    else ()
)
MINDS_PERMISSIONS = os.geteuid() != 0 or bool(MINDING)


@pytest.fixture(scope="module")
def site(make_lasting_site: MakeSite) -> Site:
    """A running site that scans its directory every second."""
    site = make_lasting_site(
        THERMALWATCH_WATCHING_SCAN_S="1",
        THERMALWATCH_WATCHING_SETTLE_S="0.2",
        THERMALWATCH_PICTURES_KEEP="all",
    )
    site.start("producer", "produce", "--watch", str(site.watch), under=MINDING)
    site.start("worker-1", "work", "--model", str(site.model), under=MINDING)
    wait_until(lambda: bool(site.workers()), START_S, "the start of the worker")
    return site


def check(site: Site) -> None:
    """Check that the stream goes on and the ledger counts balance."""
    site.upload(3)
    site.wait_for({path: ["scored"] for path in site.uploaded[-3:]})
    wait_until(lambda: site.ledger_counts().pending == 0, RECOVERY_S, "an outcome for all")
    site.check_ledger()


def wait_for_scan(site: Site) -> None:
    """Wait for the end of a scan that starts after this call."""
    now = time.time()

    def has_scanned() -> bool:
        with site.redis.client() as redis:
            roots = [root for beat in living_producers(redis) for root in beat.roots]
        return any((root.scanned_at or 0) - (root.scan_s or 0) > now for root in roots)

    wait_until(has_scanned, RECOVERY_S, "a scan")


#: 255 bytes, the longest name allowed.
LONGEST = "ü" * 125 + "x.png"

NAMES = (
    b"line\nbreak.png",
    b"quotes '\"`.png",
    b"back\\slash \\xff.png",
    b"not utf-8 \xff\xfe\x80.png",
    b"bell\x07 and escape \x1b[31m.png",
    b"-rf --help.png",
    b"%s %d {} $HOME `id` $(id); id & | < >.png",
    " leading, trailing , and \u202eright to left.png".encode(),
    b".png.PNG",
    b"dots..png",
    b"A.png",
    b"a.png",
    b"a.PNG",
    LONGEST.encode(),
    b"cam \xff\n'\"/x.png",
    b"\xff" * 255 + b"/x.png",  # four times as long in its ledger form
    b"/".join([b"d" * 200] * 15) + b"/deep.png",  # Postgres could not index it in full
)


def test_files_of_any_name_are_scored(site: Site) -> None:
    # to see it fail: make path_to_text decode with "replace", _directory_name return the camera
    # unchanged, or `_by_name` accept a leading dot
    names = [os.fsdecode(name) for name in NAMES]
    visible = [name for name in names if not name.startswith(".")]
    paths = [site.put(name, large_picture(number)) for number, name in enumerate(visible)]
    assert len(set(paths)) == len(NAMES) - 1
    site.wait_for({path: ["scored"] for path in paths})
    with reading(site.engine) as connection:
        query = select(results.c.camera, results.c.sheet_picture)
        rows = connection.execute(query.where(results.c.image_path.in_(paths))).all()
    for row in rows:
        assert (site.data / "pictures" / row.sheet_picture).read_bytes().startswith(b"\x89PNG")
    hidden = site.watch / ".png.PNG"
    hidden.write_bytes(picture(1))
    wait_for_scan(site)
    assert site.outcomes(".png.PNG") == []
    check(site)


def test_files_that_are_no_images_are_quarantined_with_the_reason(site: Site) -> None:
    # to see it fail: make `_reason` of thermal.inspection always return "corrupt"
    whole = large_picture(1)
    content = {
        "empty.png": (b"", "empty"),
        "empty.csv": (b"", "empty"),
        "half.png": (whole[: len(whole) // 2], "corrupt"),
        "half.jpg": (large_picture(1, ".jpg")[:2000], "corrupt"),
        "half.tiff": (large_picture(1, ".tiff")[:2000], "corrupt"),
        "half.bmp": (large_picture(1, ".bmp")[:2000], "corrupt"),
        "reserved.png": (bytes(4096), "corrupt"),
        "text.jpg": (b"dear operator, this is text", "unsupported"),
        "page.png": (b"<html>502 Bad Gateway</html>", "unsupported"),
        "archive.png": (b"PK\x03\x04" + bytes(100), "unsupported"),
        "program.png": (b"\x7fELF" + bytes(range(256)), "unsupported"),
        "degrees.csv": (b"20.5,21\n22,23\n", "unit_mismatch"),
    }
    expected = {site.put(f"bad/{name}", data): [word] for name, (data, word) in content.items()}
    # the suffix says nothing about the content
    expected |= {
        site.put("bad/png.jpg", whole): ["scored"],
        site.put("bad/jpg.tiff", large_picture(1, ".jpg")): ["scored"],
        site.put("bad/bmp.csv", large_picture(1, ".bmp")): ["scored"],
    }
    site.wait_for(expected)
    check(site)


def test_decompression_bombs_take_neither_the_worker_nor_its_memory(site: Site) -> None:
    # to see it fail: remove the limits from check_size or _unpack in thermal.decode.raster, or
    # the limit on scans from thermal.decode.jpeg
    worker = psutil.Process(site.processes["worker-1"].pid)
    before = worker.cpu_times().user
    site.wait_for({site.put(f"bomb/{n}", d): [word] for n, (d, word) in bombs().items()})
    assert worker.is_running()
    assert peak_bytes(worker.pid) < 2 * GIB
    assert worker.cpu_times().user - before < 30
    check(site)


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def random_bytes(chance: random.Random) -> bytes:
    """Only noise, noise after a valid beginning, or a valid file with noise in it."""
    noise = chance.randbytes(chance.choice((1, 8, 60, 500, 4000)))
    true = chance.choice(sorted(samples().values())) if chance.random() < 0.7 else b""
    cut = chance.randrange(len(true) + 1)
    if chance.random() < 0.5:
        return true[:cut] + noise
    changed = bytearray(true)
    for at in range(0, len(true), chance.choice((7, 50, 400))):
        changed[at] ^= chance.getrandbits(8)
    return bytes(changed) or noise


def test_five_thousand_random_contents_are_decoded_or_refused() -> None:
    # to see it fail: let read_directory in thermal.decode.tiff raise struct.error
    chance = random.Random(7)
    suffixes = sorted(IMAGE_SUFFIXES)
    decoded = 0
    for _ in range(5000):
        data, suffix = random_bytes(chance), chance.choice(suffixes)
        try:
            decoded += decode(data, suffix=suffix).values.size > 0
        except DecodeError as error:
            assert str(error), data
    assert 0 < decoded < 2500


def test_random_contents_do_not_hold_up_the_stream(site: Site) -> None:
    # to see it fail: let `thermal.inspect` raise DecodeError
    chance = random.Random(11)
    suffixes = sorted(IMAGE_SUFFIXES)
    random_paths = [
        site.put(f"fuzz/{number:03}{chance.choice(suffixes)}", random_bytes(chance))
        for number in range(300)
    ]
    good = [site.put(f"fuzz/good-{number}.png", picture(number)) for number in range(20)]
    site.wait_for({path: ["scored"] for path in good})
    wait_until(lambda: site.ledger_counts().pending == 0, RECOVERY_S, "an outcome for all")
    found = Counter(outcome for path in random_paths for outcome in site.outcomes(path))
    assert set(found) <= OF_CONTENT | {"scored"}
    assert found["corrupt"] > 50
    check(site)


def test_what_is_no_regular_file_is_left_alone(site: Site, tmp_path: Path) -> None:
    # to see it fail: follow links in `walk` and in TreeWatch.add, or remove the S_ISREG check
    # from `frame_at`
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(picture(1))
    kinds = site.watch / "kinds"
    site.wait_for(
        {site.put("kinds/first.png", picture(3)): ["scored"]}
    )  # so that events report them
    (kinds / "loop").symlink_to(kinds, target_is_directory=True)
    (kinds / "up").symlink_to(site.watch, target_is_directory=True)
    (kinds / "itself.png").symlink_to(kinds / "itself.png")
    (kinds / "dangling.png").symlink_to(kinds / "nowhere.png")
    (kinds / "file-outside.png").symlink_to(outside / "secret.png")
    (kinds / "outside").symlink_to(outside, target_is_directory=True)
    os.mkfifo(kinds / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        # a socket's address must be short, its directory entry need not be
        listener.bind(f"{site.redis.socket.parent}/x.png")
        Path(f"{site.redis.socket.parent}/x.png").rename(kinds / "socket.png")
    if os.geteuid() == 0:
        os.mknod(kinds / "zero.png", 0o644 | stat.S_IFCHR, os.makedev(1, 5))  # endless
    inside = site.put("kinds/directory.png/inside.png", picture(2))
    (kinds / "empty.png").mkdir()
    wait_for_scan(site)
    site.wait_for({inside: ["scored"]})
    check(site)  # none of these is in `uploaded`, so no frame may exist for them


def test_what_takes_the_place_of_a_known_file_is_not_read(site: Site, tmp_path: Path) -> None:
    # to see it fail: open files by their path in worker.reading, or remove O_NOFOLLOW from _PASS
    # in storage.files.paths
    (tmp_path / "secret.png").write_bytes(picture(1))
    kinds = ("link", "fifo", "directory", "gone")
    paths = {kind: site.put(f"swap/{kind}.png", b"not an image yet") for kind in kinds}
    paths["way"] = site.put("swap/way/secret.png", b"not an image yet")
    wait_until(lambda: all(map(site.outcomes, paths.values())), RECOVERY_S, "their registration")
    for path in paths.values():
        (site.watch / path).unlink()
    (site.watch / paths["link"]).symlink_to(tmp_path / "secret.png")
    os.mkfifo(site.watch / paths["fifo"])
    (site.watch / paths["directory"]).mkdir()
    (site.watch / "swap" / "way").rmdir()
    (site.watch / "swap" / "way").symlink_to(tmp_path, target_is_directory=True)
    site.wait_for(
        {
            paths["link"]: ["outside_root"],
            paths["fifo"]: ["not_regular"],
            paths["directory"]: ["not_regular"],
            paths["gone"]: ["missing"],
        }
    )
    # a late event may have reported what is behind the link by then: refused as well
    wait_until(
        lambda: set(site.outcomes(paths["way"])) == {"outside_root"}, RECOVERY_S, "its refusal"
    )
    check(site)


@pytest.mark.skipif(not MINDS_PERMISSIONS, reason="root reads everything, and setpriv is missing")
def test_a_file_that_may_not_be_read_is_quarantined_and_comes_back(site: Site) -> None:
    # to see it fail: treat PermissionError in read_frame as an outage of the disk
    path = site.put("closed/a.png", picture(1))
    (site.watch / path).chmod(0)
    hidden = site.watch / "closed" / "directory"
    hidden.mkdir(mode=0)
    site.wait_for({path: ["unreadable"]})
    check(site)
    (site.watch / path).chmod(0o644)
    site.wait_for({path: ["scored"]})
    hidden.chmod(0o755)
    site.wait_for({site.put("closed/directory/b.png", picture(2)): ["scored"]})
    check(site)
