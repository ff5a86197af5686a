"""What inotify reports, on real directories."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.inotify import reading_inotify
from producer.naming import WatchRoot
from tests.waiting import wait_until

if sys.platform != "linux":
    pytest.skip("inotify exists on Linux only", allow_module_level=True)

from producer.watch import TreeWatch


class Recorder:
    """Records what it receives; can block the reader thread."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.go = threading.Event()
        self.go.set()

    def file_complete(self, path: str) -> None:
        self.go.wait()
        self.told.append(("complete", path))

    def file_touched(self, path: str) -> None:
        self.told.append(("touched", path))

    def file_appeared(self, path: str) -> None:
        self.told.append(("appeared", path))

    def directory_appeared(self, directory: str) -> None:
        self.told.append(("directory", directory))

    def events_lost(self) -> None:
        self.told.append(("lost", ""))

    def has(self, *told: tuple[str, str]) -> bool:
        return all(one in self.told for one in told)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def watch(root: Path, recorder: Recorder) -> Iterator[TreeWatch]:
    """A watch on the root alone; tests add subdirectories, as the scan does."""
    with reading_inotify() as inotify:
        assert inotify is not None
        watch = TreeWatch(inotify, WatchRoot.at(root, {}), recorder)
        watch.add("")
        yield watch


def test_a_closed_file_is_complete(root: Path, watch: TreeWatch, recorder: Recorder) -> None:
    with (root / "a.png").open("wb") as file:
        file.write(b"half")
        file.flush()
        wait_until(lambda: recorder.has(("appeared", "a.png")))
        assert ("complete", "a.png") not in recorder.told
    wait_until(lambda: recorder.has(("complete", "a.png")))


def test_a_file_renamed_from_its_temporary_name_is_complete(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "a.png.part").write_bytes(b"whole")
    (root / "a.png.part").rename(root / "a.png")
    wait_until(lambda: recorder.has(("complete", "a.png")))
    assert recorder.told == [("complete", "a.png")]


def test_a_file_whose_time_is_set_is_touched(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "a.png").write_bytes(b"x")
    os.utime(root / "a.png", (1, 1))
    wait_until(lambda: recorder.has(("complete", "a.png"), ("touched", "a.png")))


def test_a_linked_file_appears(root: Path, watch: TreeWatch, recorder: Recorder) -> None:
    # OpenSSH's sftp-server renames by link() and unlink().
    (root / ".a").write_bytes(b"whole")
    (root / "a.png").hardlink_to(root / ".a")
    wait_until(lambda: recorder.has(("appeared", "a.png")))


def test_a_file_moved_out_does_not_hold_up_the_next(
    root: Path, tmp_path: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "old.png").touch()
    (root / "old.png").rename(tmp_path / "archived.png")
    (root / "new.png").touch()
    wait_until(lambda: recorder.has(("complete", "new.png")), timeout_s=0.4)


def test_new_and_moved_directories_are_reported(
    root: Path, tmp_path: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "made").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full").rename(root / "moved")
    (root / ".hidden").mkdir()
    (root / "later").mkdir()
    wait_until(lambda: recorder.has(("directory", "later")))
    assert recorder.told == [("directory", name) for name in ("made", "moved", "later")]


def test_a_directory_added_twice_reports_once(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    for _ in range(3):
        watch.add("")
    (root / "a.png").touch()
    (root / "last.png").touch()
    wait_until(lambda: recorder.has(("complete", "last.png")))
    assert recorder.told.count(("complete", "a.png")) == 1


def test_a_renamed_directory_is_known_by_its_new_name(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "old" / "sub").mkdir(parents=True)
    watch.add("old")
    watch.add("old/sub")
    (root / "old").rename(root / "new")
    wait_until(lambda: recorder.has(("directory", "new")))
    watch.add("new")
    watch.add("new/sub")
    (root / "new" / "sub" / "a.png").touch()
    wait_until(lambda: recorder.has(("complete", "new/sub/a.png")))
    assert not [path for _, path in recorder.told if path.startswith("old/sub")]


def test_a_directory_moved_away_is_no_longer_watched(
    root: Path, tmp_path: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "day" / "sub").mkdir(parents=True)
    watch.add("day")
    watch.add("day/sub")
    (root / "day").rename(tmp_path / "archive")
    (root / "moved.png").touch()
    wait_until(lambda: recorder.has(("complete", "moved.png")))
    (tmp_path / "archive" / "a.png").touch()
    (tmp_path / "archive" / "sub" / "b.png").touch()
    (root / "last.png").touch()
    wait_until(lambda: recorder.has(("complete", "last.png")))
    assert not [path for _, path in recorder.told if path.startswith("day/")]


def test_a_watch_whose_directory_was_renamed_unnoticed_is_corrected(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "a").mkdir()
    watch.add("a")
    watch.remove("")  # as after lost events: the rename is not reported
    (root / "b").mkdir()
    watch.add("b")
    (root / "b").rename(root / "c")
    watch.add("c")
    (root / "c" / "x.png").touch()
    (root / "c" / "last.png").touch()
    wait_until(lambda: recorder.has(("complete", "c/last.png")))
    assert recorder.told.count(("complete", "c/x.png")) == 1
    assert ("complete", "b/x.png") not in recorder.told


def test_a_recreated_directory_can_be_watched_again(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    (root / "cam").mkdir()
    watch.add("cam")
    recorder.go.clear()
    (root / "holds-the-reader-up.png").touch()
    (root / "cam").rmdir()
    (root / "cam").mkdir()
    watch.add("cam")  # the reader has not yet received the end of the old watch
    recorder.go.set()
    (root / "cam" / "a.png").touch()
    wait_until(lambda: recorder.has(("complete", "cam/a.png")))


def test_the_deletion_of_the_root_is_reported(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    shutil.rmtree(root)
    wait_until(lambda: recorder.has(("lost", "")))


def test_an_overflow_of_the_kernels_queue_is_reported(
    root: Path, watch: TreeWatch, recorder: Recorder
) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 50_000:
        pytest.skip(f"{limit} events would have to be made")
    recorder.go.clear()
    # Alternate two names, because the kernel merges equal consecutive events. Half as many again as
    # fit into the queue, because the reader takes some before it blocks.
    for number in range(limit * 3 // 2):
        os.close(os.open(root / f"{number % 2}.png", os.O_CREAT | os.O_WRONLY))
    recorder.go.set()
    wait_until(lambda: recorder.has(("lost", "")))


def test_an_unwatchable_directory_is_an_error(root: Path, watch: TreeWatch) -> None:
    with pytest.raises(FileNotFoundError):
        watch.add("gone")
    (root / "file").touch()
    with pytest.raises(NotADirectoryError):
        watch.add("file")
    (root / "link").symlink_to(root)
    with pytest.raises(NotADirectoryError):
        watch.add("link")


def test_a_root_that_is_a_link_is_watched(root: Path, tmp_path: Path, recorder: Recorder) -> None:
    (tmp_path / "link").symlink_to(root)
    with reading_inotify() as inotify:
        assert inotify is not None
        TreeWatch(inotify, WatchRoot.at(tmp_path / "link", {}), recorder).add("")
        (root / "a.png").touch()
        wait_until(lambda: recorder.has(("complete", "a.png")))
