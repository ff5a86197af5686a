"""The whole producer, from a file in a directory to a job on Redis."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import Engine, select

from producer.config import ProducerConfig
from producer.heartbeat import living_producers
from storage.db.database import reading
from storage.db.schema import frames
from storage.files.paths import text_to_path
from storage.frames.counts import ledger_counts
from storage.queue import FrameQueue
from tests.producer.conftest import paths, producing, queued
from tests.waiting import wait_until


@pytest.fixture
def config(root: Path) -> ProducerConfig:
    return ProducerConfig(roots=(root,), settle_s=0.3, observer="inotify")


def upload(path: Path, content: bytes = b"image") -> None:
    """Write a file as careful uploaders do: under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(content)
    unfinished.rename(path)


def watching(queue: FrameQueue) -> bool:
    """Whether the first scan has ended."""
    producers = living_producers(queue.redis)
    return bool(producers) and all(
        root.scanned_at is not None for producer in producers for root in producer.roots
    )


def sizes(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return list(connection.scalars(select(frames.c.size).order_by(frames.c.arrival)))


def test_an_uploaded_file_becomes_a_job(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        upload(root / "cam" / "a.png")
        wait_until(lambda: queue.depth() == 1)
        assert paths(engine) == ["cam/a.png"]
        with reading(engine) as connection:
            row = connection.execute(select(frames)).one()
        assert queued(queue) == [[row.id]]
        assert (row.camera, row.root, row.size, row.state) == ("cam", str(root), 5, "pending")


def test_files_from_before_the_start_are_found_and_known_ones_are_not_queued_again(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    upload(root / "cam" / "a.png")
    with producing(engine, queue, config):
        wait_until(lambda: queue.depth() == 1)
    upload(root / "cam" / "b.png")
    with producing(engine, queue, config):
        wait_until(lambda: paths(engine) == ["cam/a.png", "cam/b.png"])
        wait_until(lambda: queue.depth() == 2)
    assert [len(job) for job in queued(queue)] == [1, 1]


def test_a_slow_upload_is_not_registered_before_it_is_closed(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    config = replace(config, settle_s=600.0)  # only an event can report a file as complete
    with producing(engine, queue, config), (root / "slow.png").open("wb") as slow:
        wait_until(lambda: watching(queue))
        for number in range(5):
            slow.write(b"x" * 100)
            slow.flush()
            upload(root / f"{number}.png")
            wait_until(lambda number=number: f"{number}.png" in paths(engine))  # type: ignore[misc]
            assert "slow.png" not in paths(engine)
        slow.close()
        wait_until(lambda: "slow.png" in paths(engine))
        assert sizes(engine)[paths(engine).index("slow.png")] == 500


def test_a_file_overwritten_in_place_is_two_frames(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        (root / "a.png").write_bytes(b"first")
        wait_until(lambda: sizes(engine) == [5])
        (root / "a.png").write_bytes(b"second")
        wait_until(lambda: sizes(engine) == [5, 6])
        wait_until(lambda: queue.depth() == 2)


def test_files_in_new_or_moved_directories_are_found(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        upload(root / "new" / "2024" / "05" / "a.png")
        upload(tmp_path / "staged" / "deep" / "b.png")
        (tmp_path / "staged").rename(root / "moved")
        expected = {"new/2024/05/a.png", "moved/deep/b.png"}
        wait_until(lambda: set(paths(engine)) == expected)
        # now they are watched: this is faster than any scan
        upload(root / "new" / "2024" / "05" / "c.png")
        upload(root / "moved" / "deep" / "d.png")
        expected |= {"new/2024/05/c.png", "moved/deep/d.png"}
        wait_until(lambda: set(paths(engine)) == expected)


def test_many_directories_made_at_once_lose_nothing(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        for number in range(100):
            upload(root / f"cam-{number % 10}" / f"{number // 10}" / "x" / f"{number}.png")
        wait_until(lambda: len(set(paths(engine))) == 100)


def test_a_file_linked_to_its_name_is_found(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        (root / "a.filepart").write_bytes(b"image")
        (root / "a.png").hardlink_to(root / "a.filepart")
        (root / "a.filepart").unlink()
        wait_until(lambda: paths(engine) == ["a.png"])


@pytest.mark.parametrize(
    "name", [b"new\nline.png", b"\xff'\".png", b"back\\slash.PNG", b"x" * 251 + b".png"]
)
def test_files_of_any_name_are_registered(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig, name: bytes
) -> None:
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        (root / os.fsdecode(name)).write_bytes(b"event")
        wait_until(lambda: [text_to_path(path) for path in paths(engine)] == [os.fsdecode(name)])
        wait_until(lambda: queue.depth() == 1)


def test_other_files_are_ignored(
    root: Path, tmp_path: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    (tmp_path / "outside.png").write_bytes(b"secret")
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        os.mkfifo(root / "fifo.png")
        (root / "directory.png").mkdir()
        (root / "link.png").symlink_to(tmp_path / "outside.png")
        (root / "links").symlink_to(tmp_path)
        (root / ".hidden.png").write_bytes(b"x")
        (root / "notes.txt").write_bytes(b"x")
        upload(root / ".trash" / "a.png")
        upload(root / "last.png")
        wait_until(lambda: paths(engine) == ["last.png"])
        upload(root / "directory.png" / "inside.png")
        wait_until(lambda: paths(engine) == ["last.png", "directory.png/inside.png"])


def test_polling_waits_until_a_file_has_settled(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    config = replace(config, observer="polling", settle_s=1.0)
    with producing(engine, queue, config), (root / "slow.png").open("wb") as slow:
        began = time.monotonic()
        while time.monotonic() < began + 3 * config.settle_s:
            slow.write(b"x")
            slow.flush()
            assert paths(engine) == []
        wait_until(lambda: paths(engine) == ["slow.png"])
        assert sizes(engine) == [slow.tell()]


@pytest.mark.parametrize("observer", ["inotify", "polling"])
def test_a_file_dated_long_ago_is_not_registered_while_it_is_written(
    root: Path,
    engine: Engine,
    queue: FrameQueue,
    config: ProducerConfig,
    observer: Literal["inotify", "polling"],
) -> None:
    config = replace(config, observer=observer, settle_s=1.0, scan_s=0.2)
    file = root / "latest.png"
    with producing(engine, queue, config), file.open("wb") as slow:
        began = time.monotonic()
        while time.monotonic() < began + 3 * config.settle_s:
            slow.write(b"x")
            slow.flush()
            os.utime(file, (946684800, 946684800))
            assert paths(engine) == []
        slow.close()
        wait_until(lambda: paths(engine) == ["latest.png"])


def test_polling_finds_new_and_overwritten_files(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, replace(config, observer="polling")):
        upload(root / "cam" / "a.png", b"first")
        wait_until(lambda: sizes(engine) == [5])
        upload(root / "cam" / "a.png", b"second")
        wait_until(lambda: sizes(engine) == [5, 6])
        upload(root / "other" / "deep" / "b.png")
        wait_until(lambda: "other/deep/b.png" in paths(engine))


def test_a_file_with_a_date_in_the_future_is_registered(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    upload(root / "a.png")
    os.utime(root / "a.png", (time.time() + 1e6,) * 2)
    with producing(engine, queue, config):
        wait_until(lambda: paths(engine) == ["a.png"])


def test_two_producers_of_one_directory_do_no_harm(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, config), producing(engine, queue, config):
        wait_until(lambda: len(living_producers(queue.redis)) == 2)
        for number in range(50):
            upload(root / "cam" / f"{number}.png")
        wait_until(lambda: len(paths(engine)) == 50)
        wait_until(lambda: sum(len(job) for job in queued(queue)) == 50)
    assert len(set(paths(engine))) == 50


def test_a_flood_stays_in_the_ledger_when_the_queue_is_full(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    for number in range(500):
        upload(root / "cam" / f"{number}.png")
    with producing(engine, queue, replace(config, max_batch=10, max_depth=5)):
        wait_until(lambda: ledger_counts(engine).pending == 500)
        wait_until(lambda: queue.depth() == 5)
        done: set[str] = set()
        while len(done) < 500:
            wait_until(lambda: queue.depth() > 0)
            assert queue.depth() <= 5
            waiting = queue.rq if queue.rq.count else queue.backlog
            job = waiting.jobs[0]
            done |= set(queued(queue)[0])
            waiting.remove(job)


def test_configured_cameras_are_used(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, replace(config, cameras={"kiln": Path("hall/3")})):
        upload(root / "hall" / "3" / "a.png")
        upload(root / "hall" / "4" / "b.png")
        wait_until(lambda: ledger_counts(engine).seen == 2)
    assert ledger_counts(engine, "kiln").seen == 1
    assert ledger_counts(engine, "hall").seen == 1


def test_stopping_is_quick_and_registers_the_files_already_noticed(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    with producing(engine, queue, replace(config, max_delay_ms=500.0)):
        wait_until(lambda: watching(queue))
        upload(root / "first.png")  # passed on at once
        wait_until(lambda: paths(engine) == ["first.png"])
        upload(root / "second.png")  # waits for others
        began = time.monotonic()
    assert time.monotonic() - began < 3.0
    assert living_producers(queue.redis) == []
    with producing(engine, queue, config):
        wait_until(lambda: paths(engine) == ["first.png", "second.png"])


def test_a_producer_publishes_its_state(
    root: Path, engine: Engine, queue: FrameQueue, config: ProducerConfig
) -> None:
    upload(root / "cam" / "a.png")
    with producing(engine, queue, config):
        wait_until(lambda: watching(queue))
        (producer,) = living_producers(queue.redis)
        (status,) = producer.roots
        assert (status.root, status.mode, status.frames) == (str(root), "inotify", 1)
        assert producer.started_at <= producer.at <= time.time()
    assert living_producers(queue.redis) == []


def test_heartbeats_of_another_release_are_ignored(queue: FrameQueue) -> None:
    queue.redis.set("thermalwatch:producer:old", "[]")
    queue.redis.set("thermalwatch:producer:new", '{"roots": [{"planet": 3}]}')
    assert living_producers(queue.redis) == []
