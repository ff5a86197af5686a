"""Retention deletes old results; ledger counts balance and the rest of every stream replays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy import text as sql

from storage.db.database import reading, writing
from storage.db.schema import frames, results, streams
from storage.files.artifacts import ArtifactStore, PictureKind, picture_path
from storage.frames.audit import audit, find_frame
from storage.frames.ledger import NewFrame, Quarantined, finish, known, ledger_mtime_ns, register
from storage.models import save_model
from storage.results.commit import commit_results
from storage.retention.policy import RetentionPolicy
from storage.retention.run import LEAST_PAUSE_S, Retention, RetentionReport
from storage.stream.replay import ReplayReport, replay_all
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from tests.storage.examples import (
    finished_frame,
    open_streams,
    recorded_statements,
    result_row,
    stored_row,
)
from thermal.detection.bundle import Bundle
from thermal.threshold import HOLD_FRAMES, WindowConfig

REPOSITORY = Path(__file__).resolve().parents[3]
DAY = 86_400.0
#: Frames of the camera, one per hour.
FRAMES = 1000
#: One frame in so many is an anomaly.
ANOMALY_EVERY = 25
ANOMALIES = FRAMES // ANOMALY_EVERY
NOW = FRAMES * 3600.0
KINDS: tuple[PictureKind, ...] = ("original", "reconstruction", "heatmap", "overlay", "sheet")


@dataclass
class Site:
    """A camera with its watch directory, ledger, pictures and rolling window."""

    engine: Engine
    bundle: Bundle
    redis: Redis
    uploads: Path
    store: ArtifactStore
    window_size: int = 50

    @property
    def streams(self) -> Streams:
        windows = RollingWindows(
            self.redis, WindowConfig(window_size=self.window_size, learn_frames=5)
        )
        return Streams(self.engine, windows, lambda: 0.0)

    def upload(self, number: int) -> NewFrame:
        path = self.uploads / "east" / f"{number:05}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
        os.utime(path, (number, number))
        mtime_ns = ledger_mtime_ns(path.stat())
        return NewFrame("east", str(self.uploads), f"east/{path.name}", mtime_ns, 0)

    def score(self, numbers: Sequence[int], *, pictures: bool = False) -> list[NewFrame]:
        """Upload and score files with these numbers, each at the hour of its number."""
        batch = [self.upload(number) for number in numbers]
        register(self.engine, batch, now=0.0)
        level = float(self.bundle.held_out_scores[0])
        scores = [level * (1000 if n % ANOMALY_EVERY == 0 else 1 + n % 7 / 100) for n in numbers]
        decided = self.streams.decide(
            StreamKey("east", self.bundle.model_id),
            self.bundle,
            [(frame.frame_id, score) for frame, score in zip(batch, scores, strict=True)],
        )
        rows = []
        for number, frame, decision in zip(numbers, batch, decided.decisions.values(), strict=True):
            row = result_row(frame, decision, epoch=decided.epoch, model_id=self.bundle.model_id)
            names: dict[str, Any] = {}
            for kind in KINDS if pictures else ():
                names[f"{kind}_picture"] = picture_path("east", number, frame.frame_id, kind)
                self.store.put(names[f"{kind}_picture"], b"picture")
            rows.append(replace(row, scored_at=number * 3600.0, **names))
        commit_results(
            self.engine,
            rows,
            epochs={"east": decided.epoch},
            open_decisions={},
            model_id=self.bundle.model_id,
            now=1.0,
        )
        return batch

    def retain(self, policy: RetentionPolicy, *, now: float = NOW, **more: Any) -> RetentionReport:
        more = {"pause": lambda _seconds: None} | more
        return Retention(self.engine, self.store, policy, now=now, **more).run()

    def check(self) -> ReplayReport:
        found, replayed = audit(self.engine), replay_all(self.engine)
        assert found.passed, found
        assert replayed.consistent, replayed
        return replayed

    def number_of_results(self, *, anomaly: bool) -> int:
        query = select(func.count()).select_from(results).where(results.c.anomaly == anomaly)
        with reading(self.engine) as connection:
            return connection.scalar(query) or 0

    def pictures(self) -> list[Path]:
        return [path for path in self.store.root.rglob("*") if path.is_file()]


@pytest.fixture
def site(engine: Engine, redis_url: str, bundle: Bundle, tmp_path: Path) -> Iterator[Site]:
    save_model(engine, bundle, now=0.0, activate=True)
    (tmp_path / "pictures").mkdir()
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        store = ArtifactStore(tmp_path / "pictures")
        yield Site(engine, bundle, redis, tmp_path / "uploads", store)


@pytest.fixture
def year(site: Site) -> Site:
    for start in range(0, FRAMES, 100):
        site.score(range(start, start + 100))
    return site


POLICY = RetentionPolicy(normal_days=10, anomaly_days=30)


def test_old_results_are_deleted_anomalies_later_and_the_rest_replays(year: Site) -> None:
    # to see it fail: leave `complete_from` out of storage.stream.replay
    report = year.retain(POLICY)
    assert report.normal > 700
    assert 0 < report.anomalies < ANOMALIES
    assert year.number_of_results(anomaly=False) == FRAMES - ANOMALIES - report.normal
    assert year.number_of_results(anomaly=True) == ANOMALIES - report.anomalies
    replayed = year.check()
    assert replayed.decisions > 50  # those after the first full window
    assert audit(year.engine).expired == report.normal + report.anomalies
    again = year.retain(POLICY)
    assert (again.normal, again.anomalies, again.frames) == (0, 0, 0)


def test_a_window_can_be_rebuilt_after_retention(year: Site) -> None:
    # to see it fail: delete by age without keeping the window's decisions
    before = window(year)
    report = year.retain(RetentionPolicy(normal_days=1e-6, anomaly_days=1e-6))
    assert report.held >= HOLD_FRAMES
    year.redis.flushall()
    year.score([FRAMES])  # an anomaly, which does not enter the window
    assert window(year) == before
    assert len(before) == 50
    year.score(range(FRAMES + 1, FRAMES + 200))
    assert year.check().decisions >= 150


def window(site: Site) -> list[float]:
    """The scores in the window, in order."""
    key = StreamKey("east", site.bundle.model_id).redis_keys()[2]
    members = cast("list[tuple[bytes, float]]", site.redis.zrange(key, 0, -1, withscores=True))
    return [score for _, score in members]


def test_decisions_replay_after_deleting_rows_around_an_accepted_baseline(
    site: Site,
) -> None:
    site.score(range(100))
    site.streams.accept(StreamKey("east", site.bundle.model_id), site.bundle)
    for start in range(100, FRAMES, 100):
        site.score(range(start, start + 100))
    assert site.check().decisions == FRAMES
    site.retain(POLICY)
    assert site.check().decisions > 50


def test_decisions_replay_after_deleting_rows_around_a_change_of_settings(site: Site) -> None:
    # to see it fail: restore a replayed window from rows on both sides of a gap
    site.score(range(100))
    site.window_size = 60
    for start in range(100, FRAMES, 100):
        site.score(range(start, start + 100))
    site.retain(POLICY)
    assert site.check().decisions > 50


def test_a_dry_run_counts_and_deletes_nothing(year: Site) -> None:
    counted = year.retain(POLICY, dry_run=True)
    assert year.number_of_results(anomaly=False) == FRAMES - ANOMALIES
    done = year.retain(POLICY)
    assert (counted.normal, counted.anomalies, counted.held) == (
        done.normal,
        done.anomalies,
        done.held,
    )


def test_a_ledger_row_is_kept_as_long_as_its_file(year: Site) -> None:
    # to see it fail: delete ledger rows with their results
    year.retain(POLICY)
    seen = [year.upload(number) for number in range(FRAMES)]
    assert register(year.engine, seen, now=NOW) == []  # no frame would be scored twice
    for number in range(0, 100):
        (year.uploads / seen[number].path).unlink()
    assert year.retain(POLICY).frames == 100
    assert known(year.engine, [seen[0].frame_id, seen[100].frame_id]) == {seen[100].frame_id}
    record = find_frame(year.engine, seen[100].frame_id)
    assert record is not None
    assert (record.state, record.expired_at) == ("scored", NOW)
    year.check()


@pytest.mark.parametrize("how", ["the root is gone", "the root is empty", "the camera is empty"])
def test_files_on_an_unmounted_disk_do_not_count_as_deleted(year: Site, how: str) -> None:
    away = year.uploads.with_name("away")
    if how == "the camera is empty":
        (year.uploads / "east").rename(away)
        (year.uploads / "east").mkdir()
    else:
        year.uploads.rename(away)
        if how == "the root is empty":
            year.uploads.mkdir()
    report = year.retain(POLICY)
    assert (report.normal > 0, report.frames) == (True, 0)


def test_quarantined_and_superseded_frames_are_deleted_after_their_files(site: Site) -> None:
    batch = [site.upload(number) for number in range(4)]
    register(site.engine, batch, now=0.0)
    finish(
        site.engine,
        quarantined=[Quarantined(frame.frame_id, "corrupt", "why") for frame in batch[:2]],
        superseded=[frame.frame_id for frame in batch[2:]],
        now=5.0,
    )
    for frame in batch[::2]:
        (site.uploads / frame.path).unlink()
    policy = RetentionPolicy(quarantine_days=1)
    assert site.retain(policy, now=DAY).frames == 0
    assert site.retain(policy, now=DAY + 6.0).frames == 2
    left = known(site.engine, [frame.frame_id for frame in batch])
    assert left == {batch[1].frame_id, batch[3].frame_id}
    site.check()


def test_pictures_are_deleted_before_rows_and_those_of_anomalies_later(site: Site) -> None:
    site.score(range(60), pictures=True)
    policy = RetentionPolicy(picture_days=1, anomaly_picture_days=2)
    assert site.retain(policy, now=50 * 3600.0).pictured == 24 + 1  # hours 1…24, and hour 0
    assert len(site.pictures()) == (60 - 25) * 5
    with reading(site.engine) as connection:
        query = select(results.c.sheet_picture).where(results.c.seq.in_([2, 26, 27]))
        gone, anomaly, young = connection.scalars(query.order_by(results.c.seq))
    assert (gone is None, anomaly is None, young is None) == (True, False, False)
    site.check()


def test_old_pictures_that_no_row_names_are_deleted(site: Site) -> None:
    (frame,) = site.score([1], pictures=True)
    named = len(site.pictures())
    orphan = picture_path("east", 1.0, "f" * 32, "sheet")
    young = picture_path("east", 1.0, "e" * 32, "sheet")
    for name in (orphan, young, "east/1970/01/01/.writing-1", "east/notes.txt"):
        site.store.put(name, b"1")
    far = 2e9
    for path in site.pictures():
        os.utime(path, (far - 2 * DAY, far - 2 * DAY))
    os.utime(site.store.path(young), (far - 60, far - 60))
    report = site.retain(RetentionPolicy(quarantine_days=1), now=far)
    assert report.orphans == 2
    assert len(site.pictures()) == named + 2
    assert site.store.path(young).exists()
    assert site.store.path(picture_path("east", 1, frame.frame_id, "sheet")).exists()


RUN = """
import os, signal, sys
from pathlib import Path
from storage.files.artifacts import ArtifactStore
from storage.db.database import connect
from storage.retention.run import Retention
from storage.retention.policy import RetentionPolicy
url, pictures, now, left = sys.argv[1:]
left = int(left)
def die(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
class Store(ArtifactStore):
    def remove(self, relative):
        super().remove(relative)
        if relative.endswith("sheet.png") and left % 2:
            die()
policy = RetentionPolicy(normal_days=5, anomaly_days=10)
Retention(connect(url), Store(Path(pictures)), policy, now=float(now), pause=die).run()
"""


@contextmanager
def streaming(site: Site) -> Iterator[None]:
    """Score new frames continuously within the block, five at a time."""
    stop, failures = threading.Event(), []

    def stream() -> None:
        try:
            number = FRAMES
            while not stop.is_set():
                site.score(range(number, number + 5))
                number += 5
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert failures == []
    with reading(site.engine) as connection:
        assert (connection.scalar(select(func.max(frames.c.arrival))) or 0) > FRAMES


def test_a_run_killed_at_any_step_is_completed_by_the_next(site: Site) -> None:
    # to see it fail: delete results and set `complete_from` in separate transactions
    for start in range(0, FRAMES, 100):
        site.score(range(start, start + 100), pictures=start % 200 == 0)
    url = site.engine.url.render_as_string(hide_password=False)
    ends = []
    with streaming(site):
        for steps in (0, 1, 1, 2, 2, 3, 10_000):
            words = [url, str(site.store.root), str(NOW), str(steps)]
            process = subprocess.run(
                [sys.executable, "-c", RUN, *words],
                env={"PYTHONPATH": str(REPOSITORY)},
                capture_output=True,
                check=False,
            )
            ends.append(process.returncode)
            assert ends[-1] in (0, -signal.SIGKILL), process.stderr.decode()
            site.check()
    assert ends[0] == -signal.SIGKILL
    assert ends[-1] == 0
    with reading(site.engine) as connection:
        named = set(connection.scalars(select(results.c.sheet_picture))) - {None}
        oldest = select(func.min(results.c.scored_at)).where(results.c.anomaly == False)  # noqa: E712
        assert (connection.scalar(oldest) or 0) >= NOW - 5 * DAY
    lying = {str(path.relative_to(site.store.root)) for path in site.pictures()}
    assert named == {name for name in lying if name.endswith("sheet.png")}
    site.check()


def test_frames_are_scored_while_retention_runs(year: Site) -> None:
    pauses: list[float] = []
    with streaming(year):
        report = year.retain(POLICY, pause=pauses.append)
    assert report.normal > 700
    assert min(pauses) >= LEAST_PAUSE_S
    year.check()


@pytest.mark.parametrize(
    "ages",
    [
        {"normal_days": 0.0},
        {"quarantine_days": -1.0},
        {"normal_days": 5.0, "anomaly_days": 4.0},
        {"anomaly_days": 4.0},
        {"picture_days": 5.0, "anomaly_picture_days": 4.0},
    ],
)
def test_implausible_ages_are_rejected(ages: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="days"):
        RetentionPolicy(**ages)


def test_the_default_policy_deletes_nothing(year: Site) -> None:
    assert not RetentionPolicy().deletes
    assert year.retain(RetentionPolicy()) == RetentionReport()


def test_retention_scans_no_table(engine: Engine, tmp_path: Path) -> None:
    open_streams(engine, *(f"camera-{number}" for number in range(5)))
    with writing(engine) as connection:
        ids = [f"{number:032x}" for number in range(20_000)]
        connection.execute(insert(frames), [finished_frame(frame_id) for frame_id in ids])
        connection.execute(
            insert(results),
            [
                stored_row(
                    frame_id,
                    number // 5 + 1,
                    camera=f"camera-{number % 5}",
                    anomaly=number % 200 == 0,
                    scored_at=number * 60.0,
                    original_picture="a.png" if number % 200 == 0 else None,
                )
                for number, frame_id in enumerate(ids)
            ],
        )
        connection.execute(update(streams).values(config="[200]"))
        if engine.dialect.name == "postgresql":
            connection.execute(sql("ANALYZE"))
    policy = RetentionPolicy(normal_days=13.5, picture_days=13, quarantine_days=1)
    run = Retention(
        engine, ArtifactStore(tmp_path), policy, now=20_000 * 60.0, pause=lambda _seconds: None
    )
    with recorded_statements(engine) as statements:
        report = run.run()
    assert (report.normal > 500, report.held) == (True, 0)
    plans = statements.plans(engine)
    for table in ("frames", "results"):
        assert f"SCAN {table}" not in plans.splitlines()
        assert f"Seq Scan on {table}" not in plans
    assert "results_pictured" in plans
