"""Directories that disappear and return, or that cannot be watched."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from producer.config import ProducerConfig
from producer.heartbeat import living_producers
from storage.queue import FrameQueue
from tests.producer.conftest import paths, producing, told
from tests.waiting import wait_until


@pytest.fixture
def config(root: Path) -> ProducerConfig:
    return ProducerConfig(roots=(root,), settle_s=0.3, lease_s=1.0, dispatch_interval_s=0.1)


def mode(queue: FrameQueue) -> str:
    producers = living_producers(queue.redis)
    return producers[0].roots[0].mode if producers else ""


def refused(queue: FrameQueue) -> int | None:
    """Paths that the producer cannot read; None before its first heartbeat."""
    producers = living_producers(queue.redis)
    return producers[0].roots[0].refused if producers else None


def skip_if_nothing_is_unreadable(directory: Path) -> None:
    directory.chmod(0)
    readable = os.access(directory, os.R_OK)
    directory.chmod(0o700)
    if readable:
        pytest.skip("this user can read everything")


def test_a_root_that_does_not_exist_yet_is_waited_for(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    root.rmdir()
    with producing(engine, queue, config):
        wait_until(lambda: mode(queue) == "absent")
        (root / "cam").mkdir(parents=True)
        (root / "cam" / "a.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["cam/a.png"])
        (root / "cam" / "b.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["cam/a.png", "cam/b.png"])
    assert told(caplog, "cannot watch") == told(caplog, "can be watched again") == 1


def test_a_root_deleted_and_recreated_is_watched_again(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        for number in range(3):
            (root / "cam").mkdir(parents=True)
            (root / "cam" / f"{number}.png").write_bytes(b"image")
            wait_until(lambda number=number: len(paths(engine)) == number + 1)  # type: ignore[misc]
            shutil.rmtree(root)
        wait_until(lambda: mode(queue) == "absent")


def test_a_root_replaced_between_two_checks_is_watched_again(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        wait_until(lambda: mode(queue) == "inotify")
        root.rename(tmp_path / "old")
        root.mkdir()
        (root / "a.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["a.png"])
        (tmp_path / "old" / "stray.png").write_bytes(b"image")
        (root / "b.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["a.png", "b.png"])


def test_a_root_that_is_a_link_may_be_pointed_elsewhere(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    (tmp_path / "other").mkdir()
    (root / "a.png").write_bytes(b"image")
    (tmp_path / "other" / "b.png").write_bytes(b"image")
    with producing(engine, queue, replace(config, roots=(link,))):
        wait_until(lambda: paths(engine) == ["a.png"])
        (tmp_path / "newer").symlink_to(tmp_path / "other")
        (tmp_path / "newer").rename(link)
        wait_until(lambda: paths(engine) == ["a.png", "b.png"])


def test_a_root_that_cannot_be_read_is_waited_for(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    skip_if_nothing_is_unreadable(root)
    with producing(engine, queue, config):
        wait_until(lambda: mode(queue) == "inotify")
        root.chmod(0)
        wait_until(lambda: mode(queue) == "absent")
        root.chmod(0o700)
        (root / "a.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["a.png"])


def test_a_directory_that_cannot_be_read_does_not_hold_up_others(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    skip_if_nothing_is_unreadable(root)
    for name in ("closed", "closed too", "open"):
        (root / name).mkdir()
        (root / name / "a.png").write_bytes(b"image")
    (root / "closed").chmod(0)
    (root / "closed too").chmod(0)
    with producing(engine, queue, replace(config, scan_s=0.5)):
        wait_until(lambda: paths(engine) == ["open/a.png"])
        wait_until(lambda: refused(queue) == 2)
        (root / "closed").chmod(0o700)
        wait_until(lambda: paths(engine) == ["open/a.png", "closed/a.png"])
        (root / "closed too").chmod(0o700)
        wait_until(lambda: len(paths(engine)) == 3)
    assert told(caplog, "cannot read") == 2


def test_directories_nested_deeper_than_the_system_can_name_hold_up_nothing(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("producer.observe.REFUSED_RETRY_S", 0.1)
    (root / "top").mkdir()
    with monkeypatch.context() as inside:
        inside.chdir(root / "top")
        for _ in range(20):
            Path("d" * 250).mkdir()
            inside.chdir("d" * 250)
    with producing(engine, queue, config):
        wait_until(lambda: refused(queue) == 1)
        (root / "top").rename(tmp_path / "away")
        wait_until(lambda: refused(queue) == 0)
        (root / "a.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["a.png"])
    assert told(caplog, "File name too long") == 1


def test_directories_that_the_kernel_will_not_watch_are_scanned_often(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from watchdog.observers.inotify_c import InotifyFD, WatchDescriptor  # exists on Linux only

    class NoMoreWatches(InotifyFD):
        def add_callback(self, path: bytes, *rest: Any) -> WatchDescriptor:
            if path != os.fsencode(root):
                raise OSError(errno.ENOSPC, "inotify watch limit reached")
            return super().add_callback(path, *rest)

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD", NoMoreWatches)
    (root / "cam").mkdir()
    with producing(engine, queue, config):
        wait_until(lambda: mode(queue) == "inotify")
        for number in range(3):
            (root / "cam" / f"{number}.png").write_bytes(b"image")
            wait_until(lambda number=number: len(paths(engine)) == number + 1)  # type: ignore[misc]
    assert told(caplog, "max_user_watches") == 1


def test_without_inotify_directories_are_polled(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD", refuse)
    with producing(engine, queue, config):
        wait_until(lambda: mode(queue) == "polling")
        (root / "a.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["a.png"])


def test_one_absent_root_does_not_hold_up_another(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, replace(config, roots=(tmp_path / "absent", root))):
        (root / "a.png").write_bytes(b"image")
        wait_until(lambda: paths(engine) == ["a.png"])
