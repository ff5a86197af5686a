"""Decisions made in Redis are recorded in the database and replay, whatever data is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest
from redis import Redis
from sqlalchemy import Engine

from storage.db.database import reading, writing
from storage.db.schema import epochs, open_decisions, results
from storage.errors import StaleEpoch
from storage.frames.identity import NewFrame
from storage.frames.outcomes import Superseded, finish
from storage.frames.registration import register
from storage.models import save_model
from storage.results.commit import commit_results
from storage.stream.history import read_decisions
from storage.stream.replay import replay_all
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows, StreamKey
from storage.stream.wire import Decided
from tests.storage.examples import new_frame, result_row
from thermal.detection.bundle import Architecture, Bundle, TrainingInfo
from thermal.detection.normalization import Normalization
from thermal.threshold import Baseline, Decision, WindowConfig

CONFIG = WindowConfig(window_size=8, learn_frames=3)


def make_bundle(cameras: tuple[str, ...] = ()) -> Bundle:
    return Bundle(
        architecture=Architecture(height=8, width=8, channels=(4,), latent=2),
        normalization=Normalization(height=8, width=8, offset=0.0, span=1.0, unit="counts"),
        training=TrainingInfo(
            seed=0,
            images=10,
            held_out=5,
            fingerprint="f",
            cameras=cameras,
            metrics={},
            versions={},
        ),
        weights={},
        held_out_scores=np.array([0.5, 0.8, 1.0, 1.2, 2.0]),
    )


BUNDLE = make_bundle()
STREAM = StreamKey("cam-a", BUNDLE.model_id)


@dataclass
class Batch:
    """A batch that a worker decided and has not committed."""

    frames: list[NewFrame]
    decided: Decided


class Workers:
    """Simulated workers that decide, commit and die in any order, on a Redis that loses data."""

    def __init__(self, engine: Engine, redis: Redis, seed: int):
        self.engine = engine
        self.redis = redis
        self.chance = random.Random(seed)
        self.streams = Streams(engine, RollingWindows(redis, CONFIG), lambda: 0.0)
        self.count = 0
        self.pending: dict[str, NewFrame] = {}
        self.held: list[Batch] = []
        self.snapshot: dict[bytes, bytes] = {}
        save_model(engine, BUNDLE, now=0.0, activate=True)

    def upload(self) -> None:
        frames = [new_frame(self.count + i, "cam-a") for i in range(self.chance.randint(1, 4))]
        self.count += len(frames)
        register(self.engine, frames, now=0.0)
        self.pending |= {frame.frame_id: frame for frame in frames}

    def decide(self) -> None:
        if self.pending:
            number = self.chance.randint(1, min(4, len(self.pending)))
            frames = self.chance.sample(sorted(self.pending.values(), key=str), number)
            self.held.append(Batch(frames, self._decide(frames)))

    def _decide(self, frames: list[NewFrame]) -> Decided:
        # the score is a function of the frame, as in a real worker
        scored = [(f.frame_id, 0.5 + int(f.frame_id[:4], 16) / 30_000) for f in frames]
        return self.streams.decide(STREAM, BUNDLE, scored)

    def commit(self) -> None:
        if self.held:
            self._commit_until_fresh(self.held.pop(self.chance.randrange(len(self.held))))

    def _commit_until_fresh(self, batch: Batch) -> None:
        for _ in range(3):
            if self._commit(batch):
                return
            self.streams.windows.drop(STREAM, batch.decided.epoch)
            frames = [frame for frame in batch.frames if frame.frame_id in self.pending]
            if not frames:
                return  # another worker committed them
            batch = Batch(frames, self._decide(frames))
        raise AssertionError("a batch without competition must be committed")

    def _commit(self, batch: Batch) -> bool:
        epoch = batch.decided.epoch
        rows = [
            result_row(frame, decision, epoch=epoch, model_id=BUNDLE.model_id)
            for frame, decision in zip(batch.frames, batch.decided.decisions.values(), strict=True)
        ]
        try:
            commit_results(
                self.engine,
                rows,
                epochs={"cam-a": epoch},
                open_decisions={"cam-a": batch.decided.open_decisions},
                model_id=BUNDLE.model_id,
                now=0.0,
            )
        except StaleEpoch:
            return False
        ids = [row.frame_id for row in rows]
        self.streams.windows.confirm_all({STREAM: [*ids, *batch.decided.open_decisions]})
        for frame_id in ids:
            self.pending.pop(frame_id, None)
        self.check()
        return True

    def die(self) -> None:
        if self.held:
            self.held.pop(self.chance.randrange(len(self.held)))

    def lose_redis(self) -> None:
        self.redis.flushall()

    def write_redis_file(self) -> None:
        keys = cast("list[bytes]", self.redis.keys())
        self.snapshot = {key: cast(bytes, self.redis.dump(key)) for key in keys}

    def restart_redis_without_its_last_writes(self) -> None:
        self.redis.flushall()
        for key, value in self.snapshot.items():
            self.redis.restore(key, 0, value)

    def check(self) -> None:
        with reading(self.engine) as connection:
            decisions = list(read_decisions(connection, STREAM))[::-1]
            scored = [row.frame_id for row in connection.execute(results.select())]
            waiting = [row.frame_id for row in connection.execute(open_decisions.select())]
        # every row replays from the rows before it
        assert [decision.seq for decision in decisions] == list(range(1, len(decisions) + 1))
        report = replay_all(self.engine)
        assert report.consistent, report.described
        assert report.decisions == len(decisions)
        # every frame has at most one row and one number
        assert len(set(scored)) == len(scored)
        assert not set(scored) & set(waiting)
        assert len(scored) + len(self.pending) == self.count

    def finish(self) -> None:
        """Redeliver all frames that are still pending."""
        if frames := list(self.pending.values()):
            self._commit_until_fresh(Batch(frames, self._decide(frames)))
        self.check()
        assert self.pending == {}


@pytest.mark.parametrize("seed", range(4))
def test_decisions_replay_whatever_data_is_lost(engine: Engine, redis_url: str, seed: int) -> None:
    # to see it fail: remove open_decisions, the epoch, or the check for contradictions
    with Redis.from_url(redis_url) as redis:
        workers = Workers(engine, redis, seed)
        usual = [workers.upload, workers.decide, workers.commit]
        disasters = [
            workers.die,
            workers.lose_redis,
            workers.write_redis_file,
            workers.restart_redis_without_its_last_writes,
        ]
        for _ in range(150):
            workers.chance.choice(workers.chance.choices([usual, disasters], [5, 1])[0])()
        workers.finish()
        assert workers.count > 50


@pytest.fixture
def streams(engine: Engine, redis_url: str) -> Iterator[Streams]:
    with Redis.from_url(redis_url) as redis:
        yield Streams(engine, RollingWindows(redis, CONFIG), lambda: 0.0)


def test_a_camera_outside_the_training_set_starts_by_learning(streams: Streams) -> None:
    bundle = make_bundle(cameras=("cam-a",))
    known = streams.decide(StreamKey("cam-a", bundle.model_id), bundle, [("f1", 1.0)])
    new = streams.decide(StreamKey("cam-b", bundle.model_id), bundle, [("f2", 1.0)])
    assert not known.decisions["f1"].learning
    assert new.decisions["f2"].learning
    assert new.decisions["f2"].window_n == 0


def test_a_model_trained_without_camera_names_covers_every_camera(streams: Streams) -> None:
    decided = streams.decide(STREAM, BUNDLE, [("f1", 1.0)])
    assert not decided.decisions["f1"].learning
    assert decided.decisions["f1"].window_n == 5


def test_changed_settings_apply_immediately(engine: Engine, streams: Streams) -> None:
    streams.decide(STREAM, BUNDLE, [("f1", 1.0)])
    changed = WindowConfig(window_size=8, learn_frames=3, percentile=60.0, body_percentile=50.0)
    redis = streams.windows.redis
    later = Streams(engine, RollingWindows(redis, changed), lambda: 0.0)
    [decision] = later.decide(STREAM, BUNDLE, [("f2", 1.0)]).decisions.values()
    baseline = Baseline.from_scores(BUNDLE.held_out_scores, changed)
    assert decision.threshold == pytest.approx(decision.body * baseline.tail)


def feed(streams: Streams, engine: Engine, scores: Sequence[float]) -> list[Decision]:
    """Decide and commit frames one at a time."""
    decisions: list[Decision] = []
    with reading(engine) as connection:
        count = len(connection.execute(results.select()).all())
    for number, score in enumerate(scores, start=count):
        frame = new_frame(number, "cam-a")
        register(engine, [frame], now=0.0)
        decided = streams.decide(STREAM, BUNDLE, [(frame.frame_id, score)])
        decisions += decided.decisions.values()
        commit_results(
            engine,
            [
                result_row(
                    frame,
                    decided.decisions[frame.frame_id],
                    epoch=decided.epoch,
                    model_id=STREAM.model_id,
                )
            ],
            epochs={"cam-a": decided.epoch},
            open_decisions={"cam-a": decided.open_decisions},
            model_id=STREAM.model_id,
            now=0.0,
        )
        streams.windows.confirm_all({STREAM: [frame.frame_id]})
    return decisions


@pytest.mark.parametrize("redis_is_lost", [False, True])
def test_a_new_level_is_flagged_until_it_is_accepted_and_then_learned(
    engine: Engine, streams: Streams, redis_is_lost: bool
) -> None:
    # to see it fail: leave `accepted` out of the restored state (and lose Redis)
    save_model(engine, BUNDLE, now=0.0, activate=True)
    assert all(decision.anomaly for decision in feed(streams, engine, [9.0, 9.1, 9.2] * 10))
    assert streams.accept(STREAM, BUNDLE) == 31
    if redis_is_lost:
        streams.windows.redis.flushall()
    learned = feed(streams, engine, [9.0, 9.1, 9.2, 9.1, 9.0])
    assert [decision.learning for decision in learned] == [True, True, True, False, False]
    assert not any(decision.anomaly for decision in learned[1:])
    report = replay_all(engine)
    assert report.consistent and report.decisions == 35, report.described


def test_only_pending_frames_get_their_open_decision_back(engine: Engine, streams: Streams) -> None:
    # to see it fail: restore open decisions of frames that are no longer pending too
    save_model(engine, BUNDLE, now=0.0, activate=True)
    superseded, pending = new_frame(100, "cam-a"), new_frame(101, "cam-a")
    ids = register(engine, [superseded, pending], now=0.0)
    dead = streams.decide(STREAM, BUNDLE, [(frame_id, 1.0) for frame_id in ids])
    feed(streams, engine, [1.1])  # records the decisions of the dead worker
    finish(engine, [Superseded(superseded.frame_id, None)], now=1.0)
    streams.windows.redis.flushall()
    again = streams.decide(STREAM, BUNDLE, [(pending.frame_id, 1.0)])
    assert list(again.decisions.values()) == list(dead.decisions.values())[1:]
    assert streams.windows.redis.hkeys(STREAM.redis_keys()[3]) == [pending.frame_id.encode()]


def test_learning_without_an_acceptance_on_record_is_a_mismatch(
    engine: Engine, streams: Streams
) -> None:
    save_model(engine, BUNDLE, now=0.0, activate=True)
    feed(streams, engine, [1.0, 1.1])
    streams.accept(STREAM, BUNDLE)
    feed(streams, engine, [1.0])
    with writing(engine) as connection:
        connection.execute(epochs.update().values(accepted=False))
    assert replay_all(engine).mismatches == 1
