"""A database of the first release, whose frames have no hint, after an upgrade.

``python -m tests.producer.test_upgrade 100000`` does the same with that many and prints the times.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from producer.config import ProducerConfig
from producer.naming import WatchRoot
from storage.db.database import connect, migrate, reading, writing
from storage.db.schema import frames, results
from storage.frames.counts import LedgerCounts, ledger_counts
from storage.frames.identity import NewFrame
from storage.queue import FrameQueue
from tests.producer.conftest import producing
from tests.storage.db.test_migrations import migrate_to, old_row, result_columns
from tests.storage.examples import finished_frame
from tests.waiting import wait_until

FILES = 2000
PER_DIRECTORY = 1000


def upload(root: Path, number: int) -> NewFrame:
    """A file as an earlier run had seen it."""
    path = f"cam/{number // PER_DIRECTORY:04}/{number:07}.png"
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"content %d" % number)
    found = WatchRoot.at(root, {}).frame_at(path)
    assert found is not None
    return found


def old_rows(root: Path, count: int) -> Iterator[tuple[NewFrame, dict[str, object]]]:
    """Files with the ledger rows that the first release had for them; one in ten is not scored."""
    for number in range(count):
        file = upload(root, number)
        state = {3: "quarantined", 6: "superseded", 9: "pending"}.get(number % 100, "scored")
        row = finished_frame(file.first_release_id, "scored") | {
            "camera": file.camera,
            "root": file.root,
            "path": file.path,
            "mtime_ns": file.mtime_ns,
            "size": file.size,
            "state": state,
            "reason": "corrupt" if state == "quarantined" else None,
            "finished_at": None if state == "pending" else 2.0,
        }
        yield file, row


def make_old_database(engine: Engine, root: Path, count: int) -> None:
    migrate_to(engine, "0004")
    made = list(old_rows(root, count))
    scored, columns = [], result_columns(engine)
    for seq, (file, row) in enumerate(made, start=1):
        if row["state"] == "scored":
            named = {"camera": "cam", "image_path": file.path, "sha256": f"{seq:064x}"}
            scored.append(old_row(columns, str(row["id"]), seq, **named))
    with writing(engine) as connection:
        connection.execute(insert(frames), [row for _, row in made])
        connection.execute(insert(results), scored)


def hinted(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).where(frames.c.hint.is_not(None))) or 0


def upgrade_and_scan(
    engine: Engine, queue: FrameQueue, root: Path, count: int, timeout_s: float
) -> LedgerCounts:
    """Migrate, then run a producer until it has seen every file."""
    begun = time.monotonic()
    migrate(engine)
    print(f"migrated {count:,} frames in {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    with producing(engine, queue, ProducerConfig(roots=(root,), settle_s=0.2)):
        wait_until(lambda: hinted(engine) >= count, timeout_s, "a hint for every frame")
    print(f"scanned them in {time.monotonic() - begun:.1f} s")
    return ledger_counts(engine)


def test_frames_of_the_first_release_keep_their_outcomes_and_are_not_read_again(
    engine_of_first_release: Engine, queue: FrameQueue, root: Path
) -> None:
    # to see it fail: don't look for first_release_id in `_rows_about`
    make_old_database(engine_of_first_release, root, FILES)
    with reading(engine_of_first_release) as connection:
        states = connection.execute(select(frames.c.id, frames.c.state)).all()
    counts = upgrade_and_scan(engine_of_first_release, queue, root, FILES, 60.0)
    assert counts.seen == FILES
    with reading(engine_of_first_release) as connection:
        assert Counter(connection.execute(select(frames.c.id, frames.c.state))) == Counter(states)


@pytest.fixture
def engine_of_first_release(database_url: str) -> Iterator[Engine]:
    """An empty database without tables."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


def main(count: int) -> None:
    from redis import Redis

    from tests.faults.site import RedisProcess

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        redis = RedisProcess(directory, directory / "r")
        redis.start()
        engine = connect(f"sqlite:///{directory / 'thermalwatch.db'}")
        root = directory / "watched"
        root.mkdir()
        make_old_database(engine, root, count)
        with Redis.from_url(redis.url) as client:
            print(upgrade_and_scan(engine, FrameQueue(client), root, count, 3600.0))
        engine.dispose()
        redis.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]))
