"""A worker decides by the rule and by its own scores, whatever stands in Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from sqlalchemy import Engine

from storage.db.database import writing
from storage.db.schema import open_decisions, results
from storage.db.schema import streams as streams_table
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.models import save_model
from storage.redis_values import refusals
from storage.results.commit import commit_results
from storage.stream.replay import replay_all
from storage.stream.streams import Streams
from storage.stream.window import RollingWindows
from storage.stream.wire import Decided, from_wire, to_wire
from tests.storage.examples import new_frame, result_row
from tests.storage.stream.test_streams import BUNDLE, CONFIG, STREAM
from thermal.threshold import Baseline, RollingThreshold

BASELINE = Baseline.from_scores(BUNDLE.held_out_scores, CONFIG)
STATE, BY_SEQ, BY_SCORE, DECISIONS, ORDER, OPEN, FLAGGED = STREAM.redis_keys()
#: Scores of the frames that are decided before an attack; one is an anomaly.
BEFORE = [1.0, 1.1, 0.9, 9.0, 1.2, 0.8]


class Site:
    """A worker that decides and commits frames one at a time, beside a plain replay of the rule."""

    def __init__(self, engine: Engine, redis: Redis):
        self.engine, self.redis = engine, redis
        self.worker = self.new_worker()
        self.reference = RollingThreshold(CONFIG, BASELINE)
        self.count = 0
        save_model(engine, BUNDLE, now=0.0, activate=True)

    def new_worker(self) -> Streams:
        return Streams(self.engine, RollingWindows(self.redis, CONFIG), lambda: 0.0)

    def upload(self) -> NewFrame:
        frame = new_frame(self.count, "cam-a")
        self.count += 1
        register(self.engine, [frame], now=0.0)
        return frame

    def decide(self, frame: NewFrame, score: float, worker: Streams | None = None) -> Decided:
        return (worker or self.worker).decide(STREAM, BUNDLE, [(frame.frame_id, score)])

    def commit(self, frame: NewFrame, decided: Decided) -> None:
        decision = decided.decisions[frame.frame_id]
        commit_results(
            self.engine,
            [result_row(frame, decision, epoch=decided.epoch, model_id=BUNDLE.model_id)],
            epochs={"cam-a": decided.epoch},
            open_decisions={"cam-a": decided.open_decisions},
            model_id=BUNDLE.model_id,
            now=0.0,
        )
        self.worker.windows.confirm_all({STREAM: [frame.frame_id, *decided.open_decisions]})

    def score(self, *scores: float, worker: Streams | None = None) -> None:
        """Decide and commit frames; each decision must be the one that the rule gives."""
        for score in scores:
            frame = self.upload()
            decided = self.decide(frame, score, worker)
            assert decided.decisions[frame.frame_id] == self.reference.decide(score)
            self.commit(frame, decided)

    def check(self, refused: int) -> None:
        """Check that everything replays, and how many windows were refused."""
        report = replay_all(self.engine)
        assert report.consistent and report.decisions == self.count, report.described
        assert refusals(self.redis)["window"] == refused


@pytest.fixture
def site(engine: Engine, redis_url: str) -> Iterator[Site]:
    with Redis.from_url(redis_url) as redis:
        yield Site(engine, redis)


def set_state(**fields: str) -> Callable[[Redis], object]:
    return lambda redis: [redis.hset(STATE, name, value) for name, value in fields.items()]


def replace_scores(redis: Redis) -> None:
    members = redis.zrange(BY_SCORE, 0, -1)
    redis.delete(BY_SCORE)
    redis.zadd(BY_SCORE, {f"{i}:0.001": 0.001 for i in range(len(list(members)))})


def forget_scores(redis: Redis) -> None:
    redis.delete(BY_SEQ, BY_SCORE)


def flag_all(redis: Redis) -> None:
    redis.zadd(FLAGGED, {str(number): number for number in range(-50, 1)})


def open_without_decision(redis: Redis) -> None:
    redis.zadd(OPEN, {"no-such-frame": 6})


def open_a_forged_decision(redis: Redis) -> None:
    redis.hset(DECISIONS, "x" * 32, "7 0.1 2 2 1 8 8 0 0 0")
    redis.zadd(ORDER, {"x" * 32: 7})
    redis.zadd(OPEN, {"x" * 32: 7})


def open_a_name_that_no_database_takes(redis: Redis) -> None:
    redis.hset(DECISIONS, b"\0\n", "7 0.1 2 2 1 8 8 0 0 0")
    redis.zadd(ORDER, {b"\0\n": 7})
    redis.zadd(OPEN, {b"\0\n": 7})


def fill(key: str) -> Callable[[Redis], object]:
    return lambda redis: redis.zadd(key, {f"{i}:1": i for i in range(20_000)})


ATTACKS = {
    "threshold-blinds": set_state(threshold="1e308"),
    "threshold-infinite": set_state(threshold="inf"),
    "threshold-nan": set_state(threshold="nan"),
    "threshold-zero": set_state(threshold="0"),
    "threshold-text": set_state(threshold="high"),
    "threshold-in-step": set_state(threshold="2.0001"),
    "number-ahead": set_state(seq="1000000"),
    "number-behind": set_state(seq="2"),
    "number-huge": set_state(seq="1e300"),
    "number-text": set_state(seq="x"),
    "learning-again": set_state(learned="0", settled="0"),
    "unsettled": set_state(settled="0"),
    "scores": replace_scores,
    "no-scores": forget_scores,
    "flags": flag_all,
    "open-without-decision": open_without_decision,
    "open-forged": open_a_forged_decision,
    "open-unprintable": open_a_name_that_no_database_takes,
    "many-open": fill(OPEN),
    "many-scores": fill(BY_SCORE),
    "many-numbers": fill(BY_SEQ),
    "many-flags": fill(FLAGGED),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_forged_window_is_rebuilt_from_the_rows_with_one_warning(
    site: Site, caplog: pytest.LogCaptureFixture, attack: Callable[[Redis], object]
) -> None:
    # to see it fail: leave the check out of Streams.decide, or the sizes out of window.lua
    site.score(*BEFORE)
    attack(site.redis)
    with caplog.at_level(logging.WARNING):
        site.score(1.05, 9.5, 1.0)
    assert [record.getMessage()[:49] for record in caplog.records] == [
        "discarded the window of camera cam-a from Redis, "
    ]
    site.check(refused=1)


@pytest.mark.parametrize("kind", ["string", "list", "set", "hash", "zset", "stream", "nothing"])
def test_keys_of_another_type_are_rebuilt_from_the_rows(site: Site, kind: str) -> None:
    # to see it fail: let errors of the script pass through RollingWindows.decide_all
    redis = site.redis
    write: dict[str, Callable[[str], object]] = {
        "string": lambda key: redis.set(key, b"\xff\0"),
        "list": lambda key: redis.rpush(key, "1"),
        "set": lambda key: redis.sadd(key, "1"),
        "hash": lambda key: redis.hset(key, "1", "1"),
        "zset": lambda key: redis.zadd(key, {"1": 1}),
        "stream": lambda key: redis.xadd(key, {"1": "1"}),
        "nothing": lambda key: None,
    }
    for key in STREAM.redis_keys():
        site.score(*BEFORE)
        redis.delete(key)
        write[kind](key)
        site.score(1.05, 9.5, 1.0)
    report = replay_all(site.engine)
    assert report.consistent and report.decisions == site.count, report.described


@pytest.mark.parametrize("kind", ["text", "list"])
def test_a_forged_lock_holds_a_rebuild_up_for_seconds_only(site: Site, kind: str) -> None:
    # to see it fail: wait for the lock as long as it is held
    site.score(*BEFORE)
    site.redis.delete(STATE)
    name = STATE + ":rebuild"
    _ = site.redis.set(name, "mine") if kind == "text" else site.redis.rpush(name, "mine")
    site.score(1.0)
    assert not site.redis.exists(name)


def forge_decision(redis: Redis, frame: NewFrame, **fields: float) -> None:
    text = redis.hget(DECISIONS, frame.frame_id)
    assert isinstance(text, bytes)
    changed = vars(from_wire(text)) | fields
    redis.hset(DECISIONS, frame.frame_id, to_wire(type(from_wire(text))(**changed)))


@pytest.mark.parametrize("fields", [{"score": 0.01}, {"threshold": 99.0}, {"seq": 3}])
def test_a_forged_decision_of_a_repeated_frame_never_reaches_its_row(
    site: Site, fields: dict[str, float]
) -> None:
    # to see it fail: leave the comparison of scores out of Copies._follow
    site.score(*BEFORE)
    frame = site.upload()
    site.decide(frame, 9.5)  # its worker dies
    forge_decision(site.redis, frame, **fields)
    decided = site.decide(frame, 9.5, site.new_worker())
    assert decided.decisions[frame.frame_id] == site.reference.decide(9.5)
    site.commit(frame, decided)
    site.check(refused=1)


def test_a_recorded_decision_keeps_the_score_that_later_rows_depend_on(site: Site) -> None:
    site.score(*BEFORE)
    first, second = site.upload(), site.upload()
    dead = site.decide(first, 1.3)
    site.commit(second, site.decide(second, 1.0))
    again = site.decide(first, 1.3 + 1e-9, site.new_worker())  # another device rounds otherwise
    assert again.decisions == dead.decisions
    site.commit(first, again)
    site.check(refused=0)


def test_workers_that_take_turns_refuse_nothing(site: Site) -> None:
    # to see it fail: leave out _absorb_recorded
    workers = [site.new_worker() for _ in range(3)]
    for turn in range(30):
        site.score(1.0 + turn / 100, worker=workers[turn * turn % 3])
    held = [
        (frame, worker)
        for frame, worker in zip([site.upload() for _ in workers], workers, strict=True)
    ]
    decided = [site.decide(frame, 1.1, worker) for frame, worker in held]
    for (frame, _), answer in zip(held, decided, strict=True):
        site.commit(frame, answer)
    site.check(refused=0)


def test_a_window_whose_first_rows_were_deleted_is_checked_by_the_rule(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    # to see it fail: let _Copy.take absorb without asking `allows`
    site.score(*BEFORE, 1.0, 1.1, 1.2)
    with writing(site.engine) as connection:
        connection.execute(results.delete().where(results.c.seq < 6))
        connection.execute(streams_table.update().values(complete_from=6))
    frame = site.upload()
    worker = site.new_worker()
    decided = site.decide(frame, 1.0, worker)
    assert decided.decisions[frame.frame_id] == site.reference.decide(1.0)
    assert caplog.records == []
    site.commit(frame, decided)
    site.redis.hset(STATE, "threshold", "1e308")
    frame = site.upload()
    after = site.decide(frame, 9.9, worker).decisions[frame.frame_id]
    assert after.anomaly and after.threshold < 5
    assert refusals(site.redis)["window"] == 1


def test_nothing_of_a_forged_open_decision_is_recorded(site: Site, engine: Engine) -> None:
    site.score(*BEFORE)
    open_a_forged_decision(site.redis)
    site.score(1.0)
    with writing(engine) as connection:
        assert connection.execute(open_decisions.select()).all() == []
