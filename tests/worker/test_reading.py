"""From ledger entry to frame: files that change, vanish or cannot be decoded."""

import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import pytest

from producer.naming import WatchRoot
from storage.files.paths import path_to_text
from storage.frames.identity import NewFrame
from storage.frames.ledger import LedgerFrame
from thermal.decode import DecodeOptions
from thermal.detection.bundle import Bundle
from thermal.detection.detector import Detector
from thermal.sandbox import InProcess
from worker.config import CameraConfig, WorkerConfig
from worker.frame import InspectedFrame
from worker.inspection import Outcome, inspect_files
from worker.progress import Progress
from worker.reading import MAX_ATTEMPTS, Changed, Postponed, Refused

GRACE_S = 30.0
PNG = cv2.imencode(".png", np.arange(108, dtype=np.uint8).reshape(9, 12))[1].tobytes()


def upload(root: Path, name: str, data: bytes = PNG) -> LedgerFrame:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return entry_for(root, name)


def entry_for(root: Path, name: str) -> LedgerFrame:
    status = (root / name).lstat()
    new = NewFrame.at("cam", str(root), path_to_text(name), status)
    return LedgerFrame(
        id=new.frame_id,
        camera=new.camera,
        root=new.root,
        path=new.path,
        mtime_ns=new.mtime_ns,
        size=new.size,
        attempts=0,
        seen_at=status.st_mtime,
        ctime_ns=new.ctime_ns,
        inode=new.inode,
    )


class Read(Protocol):
    """Reads and inspects the file of an entry first seen `age_s` seconds ago."""

    def __call__(
        self, entry: LedgerFrame, *, age_s: float = 3600.0, config: CameraConfig | None = None
    ) -> Outcome: ...


@pytest.fixture(scope="module")
def read(bundle: Bundle) -> Read:
    detector = Detector.from_bundle(bundle, "cpu")

    def inspect_one(
        entry: LedgerFrame, *, age_s: float = 3600.0, config: CameraConfig | None = None
    ) -> Outcome:
        worker = WorkerConfig("w", default_camera=config or CameraConfig(), grace_s=GRACE_S)
        now = entry.mtime_ns / 1e9 + age_s
        [outcome] = inspect_files(
            [entry], detector, worker, InProcess(), now=now, progress=Progress()
        )
        return outcome

    return inspect_one


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused), outcome
    assert outcome.detail
    return outcome.reason


def test_a_good_file_is_decoded_with_the_digest_of_its_content(tmp_path: Path, read: Read) -> None:
    outcome = read(upload(tmp_path, "a.png"))
    assert isinstance(outcome, InspectedFrame)
    assert outcome.frame.shape == (9, 12)
    assert len(outcome.sha256) == 64


@pytest.mark.parametrize("name", [b"n\xff.png", b"new\nline.png", b"'; DROP TABLE frames.png"])
def test_any_name_can_be_read(tmp_path: Path, name: bytes, read: Read) -> None:
    outcome = read(upload(tmp_path, os.fsdecode(name)))
    assert isinstance(outcome, InspectedFrame)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (PNG[: len(PNG) // 2], "corrupt"),
        (b"dear operator, this is text", "unsupported"),
    ],
)
def test_bad_content_is_refused_after_the_grace_period(
    tmp_path: Path, data: bytes, expected: str, read: Read
) -> None:
    assert reason(read(upload(tmp_path, "a.png", data))) == expected


@pytest.mark.parametrize("data", [b"", PNG[: len(PNG) // 2], b"\0" * 100])
def test_bad_content_is_postponed_during_the_grace_period(
    tmp_path: Path, data: bytes, read: Read
) -> None:
    # to see it fail: let `refuse` never postpone
    entry = upload(tmp_path, "a.png", data)
    outcome = read(entry, age_s=1)
    assert isinstance(outcome, Postponed)
    assert entry.mtime_ns / 1e9 + 1 < outcome.until <= entry.mtime_ns / 1e9 + GRACE_S


@pytest.mark.parametrize("dated_s", [-1e8, 1e8])
def test_the_grace_period_starts_when_a_file_is_first_seen_whatever_its_mtime(
    tmp_path: Path, dated_s: float, read: Read
) -> None:
    # to see it fail: count from `mtime_ns`, alone or together with `seen_at`
    seen_at = upload(tmp_path, "a.png", PNG[:50]).seen_at
    os.utime(tmp_path / "a.png", (0, seen_at + dated_s))
    entry = LedgerFrame(**{**vars(entry_for(tmp_path, "a.png")), "seen_at": seen_at})
    young = read(entry, age_s=1 - dated_s)
    assert isinstance(young, Postponed)
    assert seen_at + 1 < young.until <= seen_at + GRACE_S
    assert reason(read(entry, age_s=GRACE_S + 1 - dated_s)) == "corrupt"


def test_an_mtime_beyond_64_bits_is_not_taken_for_a_change(tmp_path: Path, read: Read) -> None:
    # to see it fail: let _identity return `st_mtime_ns` unchanged
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    os.utime(path, ns=(0, 2**63 + 10**18))
    if path.stat().st_mtime_ns < 2**63:
        pytest.skip("this file system does not support such dates")
    frame = WatchRoot.at(tmp_path, {}).frame_at("a.png")
    assert frame is not None
    entry = LedgerFrame(id=frame.frame_id, **vars(frame), attempts=0, seen_at=0.0)
    assert isinstance(read(entry), InspectedFrame)


def test_a_bad_file_is_refused_in_the_end_even_if_the_clock_was_set_back(
    tmp_path: Path, read: Read
) -> None:
    entry = upload(tmp_path, "a.png", b"")
    assert isinstance(read(entry, age_s=-1e6), Postponed)
    tired = LedgerFrame(**{**vars(entry), "attempts": MAX_ATTEMPTS})
    assert reason(read(tired, age_s=-1e6)) == "empty"


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path, read: Read) -> None:
    config = CameraConfig(decode=DecodeOptions(max_bytes=10))
    assert reason(read(upload(tmp_path, "a.png"), age_s=0, config=config)) == "too_large"


def test_an_overwritten_file_is_superseded(tmp_path: Path, read: Read) -> None:
    entry = upload(tmp_path, "latest.png")
    (tmp_path / "latest.png").write_bytes(PNG + b"more")
    assert isinstance(read(entry), Changed)


def test_a_touched_file_is_superseded(tmp_path: Path, read: Read) -> None:
    entry = upload(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(0, entry.mtime_ns + 1))
    assert isinstance(read(entry), Changed)


def test_a_deleted_file_is_missing_after_the_grace_period(tmp_path: Path, read: Read) -> None:
    entry = upload(tmp_path, "a.png")
    (tmp_path / "a.png").unlink()
    assert isinstance(read(entry, age_s=1), Postponed)
    assert reason(read(entry)) == "missing"


def test_no_file_is_missing_while_the_watch_directory_is_unmounted(
    tmp_path: Path, read: Read
) -> None:
    # to see it fail: remove _root_is_there from read_frame
    root = tmp_path / "mount"
    entry = upload(root, "a.png")
    root.rename(tmp_path / "unmounted")
    assert isinstance(read(entry), Postponed)


def test_a_file_replaced_by_a_link_out_of_the_root_is_refused(tmp_path: Path, read: Read) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    root = tmp_path / "root"
    entry = upload(root, "a.png")
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    assert reason(read(entry)) == "outside_root"


def test_a_ledger_path_that_leaves_the_root_is_refused(tmp_path: Path, read: Read) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    root = tmp_path / "root"
    entry = upload(root, "a.png")
    climbing = LedgerFrame(**{**vars(entry), "path": "../secret.png"})
    assert reason(read(climbing)) == "outside_root"


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path, read: Read) -> None:
    entry = upload(tmp_path, "a.png")
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    assert reason(read(entry)) == "not_regular"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path, read: Read) -> None:
    entry = upload(tmp_path, "a.png")
    (tmp_path / "a.png").chmod(0)
    assert reason(read(entry)) == "unreadable"
